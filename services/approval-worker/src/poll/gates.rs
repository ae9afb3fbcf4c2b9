//! Which of the open gates what was found concerns.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use interlock_events::{CorrelationId, KeyHash};
use interlock_rules::ChangeRow;
use interlock_servicenow::Decision;

use crate::gate::{Gate, SEEN_MAX, seen_row};
use crate::projection::Copy;

/// The open gates of one instance.
pub(super) struct Gates {
    copies: Vec<Copy>,
    by_key: HashMap<KeyHash, Vec<usize>>,
    by_change: HashMap<String, Vec<usize>>,
}

impl Gates {
    pub(super) fn of(copies: Vec<Copy>) -> Self {
        let (mut by_key, mut by_change) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (nth, copy) in copies.iter().enumerate() {
            // A change of one of those who share a gate may be all of theirs.
            let keys = Gate::of(&copy.request).map(|gate| gate.shared(&copy.state).hashes());
            for key in keys.unwrap_or_default() {
                by_key.entry(key).or_default().push(nth);
            }
            if let Some(change) = &copy.state.change {
                by_change.entry(change.sys_id.clone()).or_default().push(nth);
            }
        }
        Self { copies, by_key, by_change }
    }

    /// Numbers of their changes, by id.
    pub(super) fn changes(&self) -> Vec<(String, String)> {
        let changes = self.copies.iter().filter_map(|copy| copy.state.change.as_ref());
        let changes: BTreeMap<&str, &str> =
            changes.map(|change| (change.sys_id.as_str(), change.number.as_str())).collect();
        changes.into_iter().map(|(sys_id, number)| (sys_id.to_owned(), number.to_owned())).collect()
    }

    /// Those to which this row is news.
    pub(super) fn behind(&self, row: &ChangeRow) -> BTreeSet<KeyHash> {
        let key = CorrelationId::hash_in(&row.correlation_id);
        self.concerned(key.as_ref(), &row.sys_id, |copy| match &copy.state.change {
            Some(change) if change.sys_id == row.sys_id => !copy.state.seen.starts_with(&seen_row(row)),
            _ => !copy.state.known.as_ref().is_some_and(|known| known.has(row)),
        })
    }

    /// Those to which this decision is news.
    pub(super) fn undecided(&self, decision: &Decision) -> BTreeSet<KeyHash> {
        let as_seen = format!("{}={}", decision.approver.by, decision.approver.state);
        self.concerned(decision.key.as_ref(), &decision.change, |copy| {
            let state = &copy.state;
            let is_its = state.change.as_ref().is_some_and(|change| change.sys_id == decision.change);
            let is_counted =
                || state.known.as_ref().zip(decision.approver.at).is_some_and(|(known, at)| known.counts(at));
            match is_its && state.seen.chars().count() < SEEN_MAX {
                true => !state.seen.contains(&as_seen),
                false => !is_counted(),
            }
        })
    }

    /// Those that hang on a change that the instance does not show.
    pub(super) fn of_change(&self, sys_id: &str) -> BTreeSet<KeyHash> {
        self.concerned(None, sys_id, |_| true)
    }

    fn concerned(
        &self,
        key: Option<&KeyHash>,
        change: &str,
        is_news: impl Fn(&Copy) -> bool,
    ) -> BTreeSet<KeyHash> {
        let of_key = key.and_then(|key| self.by_key.get(key)).into_iter().flatten();
        let found = of_key.chain(self.by_change.get(change).into_iter().flatten());
        found.map(|nth| &self.copies[*nth]).filter(|copy| is_news(copy)).map(Copy::key).collect()
    }
}
