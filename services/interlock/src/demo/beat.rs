//! The story as a table: what a person does, and what must be seen then, in order.

use super::seen::{Mark, Seen};

/// The first approver, of the assignment group.
pub const ALICE: &str = "alice.approver";
/// The second, of the change advisory board.
pub const BOB: &str = "bob.cab";

/// One step of the story.
#[derive(Debug, Clone, Copy)]
pub struct Beat {
    /// Its name, for scripts.
    pub step: &'static str,
    /// What a person does first.
    pub act: Option<Act>,
    /// What must be seen then.
    pub sight: Sight,
    /// In words; `{number}` is the change's. An event brings its own.
    pub what: &'static str,
}

/// What a person does in ServiceNow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Approves.
    Approve(&'static str),
    /// Rejects, with a comment.
    Reject(&'static str, &'static str),
}

/// Where something is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// An event in the log.
    Event(&'static str),
    /// GitHub's journal.
    GitHub(&'static str),
    /// A move of the change.
    Moved(&'static str),
    /// An approver's answer.
    Answer(&'static str, &'static str),
}

impl Sight {
    /// Looks for it in what was seen.
    pub fn in_seen(self, seen: &Seen) -> Option<Mark> {
        match self {
            Self::Event(ty) => seen.event(ty),
            Self::GitHub(what) => seen.at_github(what),
            Self::Moved(state) => seen.moved_to(state),
            Self::Answer(what, person) => seen.answered(what, person),
        }
    }
}

const fn event(ty: &'static str) -> Beat {
    Beat { step: ty, act: None, sight: Sight::Event(ty), what: "" }
}

const fn github(what: &'static str, step: &'static str, words: &'static str) -> Beat {
    Beat { step, act: None, sight: Sight::GitHub(what), what: words }
}

const fn moved(state: &'static str, step: &'static str, words: &'static str) -> Beat {
    Beat { step, act: None, sight: Sight::Moved(state), what: words }
}

const APPROVED: &str = "approval.approved";

/// From the gate to Bob's answer.
const UNTIL_BOB: [Beat; 6] = [
    github("gate.asked", "gate.asked", "the workflow reaches production: GitHub asks, and the job waits"),
    event("deployment.requested"),
    event("change.opened"),
    moved("-4", "change.assess", "{number} goes from New to Assess, the assignment group is asked"),
    Beat {
        step: "approved.alice",
        act: Some(Act::Approve(ALICE)),
        sight: Sight::Answer(APPROVED, ALICE),
        what: "{number}: approved for the assignment group",
    },
    moved("-3", "change.authorize", "{number} goes on to Authorize, the CAB is asked"),
];

const RELEASED: [Beat; 13] = [
    Beat {
        step: "approved.bob",
        act: Some(Act::Approve(BOB)),
        sight: Sight::Answer(APPROVED, BOB),
        what: "{number}: approved for the CAB",
    },
    moved("-2", "change.scheduled", "{number} goes on to Scheduled: it is approved"),
    event("approval.granted"),
    github("gate.released", "gate.opened", "GitHub lets the job go on"),
    event("gate.released"),
    github("job.started", "job.started", "the job begins"),
    event("deployment.started"),
    moved("-1", "change.implement", "{number} goes on to Implement"),
    github("job.finished", "job.finished", "the job succeeded"),
    event("deployment.finished"),
    moved("0", "change.review", "{number} goes on to Review"),
    moved("3", "change.done", "{number} goes on to Closed, with code and notes"),
    event("change.closed"),
];

const REJECTED: [Beat; 7] = [
    Beat {
        step: "rejected.bob",
        act: Some(Act::Reject(BOB, "Not during the month-end closing.")),
        sight: Sight::Answer("approval.rejected", BOB),
        what: "{number}: rejected for the CAB: \"Not during the month-end closing.\"",
    },
    moved("-5", "change.returned", "{number} falls back to New"),
    event("approval.rejected"),
    github("gate.rejected", "gate.closed", "GitHub fails the job"),
    event("gate.rejected"),
    moved("4", "change.ended", "{number} goes to Canceled"),
    event("change.canceled"),
];

/// The whole story, to its good or its bad end.
pub fn beats(reject: bool) -> Vec<Beat> {
    let end: &[Beat] = if reject { &REJECTED } else { &RELEASED };
    UNTIL_BOB.iter().chain(end).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_step_has_a_name_of_its_own_and_words() {
        for reject in [false, true] {
            let mut names = BTreeSet::new();
            for beat in beats(reject) {
                assert!(names.insert(beat.step), "{} stands twice", beat.step);
                assert_eq!(beat.what.is_empty(), matches!(beat.sight, Sight::Event(_)), "{}", beat.step);
            }
        }
    }

    #[test]
    fn each_event_of_the_story_is_of_the_catalogue() {
        let known: Vec<&str> = interlock_events::catalogue().iter().map(|entry| entry.ty).collect();
        for beat in beats(false).into_iter().chain(beats(true)) {
            if let Sight::Event(ty) = beat.sight {
                assert!(known.iter().any(|known| crate::words::short(known) == ty), "{ty}");
            }
        }
    }
}
