//! Fairness: a project holds at most a quarter of a worker's slots.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many deliveries of each project are in hand.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    each: usize,
    held: Arc<Mutex<HashMap<String, usize>>>,
}

/// One slot of a project; free again when dropped.
#[derive(Debug)]
pub(super) struct Share {
    project: Option<String>,
    shares: Shares,
}

impl Shares {
    /// Shares of a worker with so many slots: a quarter each, one at least.
    pub(super) fn of(slots: u16) -> Self {
        Self { each: usize::from(slots / 4).max(1), held: Arc::default() }
    }

    /// A slot for `project`, unless it holds its share already. Work without a project is not counted.
    pub(super) fn take(&self, project: Option<String>) -> Option<Share> {
        if let Some(project) = &project {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let count = held.entry(project.clone()).or_default();
            if *count >= self.each {
                return None;
            }
            *count += 1;
        }
        Some(Share { project, shares: self.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(project) = &self.project else { return };
        let mut held = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(project) {
            *count -= 1;
            if *count == 0 {
                held.remove(project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_project_holds_at_most_a_quarter_and_gives_it_back() {
        let shares = Shares::of(16);
        let noisy: Vec<_> = (0..6).map_while(|_| shares.take(Some("github:1".into()))).collect();
        assert_eq!(noisy.len(), 4);
        assert!(shares.take(Some("github:2".into())).is_some(), "another project is not starved");
        assert!(shares.take(None).is_some());
        drop(noisy);
        assert!(shares.take(Some("github:1".into())).is_some());
        assert!(shares.held.lock().unwrap().is_empty(), "nothing is kept of idle projects");
    }
}
