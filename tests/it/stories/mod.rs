//! What people see of Interlock from outside, each role its own process.

mod approval;
mod audit;
mod away;
mod calls;
mod cmdb;
mod conflict;
mod crash;
mod door;
mod evidence;
mod freeze;
mod lost;
mod matrix;
mod observe;
mod outage;
mod patterns;
mod points;
mod refused;
mod rerun;
mod rollback;
mod separation;
mod spool;
mod tools;
mod truth;
