//! What people see of Interlock from outside, each role its own process.

mod approval;
mod crash;
mod door;
mod matrix;
mod outage;
mod spool;
mod truth;
