//! Why a gate is looked at before its time, and the look by its copy in the Store.

use std::time::Duration;

use interlock_events::KeyHash;
use interlock_runtime::worker::{Delivery, Handled};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Desk;
use crate::gate::{Gate, Phase};
use crate::look::By;

/// A gate that somebody else looks at is come back to after this time.
const BUSY: Duration = Duration::from_secs(1);
const REVISION: &str = "revision";

/// Something happened that bears on a gate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint {
    began: Instant,
    run_first: bool,
    redelivered: bool,
    busy_at: Option<u64>,
}

impl Hint {
    pub(crate) fn of<T>(delivery: &Delivery<T>) -> Self {
        let busy_at = delivery.state.as_ref().and_then(|state| state[REVISION].as_u64());
        Self { redelivered: delivery.redelivered, busy_at, ..Self::at(delivery.began) }
    }

    pub(crate) fn at(began: Instant) -> Self {
        Self { began, run_first: false, redelivered: false, busy_at: None }
    }

    /// It is about the run, which is read whatever the record says.
    pub(crate) fn about_the_run(self) -> Self {
        Self { run_first: true, ..self }
    }

    /// Comes again: the look that goes on may have read before this happened, or die.
    fn again(self, revision: u64) -> Handled {
        let state: Value = json!({ REVISION: self.busy_at.unwrap_or(revision) });
        Handled::Watch { after: BUSY, state, events: vec![] }
    }

    /// Of two looks that have ended since it was busy, the second began after this happened.
    fn is_stale(self, revision: u64) -> bool {
        self.busy_at.is_some_and(|busy_at| revision >= busy_at + 2)
    }
}

impl Desk {
    /// Looks at a gate by its copy in the Store. It publishes no watch of the gate: that chain goes on.
    pub(crate) async fn look_now(&self, key: &KeyHash, hint: Hint) -> Handled {
        let Some(mut copy) = self.recall(key).await else {
            return Handled::Ignored("no open gate of this deployment".into());
        };
        let revision = copy.state.revision;
        if hint.is_stale(revision) {
            return Handled::Ignored("the gate was looked at since".into());
        }
        let Some(gate) = Gate::of(&copy.request) else {
            return Handled::Ignored("it has no gate".into());
        };
        if matches!(copy.state.phase, Phase::Over { .. }) && !hint.redelivered {
            return Handled::Ignored("the gate is over: its watch tells the same".into());
        }
        // Whoever had the hint before may have died between its answer and the telling of it.
        let again = self.told_again(gate, &copy.state).filter(|_| hint.redelivered);
        match self.look(gate, &mut copy.state, hint.began, By::Hint { run_first: hint.run_first }).await {
            Some(looked) => Handled::Done(again.into_iter().chain(looked.events).collect()),
            None => hint.again(revision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hint_that_found_its_gate_busy_is_served_by_the_second_look_that_ends() {
        let hint = Hint::at(Instant::now());
        let Handled::Watch { state, .. } = hint.again(7) else { panic!("it comes again") };
        assert_eq!(state, json!({ "revision": 7 }));
        let back = Hint { busy_at: Some(7), ..hint };
        assert!(!back.is_stale(8), "that look may have read before it happened");
        assert!(back.is_stale(9));
        let Handled::Watch { state, .. } = back.again(8) else { panic!("it comes again") };
        assert_eq!(state, json!({ "revision": 7 }), "it counts from when it was first busy");
    }
}
