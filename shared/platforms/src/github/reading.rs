//! From what the API says of a run, its pending deployments, statuses and reviews to one reading. Pure.

use interlock_events::Outcome;
use interlock_rules::{Answer, RunPhase};
use serde::Deserialize;

use super::payload::{Part, RunPart, StatusPart, Text, UserPart};
use super::webhook::{conclusion_outcome, status_outcome};

/// Every comment of ours begins with it.
pub(super) const MARK: &str = "Interlock: ";
/// GitHub refuses longer comments (docs: "Creating custom deployment protection rules").
const COMMENT_CHARS_MAX: usize = 1_024;

/// An environment that a run waits for (`GET …/pending_deployments`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pending {
    environment: Part<EnvironmentPart>,
}

/// An answer (`GET …/approvals`). GitHub gives no time and no attempt with it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Review {
    state: Text,
    comment: Text,
    user: Part<UserPart>,
    environments: Vec<Part<EnvironmentPart>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnvironmentPart {
    name: Text,
}

/// One page of a run's jobs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Jobs {
    pub total_count: Text,
    pub jobs: Vec<JobPart>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobPart {
    pub id: Text,
}

/// Whether one of `pending` is this environment. GitHub's environment names ignore case.
pub(super) fn waits_for(pending: &[Pending], environment: &str) -> bool {
    pending.iter().any(|pending| is_environment(&pending.environment, environment))
}

fn is_environment(part: &Part<EnvironmentPart>, environment: &str) -> bool {
    part.get().is_some_and(|part| part.name.raw().eq_ignore_ascii_case(environment))
}

/// How far a deployment is. `statuses` are the newest first; `current` says that it is of the run's present attempt.
pub(super) fn phase(run: &RunPart, waiting: bool, statuses: &[StatusPart], current: bool) -> RunPhase {
    let states = || statuses.iter().map(|status| status.state.raw());
    let started = states().any(|state| matches!(state, "in_progress" | "success"));
    // A newer deployment makes older ones `inactive`: that says nothing about how they ended.
    let ended = states().find(|state| *state != "inactive").and_then(status_outcome);
    let ended = ended.or_else(|| end_of_run(run, current, started));
    match (ended, started) {
        (Some(outcome), true) => RunPhase::Ended(outcome),
        (Some(outcome), false) => RunPhase::NeverStarted(outcome),
        (None, true) => RunPhase::Started,
        (None, false) if waiting => RunPhase::Waiting,
        (None, false) => RunPhase::Queued,
    }
}

/// A cancelled job gets no status of its own: its run's end is all that tells of it.
fn end_of_run(run: &RunPart, current: bool, started: bool) -> Option<Outcome> {
    if !current {
        // There is no next attempt before the last one has ended.
        return Some(Outcome::Canceled);
    }
    let conclusion = conclusion_outcome(run.conclusion.raw()).filter(|_| run.status.raw() == "completed");
    match conclusion {
        Some(Outcome::Succeeded) if !started => Some(Outcome::Skipped),
        conclusion => conclusion,
    }
}

/// A comment of ours on the gate of one deployment. GitHub keeps answers by run and environment only, over
/// all attempts, so the deployment's id stands in the comment.
pub(super) fn comment(text: &str, deployment_id: &str) -> String {
    let tail = format!(" (deployment {deployment_id})");
    let room = COMMENT_CHARS_MAX - MARK.len() - tail.len();
    let text = text.trim();
    let cut: String = if text.chars().count() > room {
        text.chars().take(room - 1).chain(['…']).collect()
    } else {
        text.to_owned()
    };
    format!("{MARK}{cut}{tail}")
}

/// The answer that counts for a deployment: ours, else a person's.
pub(super) fn answer(
    reviews: &[Review],
    environment: &str,
    deployment_id: &str,
    attempt: u32,
) -> Option<Answer> {
    let of_environment =
        |review: &&Review| review.environments.iter().any(|part| is_environment(part, environment));
    let decided = || {
        let of = reviews.iter().filter(of_environment);
        of.filter(|review| matches!(review.state.raw(), "approved" | "rejected"))
    };
    let shown =
        |review: &Review, ours| Answer { released: review.state.raw() == "approved", ours, by: by(review) };
    let ours =
        decided().find(|review| is_ours(review, deployment_id, attempt)).map(|review| shown(review, true));
    // One of ours on another attempt says nothing about this one.
    ours.or_else(|| decided().find(|review| marked(review).is_none()).map(|review| shown(review, false)))
}

fn by(review: &Review) -> String {
    review.user.get().and_then(|user| user.login.owned()).unwrap_or_else(|| "unknown".into())
}

/// Ours are of a bot (no person's login ends so) and name their deployment. In a run's first attempt all of
/// an environment share one gate (a matrix); later so do those that are newer than this deployment.
fn is_ours(review: &Review, deployment_id: &str, attempt: u32) -> bool {
    let Some(of) = marked(review) else { return false };
    let newer = || of.parse::<u64>().ok() > deployment_id.parse().ok();
    of == deployment_id || attempt == 1 || newer()
}

/// The deployment that a comment of ours names.
fn marked(review: &Review) -> Option<&str> {
    let login = review.user.get().map_or("", |user| user.login.raw());
    let by_a_person = !login.is_empty() && !login.ends_with("[bot]");
    let inner = review.comment.raw().strip_prefix(MARK).filter(|_| !by_a_person)?;
    inner.strip_suffix(')')?.rsplit_once(" (deployment ").map(|(_, id)| id)
}

