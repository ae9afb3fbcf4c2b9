//! Stories that broke earlier drafts of the design: each is played with many latencies and stays harmless.

use std::time::Duration;

use interlock_simulation::broker::Trouble;
use interlock_simulation::dice::Dice;
use interlock_simulation::http::Weather;
use interlock_simulation::many::{Sum, many_of};
use interlock_simulation::script::{
    Fault, GitHubFault, Post, Script, ServiceNowCall, ServiceNowFault, Step, What,
};
use interlock_simulation::world::{Setting, TIMEOUT};

/// Seeds a story.
const SEEDS: u64 = 24;

/// A story in the making: what happens, at which millisecond.
struct Story {
    dice: Dice,
    steps: Vec<Step>,
}

impl Story {
    fn at(&mut self, milliseconds: u64, what: What) -> &mut Self {
        self.steps.push(Step { at: Duration::from_millis(milliseconds), what });
        self
    }

    fn fault(&mut self, milliseconds: u64, fault: Fault) -> &mut Self {
        self.at(milliseconds, What::Fault(fault))
    }

    /// Three pipelines reach their gates half a minute after the beginning.
    fn begin(&mut self) -> u64 {
        for deployment in 0..3 {
            let at = 30_000 + self.dice.between(0, 400);
            self.at(at, What::Start { deployment, repository: deployment });
        }
        30_000
    }

    fn each(&mut self, milliseconds: u64, what: fn(usize) -> What) -> &mut Self {
        (0..3).for_each(|place| {
            self.at(milliseconds, what(place));
        });
        self
    }

    fn finish(&mut self, milliseconds: u64) {
        self.each(milliseconds, |place| What::Finish(place, true));
    }
}

/// Plays a story with many seeds; none may break a promise.
fn harmless(tell: impl Fn(&mut Story) + Sync) -> Sum {
    let script_of = |seed| {
        let mut story = Story { dice: Dice::of(seed, "story"), steps: Vec::new() };
        tell(&mut story);
        story.steps.sort_by_key(|step| step.at);
        Script { seed, steps: story.steps }
    };
    let sum = many_of(1, SEEDS, Setting::default(), &script_of);
    assert!(sum.broken.is_empty(), "{:?}", sum.broken);
    if let Some((seed, _)) = sum.failed.first() {
        panic!("{}{:#?}", script_of(*seed), sum.report.findings);
    }
    sum
}

#[test]
fn a_slow_answer_is_no_fresh_read() {
    harmless(|story| {
        let begin = story.begin();
        story.fault(begin + 20_000, Fault::Network(Weather::Slow, Duration::from_secs(200)));
        let approved = begin + 30_000 + story.dice.between(0, 2_000);
        let held = approved + story.dice.between(1_000, 14_000);
        story.each(approved, What::Approve).each(held, What::Hold);
        story.each(held + 60_000, What::Unhold).finish(held + 90_000);
    });
}

#[test]
fn an_approval_in_the_last_seconds_crosses_no_rejection() {
    harmless(|story| {
        let begin = story.begin();
        let due = begin + u64::try_from(TIMEOUT.as_millis()).unwrap();
        for place in 0..3 {
            let at = due - 14_000 + story.dice.between(0, 16_000);
            story.at(at, What::Approve(place));
        }
        story.fault(due - 20_000, Fault::Webhooks(Post::Delayed, Duration::from_secs(30)));
        story.finish(due + 30_000);
    });
}

#[test]
fn approved_taken_back_and_approved_again_with_a_flush_between() {
    harmless(|story| {
        let begin = story.begin();
        for place in 0..3 {
            let at = begin + 20_000 + story.dice.between(0, 5_000);
            story.at(at, What::Approve(place));
            story.at(at + story.dice.between(0, 2_500), What::Revoke(place));
            story.at(at + story.dice.between(2_600, 5_000), What::Approve(place));
        }
        story.fault(begin + 22_000, Fault::Flush);
        story.fault(
            begin + 21_000,
            Fault::ServiceNow(ServiceNowFault::ServerError, ServiceNowCall::LookUp, 3),
        );
        story.finish(begin + 60_000);
    });
}

#[test]
fn a_release_that_lands_unheard_is_found_and_never_taken_for_a_bypass() {
    let kinds =
        [GitHubFault::TimeoutAfterCommit, GitHubFault::ResetAfterCommit, GitHubFault::ErrorAfterCommit];
    harmless(|story| {
        let begin = story.begin();
        let kind = *story.dice.one_of(&kinds);
        story.fault(begin + 10_000, Fault::GitHub(kind, true, 2));
        story.each(begin + 20_000, What::Approve);
        story.fault(begin + 20_500, Fault::Crash(2, story.dice.between(0, 40), Duration::from_secs(3)));
        story.fault(begin + 20_500, Fault::Crash(3, story.dice.between(0, 40), Duration::from_secs(3)));
        story.finish(begin + 90_000);
    });
}

