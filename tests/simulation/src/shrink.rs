//! Shrinks a failing script: takes out one step after another, as long as it still fails in the same way.

use crate::play::{Played, play};
use crate::script::Script;
use crate::world::Setting;

/// Plays at most so many scripts.
const PLAYS_MAX: usize = 400;

/// The shortest script found that still breaks `promise`, and what came of it.
///
/// # Errors
/// A world cannot be built.
pub fn shrink(script: &Script, setting: Setting, promise: &str) -> anyhow::Result<(Script, Played)> {
    let mut shortest = (script.clone(), play(script, setting)?);
    let mut plays = 0;
    let mut place = shortest.0.steps.len();
    while place > 0 && plays < PLAYS_MAX {
        place -= 1;
        let less = shortest.0.without(place);
        plays += 1;
        let played = play(&less, setting)?;
        if played.report.breaks(promise) {
            shortest = (less, played);
            // What was needed for the step that is gone may be needless now.
            place = shortest.0.steps.len();
        }
    }
    Ok(shortest)
}
