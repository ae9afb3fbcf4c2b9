//! What has reached this process of late: the receipts that a flush of the Store cannot take.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How many events are remembered; some megabytes.
const KEPT_MAX: usize = 16_384;

/// Ids of events, the oldest forgotten for the newest.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Arrivals {
    pub(super) fn note(&self, id: &str) {
        let mut kept = self.kept();
        if !kept.ids.insert(id.to_owned()) {
            return;
        }
        kept.order.push_back(id.to_owned());
        while kept.order.len() > KEPT_MAX {
            if let Some(oldest) = kept.order.pop_front() {
                kept.ids.remove(&oldest);
            }
        }
    }

    /// It did not stay after all. Its place in the order goes by itself.
    pub(super) fn forget(&self, id: &str) {
        self.kept().ids.remove(id);
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.kept().ids.contains(id)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_and_memory_has_a_bound() {
        let arrivals = Arrivals::default();
        for id in 0..KEPT_MAX + 10 {
            arrivals.note(&id.to_string());
        }
        assert!(!arrivals.has("9") && arrivals.has("10"));
        assert!(arrivals.has(&(KEPT_MAX + 9).to_string()));
        assert_eq!(arrivals.kept().ids.len(), KEPT_MAX);
        arrivals.forget("10");
        assert!(!arrivals.has("10"));
    }
}