#[test]
fn a_release_that_never_left_is_not_reported_when_the_run_is_canceled() {
    harmless(|story| {
        let begin = story.begin();
        story.fault(begin + 10_000, Fault::GitHub(GitHubFault::ResetBeforeCommit, true, 3));
        story.each(begin + 20_000, What::Approve);
        for place in 0..3 {
            let at = begin + 20_000 + story.dice.between(0, 4_000);
            story.at(at, What::CancelRun(place));
        }
    });
}

#[test]
fn a_rerun_is_neither_opened_nor_closed_by_what_was_meant_for_the_attempt_before() {
    harmless(|story| {
        let begin = story.begin();
        let canceled = begin + 20_000;
        story.each(canceled, What::CancelRun);
        for place in 0..3 {
            story.at(canceled - 3_000 + story.dice.between(0, 6_000), What::Approve(place));
            story.at(canceled + story.dice.between(100, 3_000), What::Rerun(place, place + 3));
            let again = canceled + story.dice.between(20_000, 60_000);
            story.at(again, What::Approve(place + 3)).at(again + 30_000, What::Finish(place + 3, true));
        }
    });
}

#[test]
fn two_copies_of_a_request_make_one_change() {
    harmless(|story| {
        story.fault(1_000, Fault::Webhooks(Post::Duplicated, Duration::from_secs(300)));
        let begin = story.begin();
        story.each(begin + 20_000, What::Approve).finish(begin + 60_000);
    });
}

#[test]
fn whatever_becomes_of_a_create_one_change_stands() {
    use ServiceNowFault as Kind;
    let kinds = [
        Kind::TimeoutAfterCommit,
        Kind::LateCommit,
        Kind::ResetAfterCommit,
        Kind::CreateThen403,
        Kind::CreateThenEmpty201,
        Kind::ServerError,
        Kind::Html200,
    ];
    harmless(|story| {
        let kind = *story.dice.one_of(&kinds);
        story.fault(1_000, Fault::ServiceNow(kind, ServiceNowCall::Create, 3));
        let begin = story.begin();
        let who = usize::try_from(story.dice.between(0, 1)).unwrap();
        story.fault(begin, Fault::Crash(who, story.dice.between(0, 40), Duration::from_secs(2)));
        story.each(begin + 60_000, What::Approve).finish(begin + 100_000);
    });
}

#[test]
fn a_create_that_commits_after_the_settle_time_is_found_and_canceled() {
    let sum = harmless(|story| {
        story.fault(1_000, Fault::ServiceNow(ServiceNowFault::VeryLateCommit, ServiceNowCall::Create, 3));
        let begin = story.begin();
        for place in 0..3 {
            let at = begin + 20_000 + story.dice.between(0, 90_000);
            story.at(at, What::Approve(place));
        }
        story.finish(begin + 150_000);
    });
    assert!(sum.report.duplicated > SEEDS, "{sum}");
    assert_eq!(sum.report.duplicated, sum.report.recovered, "{sum}");
}

#[test]
fn a_create_that_commits_after_its_deployment_has_ended_is_found_by_the_sweep() {
    let sum = harmless(|story| {
        // The first create of each is lost for two minutes; the second one stands at once.
        story.fault(1_000, Fault::ServiceNow(ServiceNowFault::VeryLateCommit, ServiceNowCall::Create, 3));
        let begin = story.begin();
        let canceled = begin + 60_000 + story.dice.between(0, 5_000);
        story.each(canceled, What::CancelRun);
    });
    assert!(sum.report.duplicated > SEEDS, "{sum}");
    assert_eq!(sum.report.duplicated, sum.report.recovered, "{sum}");
}

#[test]
fn a_flush_around_a_create_makes_no_second_change() {
    let sum = harmless(|story| {
        let begin = story.begin();
        for _ in 0..3 {
            let at = begin - 500 + story.dice.between(0, 2_000);
            story.fault(at, Fault::Flush);
        }
        story.fault(begin, Fault::Webhooks(Post::Duplicated, Duration::from_secs(5)));
        story.fault(begin, Fault::Disconnect(0)).fault(begin + 600, Fault::Disconnect(1));
        story.each(begin + 60_000, What::Approve).finish(begin + 100_000);
    });
    assert_eq!(sum.report.extra, 0, "{sum}");
}

#[test]
fn without_servicenow_gates_are_rejected_at_their_deadline_and_no_change_is_opened_for_the_dead() {
    harmless(|story| {
        story.fault(20_000, Fault::ServiceNowDown(Duration::from_secs(600)));
        story.fault(20_000, Fault::StoreAway(Duration::from_secs(600)));
        story.begin();
    });
}

#[test]
fn a_finish_that_overtakes_everything_still_closes_the_change() {
    harmless(|story| {
        let begin = story.begin();
        let approved = begin + 10_000;
        story.each(approved, What::Approve);
        story.fault(approved, Fault::ServiceNow(ServiceNowFault::ServerError, ServiceNowCall::Move, 3));
        story.finish(approved + 500);
        story.fault(approved + 3_000, Fault::Flush);
        story.fault(approved + 2_000, Fault::Broker(Trouble::Unconfirmed, Duration::from_secs(10)));
    });
}

