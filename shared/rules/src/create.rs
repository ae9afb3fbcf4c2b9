//! May a change be created now? ServiceNow has no idempotency key: two POSTs are two records.

use std::time::Duration;

/// All that the decision hangs on, after a look-up that found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateFacts {
    /// The broker has delivered this copy before.
    pub redelivered: bool,
    /// First attempt, straight from `interlock.events`, not marked as a repeat.
    pub first_and_direct: bool,
    /// How long this watch has settled, if it has begun to.
    pub settled_for: Option<Duration>,
    /// How long the store remembers; `None`: the store is gone.
    pub store_age: Option<Duration>,
    /// How long a create that we know nothing of may take to show.
    pub settle: Duration,
    /// The change will stand under its own key: nobody who shares the gate comes before it.
    pub comes_first: bool,
}

/// What to do about a change that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// Win the marker `create:<key>`, then create. A marker that another holds: settle.
    WithMarker,
    /// Create without a marker: the store is gone, and we have settled. A possible extra is found and canceled.
    WithoutMarker,
    /// Wait so long, look up again, ask the platform whether the deployment still waits or runs, decide again.
    Settle(Duration),
}

/// Decides how to go on when the look-up found no change of the key.
///
/// At once only where nobody can have tried before: a first, direct delivery, and a store that
/// remembers longer than an unseen create can take.
#[must_use]
pub fn may_create(facts: CreateFacts) -> Creation {
    let CreateFacts { redelivered, first_and_direct, settled_for, store_age, settle, comes_first } = facts;
    let remembers = store_age.is_some_and(|age| age >= settle);
    match settled_for {
        None if !redelivered && first_and_direct && remembers => Creation::WithMarker,
        None => Creation::Settle(settle),
        Some(settled) if settled < settle => Creation::Settle(settle - settled),
        Some(settled) => match store_age {
            // Without a marker nothing else tells of the POST that the last delivery may have sent.
            None if redelivered => Creation::Settle(settle),
            // Each who shares the gate would create one: the first goes before the others.
            None if !comes_first && settled < settle * 2 => Creation::Settle(settle * 2 - settled),
            None => Creation::WithoutMarker,
            Some(age) if age < settle => Creation::Settle(settle - age),
            Some(_) => Creation::WithMarker,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(75);

    fn facts() -> CreateFacts {
        CreateFacts {
            redelivered: false,
            first_and_direct: true,
            settled_for: None,
            store_age: Some(Duration::from_secs(3600)),
            settle: SETTLE,
            comes_first: true,
        }
    }

    #[test]
    fn over_the_whole_grid_nothing_is_created_that_another_may_have_created() {
        let ages = [None, Some(0), Some(74), Some(75), Some(3600)];
        for redelivered in [false, true] {
            for first_and_direct in [false, true] {
                for settled in [None, Some(0), Some(40), Some(75), Some(200)] {
                    for age in ages {
                        let facts = CreateFacts {
                            redelivered,
                            first_and_direct,
                            settled_for: settled.map(Duration::from_secs),
                            store_age: age.map(Duration::from_secs),
                            settle: SETTLE,
                            comes_first: true,
                        };
                        let has_settled = settled.is_some_and(|s| s >= 75);
                        let fresh = settled.is_none() && !redelivered && first_and_direct;
                        let remembers = age.is_some_and(|a| a >= 75);
                        let creation = may_create(facts);
                        match creation {
                            Creation::WithMarker => assert!(remembers && (fresh || has_settled), "{facts:?}"),
                            Creation::WithoutMarker => {
                                assert!(age.is_none() && has_settled && !redelivered, "{facts:?}");
                            }
                            Creation::Settle(wait) => {
                                assert!(!(remembers && (fresh || has_settled)), "{facts:?}");
                                assert!(wait > Duration::ZERO && wait <= SETTLE, "{facts:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_first_direct_delivery_creates_at_once() {
        assert_eq!(may_create(facts()), Creation::WithMarker);
    }

    #[test]
    fn without_the_store_a_settled_copy_that_is_delivered_again_settles_again() {
        let gone = CreateFacts { settled_for: Some(SETTLE), store_age: None, ..facts() };
        assert_eq!(may_create(gone), Creation::WithoutMarker);
        let again = CreateFacts { redelivered: true, ..gone };
        assert_eq!(may_create(again), Creation::Settle(SETTLE), "its last delivery may have posted");
    }

    #[test]
    fn without_the_store_the_first_of_a_matrix_creates_before_the_others() {
        let settled = |times: u32, comes_first| {
            let settled_for = Some(SETTLE * times);
            may_create(CreateFacts { settled_for, store_age: None, comes_first, ..facts() })
        };
        assert_eq!(settled(1, true), Creation::WithoutMarker);
        assert_eq!(settled(1, false), Creation::Settle(SETTLE));
        assert_eq!(settled(2, false), Creation::WithoutMarker, "the first was never told to us");
    }

    #[test]
    fn after_a_flush_everybody_settles() {
        let flushed = CreateFacts { store_age: Some(Duration::from_secs(1)), ..facts() };
        assert_eq!(may_create(flushed), Creation::Settle(SETTLE));
    }
}
