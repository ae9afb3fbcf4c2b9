//! House rules: what no compiler checks. They need no server: `cargo test -p interlock-tests --test tidy`.
//!
//! Beside each rule stands a test that breaks it on purpose, so that a rule which sees nothing is seen.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/reactions.rs"]
mod reactions;
#[path = "tidy/sources.rs"]
mod sources;
#[path = "tidy/words.rs"]
mod words;
