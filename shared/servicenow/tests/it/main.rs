//! The client on the wire: against the simulated instance in process, and against answers that it does not give.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod access;
mod attachments;
mod budget;
mod changed;
mod chosen;
mod conflicts;
mod counted;
mod doctor;
mod faults;
mod hourly;
mod items;
mod outage;
mod quirks;
mod reads;
mod store;
mod types;
mod world;
mod writes;
