//! Exploring a model: all of it, or until the property breaks that an ablation must break.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// More states than any of these models has: above it the bounds were widened without a thought.
const STATES_MAX: usize = 2_000_000;

/// Explores every reachable state, and demands that every property holds in each.
pub(crate) fn holds<M>(model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let checker = model.checker().target_state_count(STATES_MAX).spawn_bfs().join();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let last = path.last_state().clone();
        let steps: Vec<_> = path.into_actions();
        panic!("\"{property}\" breaks:\n{steps:?}\n{last:?}");
    }
    assert!(checker.state_count() < STATES_MAX, "the model is not explored to its end");
}

/// Explores until `property` breaks, and gives the steps that break it.
pub(crate) fn breaks<M>(model: M, property: &'static str) -> Vec<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let wanted = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let checker = model.checker().target_state_count(STATES_MAX).finish_when(wanted).spawn_bfs().join();
    let found = checker.discovery(property);
    let states = checker.unique_state_count();
    let path = found.unwrap_or_else(|| panic!("\"{property}\" holds without the rule, in {states} states"));
    let steps = path.into_actions();
    println!("\"{property}\" breaks after {} steps, {states} states:\n{steps:?}", steps.len());
    steps
}
