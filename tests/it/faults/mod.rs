//! Faults of the broker and around it, each on a real one.

mod alarm;
mod neighbours;
mod poison;
mod rights;
mod staff;
mod storm;
