//! From what the API says of a run, its pending deployments, statuses and reviews to one reading. Pure.

use std::collections::BTreeSet;

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
    pub run_attempt: Text,
    status: Text,
    conclusion: Text,
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
    let started = began(statuses);
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

/// The answer that counts for a deployment: ours, else a person's. `of_this_gate` are the deployments whose
/// answers are answers to its gate too.
pub(super) fn answer(
    reviews: &[Review],
    environment: &str,
    of_this_gate: &BTreeSet<String>,
) -> Option<Answer> {
    let decided = || decided(reviews, environment);
    let shown =
        |review: &Review, ours| Answer { released: review.state.raw() == "approved", ours, by: by(review) };
    let ours = decided()
        .find(|review| marked(review).is_some_and(|of| of_this_gate.contains(of)))
        .map(|review| shown(review, true));
    // One of ours on another attempt says nothing about this one.
    ours.or_else(|| decided().find(|review| marked(review).is_none()).map(|review| shown(review, false)))
}

/// The deployments of an environment that answers of ours name.
pub(super) fn answered(reviews: &[Review], environment: &str) -> BTreeSet<String> {
    let marked = decided(reviews, environment).filter_map(marked);
    marked.filter(|id| super::payload::is_id(id)).map(str::to_owned).collect()
}

fn decided<'a>(reviews: &'a [Review], environment: &'a str) -> impl Iterator<Item = &'a Review> {
    let of_environment =
        move |review: &&Review| review.environments.iter().any(|part| is_environment(part, environment));
    let of = reviews.iter().filter(of_environment);
    of.filter(|review| matches!(review.state.raw(), "approved" | "rejected"))
}

fn by(review: &Review) -> String {
    review.user.get().and_then(|user| user.login.owned()).unwrap_or_else(|| "unknown".into())
}

/// The deployment that a comment of ours names. Ours are of a bot: no person's login ends so.
fn marked(review: &Review) -> Option<&str> {
    let login = review.user.get().map_or("", |user| user.login.raw());
    let by_a_person = !login.is_empty() && !login.ends_with("[bot]");
    let inner = review.comment.raw().strip_prefix(MARK).filter(|_| !by_a_person)?;
    inner.strip_suffix(')')?.rsplit_once(" (deployment ").map(|(_, id)| id)
}

/// The job that a deployment's statuses link to (`…/actions/runs/{run}/job/{job}`).
pub(super) fn job_of(statuses: &[StatusPart]) -> Option<&str> {
    links(statuses).map(|(_, job)| job).next()
}

/// The same, if it is a job of this run.
pub(super) fn job_in_run<'a>(statuses: &'a [StatusPart], run: &str) -> Option<&'a str> {
    links(statuses).find(|(of, _)| *of == run).map(|(_, job)| job)
}

/// Runs and jobs that statuses link to.
fn links(statuses: &[StatusPart]) -> impl Iterator<Item = (&str, &str)> {
    let links = statuses.iter().flat_map(|status| [status.log_url.raw(), status.target_url.raw()]);
    let parts = links.filter_map(|link| link.rsplit_once("/job/"));
    let parts = parts.map(|(run, job)| (run.rsplit('/').next().unwrap_or_default(), job));
    parts.filter(|(_, job)| super::payload::is_id(job))
}

/// Whether a deployment's job ever began.
pub(super) fn began(statuses: &[StatusPart]) -> bool {
    statuses.iter().any(|status| matches!(status.state.raw(), "in_progress" | "success"))
}

/// How far a job is. Whether one that ended otherwise than well had begun, it does not say.
pub(super) fn job_phase(job: &JobPart) -> RunPhase {
    match (job.status.raw(), conclusion_outcome(job.conclusion.raw())) {
        ("completed", Some(Outcome::Skipped)) => RunPhase::NeverStarted(Outcome::Skipped),
        ("completed", Some(outcome)) => RunPhase::Ended(outcome),
        ("in_progress", _) => RunPhase::Started,
        ("waiting", _) => RunPhase::Waiting,
        _ => RunPhase::Queued,
    }
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
        let answer = |reviews: &[Review], these: &[&str]| {
            let these = these.iter().map(|id| (*id).to_owned()).collect();
            answer(reviews, "Live", &these).map(|answer| (answer.released, answer.ours, answer.by))
        };
        let is_ours = Some((true, true, "gate-app[bot]".to_owned()));
        let is_noors = Some((true, false, "noor".to_owned()));
        let both = [person, ours];
        assert_eq!(answered(&both, "live"), BTreeSet::from(["50".to_owned()]), "a person's names nothing");
        assert_eq!(answer(&both, &["50"]), is_ours);
        assert_eq!(answer(&both, &["49", "50"]), is_ours, "a job of the same matrix");
        assert_eq!(answer(&both[1..], &["51"]), None, "ours was of an earlier attempt");
        assert_eq!(answer(&both, &["51"]), is_noors);
        assert_eq!(answer(&[forged], &["50"]), is_noors);
        assert_eq!(answer(&[review("pending", "", "noor", "live")], &["50"]), None);
        assert_eq!(answer(&[review("rejected", "no", "noor", "test")], &["50"]), None);
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