#[test]
fn a_frozen_worker_does_not_act_once_it_wakes() {
    harmless(|story| {
        let begin = story.begin();
        let approved = begin + 20_000;
        story.each(approved, What::Approve);
        for who in 2..4 {
            let at = approved + story.dice.between(0, 1_200);
            story.fault(at, Fault::Freeze(who, Duration::from_millis(story.dice.between(1_000, 12_000))));
        }
        story.each(approved + story.dice.between(800, 2_500), What::Hold);
        story.each(approved + 60_000, What::Unhold).finish(approved + 90_000);
    });
}

#[test]
fn watches_live_through_crashes_lost_connections_and_flushes() {
    harmless(|story| {
        let begin = story.begin();
        for nth in 0..12 {
            let at = begin + nth * 20_000 + story.dice.between(0, 9_000);
            let who = usize::try_from(story.dice.between(0, 3)).unwrap();
            let fault = match story.dice.between(0, 3) {
                0 => Fault::Disconnect(who),
                1 => Fault::Flush,
                2 => Fault::Freeze(who, Duration::from_secs(12)),
                _ => Fault::Crash(who, story.dice.between(0, 12), Duration::from_secs(2)),
            };
            story.fault(at, fault);
        }
    });
}

#[test]
fn jobs_of_a_matrix_come_to_one_change_in_whatever_order_they_are_told() {
    let sum = harmless(|story| {
        let post = *story.dice.one_of(&[Post::Delayed, Post::Dropped, Post::Duplicated]);
        story.fault(25_000, Fault::Webhooks(post, Duration::from_secs(60)));
        let begin = 30_000;
        for deployment in 0..3 {
            let at = begin + story.dice.between(0, 400);
            story.at(at, What::Matrix { deployment, repository: deployment, jobs: 3 });
        }
        if story.dice.percent(50) {
            story.fault(begin + story.dice.between(0, 2_000), Fault::StoreAway(Duration::from_secs(90)));
        }
        let who = usize::try_from(story.dice.between(0, 3)).unwrap();
        story.fault(begin + 300, Fault::Crash(who, story.dice.between(0, 40), Duration::from_secs(2)));
        for place in 0..3 {
            let at = begin + 50_000 + story.dice.between(0, 60_000);
            story.at(at, if place == 0 { What::Reject(place) } else { What::Approve(place) });
        }
        story.each(begin + 150_000, |place| What::Finish(place, place != 1));
    });
    assert!(sum.report.released >= SEEDS * 4, "{sum}");
}

#[test]
fn a_matrix_half_of_which_was_never_told_ends_its_change_though_its_run_is_repeated() {
    harmless(|story| {
        let matrix = What::Matrix { deployment: 0, repository: 0, jobs: 3 };
        story.fault(20_000, Fault::Webhooks(Post::Dropped, Duration::from_secs(82)));
        let canceled = 250_000 + story.dice.between(0, 20_000);
        story.at(96_000, matrix).at(canceled, What::CancelRun(0));
        let repeated = canceled + story.dice.between(1_000, 10_000);
        story.at(repeated, What::Rerun(0, 1)).at(repeated + 60_000, What::Approve(1));
        story.fault(canceled - 5_000, Fault::Broker(Trouble::Gone, Duration::from_secs(14)));
        story.at(repeated + 120_000, What::Finish(1, true));
    });
}

#[test]
fn jobs_of_a_matrix_whose_creates_are_refused_and_happen_come_to_one_change() {
    harmless(|story| {
        let refused = Fault::ServiceNow(ServiceNowFault::CreateThen403, ServiceNowCall::Create, 2);
        let begin = 30_000 + story.dice.between(0, 5_000);
        story.fault(begin - 1_000, refused).at(begin, What::Matrix { deployment: 0, repository: 0, jobs: 3 });
        story.at(begin + 120_000, What::Approve(0)).at(begin + 180_000, What::Finish(0, true));
    });
}

#[test]
fn an_approval_that_can_be_read_again_shortly_before_the_deadline_releases() {
    harmless(|story| {
        let begin = story.begin();
        let deadline = begin + TIMEOUT.as_millis() as u64;
        let back = deadline - 30_000 - story.dice.between(0, 20_000);
        story.fault(back - 88_000, Fault::ServiceNowDown(Duration::from_secs(88)));
        story.each(back - 30_000, What::Approve).finish(deadline + 60_000);
    });
}

#[test]
fn jobs_that_still_wait_when_another_of_their_matrix_was_let_through_get_a_change_of_their_own() {
    let sum = harmless(|story| {
        let begin = 30_000 + story.dice.between(0, 5_000);
        let bypassed = begin + 15_000 + story.dice.between(0, 5_000);
        story.at(begin, What::Matrix { deployment: 0, repository: 0, jobs: 2 }).at(bypassed, What::Bypass(0));
        story.at(bypassed + 100_000, What::Approve(0)).at(bypassed + 200_000, What::Finish(0, true));
    });
    assert_eq!(sum.report.duplicated, 0, "{}", sum.report);
}
