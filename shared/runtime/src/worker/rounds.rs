//! For how long a delivery is put off that is over its project's share: as long as its project will need for those
//! before it, as far as that can be told. Of ten thousand few come back each second, and never fewer than the project
//! can do.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ports::broker::Tier;

/// Tiers that take only as many as the project can do until the next longer one brings its own back.
const FILLED_FIRST: [(Tier, Tier); 2] =
    [(Tier::OneSecond, Tier::FiveSeconds), (Tier::FiveSeconds, Tier::ThirtySeconds)];
const LAST: Tier = Tier::ThirtySeconds;
/// What a reaction takes as long as none was seen, and at least.
const REACTION_AT_FIRST: Duration = Duration::from_millis(100);
const REACTION_MIN: Duration = Duration::from_millis(1);
/// More projects than this are not remembered; those that were not seen of late go first.
const PROJECTS_MAX: usize = 1_024;
const REMEMBERED: Duration = Duration::from_secs(60);

/// What is known of projects that had too much.
#[derive(Debug)]
pub(super) struct Rounds {
    /// Slots that one project may hold.
    each: u32,
    projects: Mutex<BTreeMap<Option<String>, Round>>,
}

#[derive(Debug, Clone, Copy)]
struct Round {
    /// What its reactions take.
    reaction: Duration,
    /// Each tier as a bucket that leaks: when it will be empty.
    empty_at: [Instant; FILLED_FIRST.len()],
    seen: Instant,
}

impl Rounds {
    pub(super) fn new(each: usize) -> Self {
        Self { each: u32::try_from(each).unwrap_or(u32::MAX).max(1), projects: Mutex::default() }
    }

    /// A reaction to something of this project took so long.
    pub(super) fn took(&self, project: &Option<String>, reaction: Duration) {
        if let Some(round) = self.projects().get_mut(project) {
            round.reaction = (round.reaction * 3 + reaction.max(REACTION_MIN)) / 4;
        }
    }

    /// Where one more of this project goes.
    pub(super) fn tier(&self, project: &Option<String>, now: Instant) -> Tier {
        let mut projects = self.projects();
        if projects.len() >= PROJECTS_MAX && !projects.contains_key(project) {
            projects.retain(|_, round| now - round.seen < REMEMBERED);
            if projects.len() >= PROJECTS_MAX {
                return LAST;
            }
        }
        let new = Round { reaction: REACTION_AT_FIRST, empty_at: [now; FILLED_FIRST.len()], seen: now };
        let round = projects.entry(project.clone()).or_insert(new);
        round.seen = now;
        round.fill(self.each, now)
    }

    fn projects(&self) -> MutexGuard<'_, BTreeMap<Option<String>, Round>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Round {
    /// The shortest tier that has room left.
    fn fill(&mut self, each: u32, now: Instant) -> Tier {
        for ((tier, next), empty_at) in FILLED_FIRST.into_iter().zip(&mut self.empty_at) {
            // It holds `each * next / reaction` and is emptied once in its own time.
            let one = self.reaction.mul_f64(tier.duration().div_duration_f64(next.duration())) / each;
            let filled = (*empty_at).max(now) + one;
            if filled - now <= tier.duration() {
                *empty_at = filled;
                return tier;
            }
        }
        LAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const SECOND: Duration = Duration::from_secs(1);

    fn noisy() -> Option<String> {
        Some("github:noisy".into())
    }

    fn tiers(rounds: &Rounds, count: usize, now: Instant) -> BTreeMap<Tier, usize> {
        let mut tiers = BTreeMap::new();
        for _ in 0..count {
            *tiers.entry(rounds.tier(&noisy(), now)).or_default() += 1;
        }
        tiers
    }

    #[tokio::test(start_paused = true)]
    async fn of_ten_thousand_as_many_come_back_soon_as_can_be_done_and_the_others_late() {
        // Four at once of 100 ms each are 40 in a second.
        let rounds = Rounds::new(4);
        let far = tiers(&rounds, 10_000, Instant::now());
        assert_eq!(far[&Tier::OneSecond], 200, "what can be done in 5 s");
        assert_eq!(far[&Tier::FiveSeconds], 1_200, "what can be done in 30 s");
        assert_eq!(far[&Tier::ThirtySeconds], 8_600);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tier_takes_more_as_it_brings_back() {
        let (rounds, began) = (Rounds::new(4), Instant::now());
        tiers(&rounds, 10_000, began);
        assert_eq!(tiers(&rounds, 10_000, began + SECOND / 2)[&Tier::OneSecond], 100);
        assert_eq!(tiers(&rounds, 10_000, began + SECOND * 60)[&Tier::OneSecond], 200);
    }

    #[tokio::test(start_paused = true)]
    async fn quick_reactions_bring_more_back_and_slow_ones_fewer() {
        for (reaction, soon) in [(Duration::from_millis(10), 2_000), (SECOND, 20)] {
            let rounds = Rounds::new(4);
            rounds.tier(&noisy(), Instant::now());
            (0..40).for_each(|_| rounds.took(&noisy(), reaction));
            let far = tiers(&rounds, 10_000, Instant::now() + SECOND);
            assert!(far[&Tier::OneSecond].abs_diff(soon) <= soon / 50, "{far:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_over_its_share_comes_back_after_a_second_whatever_others_have() {
        let (rounds, now) = (Rounds::new(4), Instant::now());
        tiers(&rounds, 10_000, now);
        assert_eq!(rounds.tier(&Some("github:quiet".into()), now), Tier::OneSecond);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_of_projects_has_a_bound() {
        let (rounds, now) = (Rounds::new(4), Instant::now());
        for number in 0..PROJECTS_MAX + 10 {
            rounds.tier(&Some(number.to_string()), now);
        }
        assert_eq!(rounds.projects().len(), PROJECTS_MAX);
        rounds.tier(&noisy(), now + REMEMBERED);
        assert_eq!(rounds.projects().len(), 1);
    }
}
