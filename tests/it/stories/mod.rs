//! What people see of Interlock from outside, each role its own process.

mod approval;
mod away;
mod crash;
mod door;
mod outage;
mod spool;
mod truth;
