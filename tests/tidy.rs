//! House rules: what no compiler checks. They need no server: `cargo test -p interlock-tests --test tidy`.
//!
//! Beside each rule stands a test that breaks it on purpose, so that a rule which sees nothing is seen.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a rule that cannot read what it judges fails; one reports"
)]

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/reactions.rs"]
mod reactions;
#[path = "tidy/references.rs"]
mod references;
#[path = "tidy/sources.rs"]
mod sources;
#[path = "tidy/words.rs"]
mod words;