/// The jobs that a deployment's statuses link to (`…/actions/runs/{run}/job/{job}`).
pub(super) fn job_of(statuses: &[StatusPart]) -> Option<&str> {
    let links = statuses.iter().flat_map(|status| [status.log_url.raw(), status.target_url.raw()]);
    links
        .filter_map(|link| link.rsplit_once("/job/"))
        .map(|(_, job)| job)
        .find(|job| super::payload::is_id(job))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(status: &str, conclusion: Option<&str>) -> RunPart {
        serde_json::from_value(json!({ "status": status, "conclusion": conclusion })).unwrap()
    }

    fn statuses(newest_first: &[&str]) -> Vec<StatusPart> {
        let states = newest_first.iter().map(|state| json!({ "state": state }));
        states.map(|state| serde_json::from_value(state).unwrap()).collect()
    }

    /// Status and conclusion of the run, whether it waits, the statuses, and what follows.
    type Case = (&'static str, Option<&'static str>, bool, &'static [&'static str], RunPhase);

    #[test]
    fn the_phase_follows_statuses_then_the_run() {
        use Outcome::{Canceled, Failed, Skipped, Succeeded};
        let cases: &[Case] = &[
            ("waiting", None, true, &["waiting"], RunPhase::Waiting),
            ("waiting", None, true, &[], RunPhase::Waiting),
            ("queued", None, false, &["queued", "waiting"], RunPhase::Queued),
            ("in_progress", None, false, &["in_progress", "queued"], RunPhase::Started),
            ("waiting", None, true, &["in_progress", "queued"], RunPhase::Started),
            ("completed", Some("success"), false, &["success", "in_progress"], RunPhase::Ended(Succeeded)),
            ("completed", Some("success"), false, &["inactive", "success"], RunPhase::Ended(Succeeded)),
            ("in_progress", None, false, &["failure", "in_progress"], RunPhase::Ended(Failed)),
            ("in_progress", None, false, &["error", "in_progress"], RunPhase::Ended(Failed)),
            ("completed", Some("failure"), false, &["failure", "waiting"], RunPhase::NeverStarted(Failed)),
            ("completed", Some("cancelled"), false, &["waiting"], RunPhase::NeverStarted(Canceled)),
            ("completed", Some("cancelled"), false, &["in_progress"], RunPhase::Ended(Canceled)),
            ("completed", Some("success"), false, &["waiting"], RunPhase::NeverStarted(Skipped)),
            ("completed", Some("action_required"), false, &["in_progress"], RunPhase::Started),
            ("completed", None, false, &["waiting"], RunPhase::Queued),
        ];
        for (status, conclusion, waiting, states, expected) in cases {
            let phase = phase(&run(status, *conclusion), *waiting, &statuses(states), true);
            assert_eq!(phase, *expected, "{status} {conclusion:?} {states:?}");
        }
    }

    #[test]
    fn a_deployment_of_an_earlier_attempt_has_ended_whatever_waits_now() {
        let run = run("waiting", None);
        let phase = |states: &[&str]| phase(&run, true, &statuses(states), false);
        assert_eq!(phase(&["waiting"]), RunPhase::NeverStarted(Outcome::Canceled));
        assert_eq!(phase(&["in_progress"]), RunPhase::Ended(Outcome::Canceled));
        assert_eq!(phase(&["success", "in_progress"]), RunPhase::Ended(Outcome::Succeeded));
    }

    fn review(state: &str, comment: &str, login: &str, environment: &str) -> Review {
        serde_json::from_value(json!({
            "state": state, "comment": comment, "user": { "login": login },
            "environments": [{ "name": environment }],
        }))
        .unwrap()
    }

    #[test]
    fn our_answer_is_known_by_its_bot_and_its_deployment() {
        let ours = review("approved", &comment("CHG1 approved", "50"), "gate-app[bot]", "live");
        let person = review("approved", "looks good", "noor", "live");
        let forged = review("approved", &comment("CHG1 approved", "50"), "noor", "live");
        let answer = |reviews: &[Review], id, attempt| {
            answer(reviews, "Live", id, attempt).map(|answer| (answer.released, answer.ours, answer.by))
        };
        let is_ours = Some((true, true, "gate-app[bot]".to_owned()));
        let is_noors = Some((true, false, "noor".to_owned()));
        let both = [person, ours];
        assert_eq!(answer(&both, "50", 2), is_ours);
        assert_eq!(answer(&both, "49", 2), is_ours, "an older job of the same matrix");
        assert_eq!(answer(&both, "51", 1), is_ours, "a newer job of the same matrix");
        assert_eq!(answer(&both[1..], "51", 2), None, "ours was of an earlier attempt");
        assert_eq!(answer(&both, "51", 2), is_noors);
        assert_eq!(answer(&[forged], "50", 1), is_noors);
        assert_eq!(answer(&[review("pending", "", "noor", "live")], "50", 1), None);
        assert_eq!(answer(&[review("rejected", "no", "noor", "test")], "50", 1), None);
    }

    #[test]
    fn a_comment_keeps_its_marks_and_githubs_limit() {
        assert_eq!(comment(" CHG1 approved\n", "7"), "Interlock: CHG1 approved (deployment 7)");
        let long = comment(&"é".repeat(3_000), "18446744073709551615");
        assert_eq!(long.chars().count(), COMMENT_CHARS_MAX);
        assert!(long.starts_with(MARK) && long.ends_with("… (deployment 18446744073709551615)"));
    }

    #[test]
    fn the_job_of_a_deployment_stands_in_its_links() {
        let status =
            |link: &str| serde_json::from_value(json!({ "log_url": "", "target_url": link })).unwrap();
        let link = "https://github.com/harbour/tide-tables/actions/runs/7/job/99";
        assert_eq!(job_of(&[status("https://ci.example/job/x"), status(link)]), Some("99"));
        assert_eq!(job_of(&[status("")]), None);
    }
}
