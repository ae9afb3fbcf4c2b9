//! The examination of a connection: what keeps Interlock from working with an instance, or will. It reads, and only
//! where it is asked to it opens one change that is a test by its name, and cancels it.
//!
//! Calls are made one after another and never repeated. What was heard ([`readings`]) is judged by pure
//! functions ([`judge`]). What the user may not look at is told as unseen: it may be well or not.

mod ask;
mod examine;
mod finding;
mod judge;
mod questions;
mod readings;
mod written;

pub use examine::Doctor;
pub use finding::{Check, Examination, Finding, Name, Severity, Verdict};
pub use judge::shared_users;
pub use readings::{PolicyWishes, Wishes};
