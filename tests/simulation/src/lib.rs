//! A deterministic simulation of the whole: the production workers and clients on one thread with paused
//! time and seeded chance, between simulated systems, under faults; and a judge who reads what came of it.
#![doc = include_str!("../README.md")]

pub mod broker;
pub mod clock;
pub mod courier;
pub mod dice;
pub mod http;
pub mod many;
mod people;
pub mod play;
pub mod process;
pub mod sabotage;
pub mod scenario;
pub mod script;
pub mod shrink;
pub mod store;
pub mod tale;
pub mod world;
