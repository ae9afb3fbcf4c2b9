//! The control plane under `/__sim/`: each route is one Rust method of [`GitHub`].

use chrono::{DateTime, Utc};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::GitHub;
use super::artifacts::ArtifactFile;
use super::call::{Call, Reply};
use super::faults::Fault;
use super::model::{Outcome, Refused, StartDeployment};
use super::options::{Knobs, WebhookTarget};
use crate::request_log::RequestFilter;

const PERSON: &str = "olga-ops";

#[derive(Deserialize)]
struct By {
    #[serde(default)]
    actor: Option<String>,
}

impl By {
    fn name(&self) -> &str {
        self.actor.as_deref().unwrap_or(PERSON)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    event: String,
    body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upload {
    name: String,
    files: Vec<ArtifactFile>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct SetClock {
    freeze: Option<DateTime<Utc>>,
    run: bool,
    advance_ms: Option<u64>,
    skew_ms: Option<i64>,
}

pub(super) fn answer(github: &GitHub, call: &Call) -> Reply {
    let wanted = github.inner.control_token.as_ref();
    if wanted.is_some_and(|wanted| call.token.as_ref() != Some(wanted)) {
        return Refused::new(401, "the control plane wants its token").into();
    }
    route(github, call).unwrap_or_else(Reply::from)
}

fn route(github: &GitHub, call: &Call) -> Result<Reply, Refused> {
    let segments = call.segments();
    let rest = segments.get(1..).unwrap_or_default();
    match (&call.method, rest) {
        (&Method::POST, ["start" | "deployments"]) => {
            shown(201, &github.start_deployment(&call.json::<StartDeployment>()?)?)
        }
        (&Method::GET, ["deployments"]) => shown(200, &github.deployments()),
        (_, ["deployments", id, what]) => of_deployment(github, call, number(id)?, what),
        (&Method::POST, ["artifacts", id, "expire"]) => {
            github.expire_artifact(number(id)?)?;
            Ok(Reply::empty(204))
        }
        (&Method::GET, ["runs"]) => shown(200, &github.runs()),
        (_, ["runs", id, what]) => of_run(github, call, number(id)?, what),
        (_, ["webhook"]) => webhook(github, call),
        (&Method::POST, ["ping"]) => done(|| github.ping()),
        (&Method::POST, ["webhooks"]) => {
            let raw: Raw = call.json()?;
            done(|| github.send(&raw.event, &raw.body))
        }
        (_, ["knobs"]) => knobs(github, call),
        (_, ["faults"]) => faults(github, call),
        (_, ["clock"]) => clock(github, call),
        (&Method::GET, ["requests"]) => requests(github, call),
        (&Method::GET, ["journal"]) => shown(200, &github.journal()),
        (&Method::POST, ["tokens", "revoke"]) => done(|| github.revoke_tokens()),
        (&Method::POST, ["reset"]) => done(|| github.reset()),
        _ => Err(Refused::not_found()),
    }
}

fn of_deployment(github: &GitHub, call: &Call, id: u64, what: &str) -> Result<Reply, Refused> {
    match (&call.method, what) {
        (&Method::POST, "finish") => github.finish(id, call.json::<End>()?.outcome)?,
        (&Method::POST, "review") => github.approve_as_reviewer(id)?,
        (&Method::POST, "bypass") => github.bypass(id, call.json::<By>()?.name())?,
        _ => return Err(Refused::not_found()),
    }
    shown(200, &github.deployment(id))
}

fn of_run(github: &GitHub, call: &Call, id: u64, what: &str) -> Result<Reply, Refused> {
    match (&call.method, what) {
        (&Method::POST, "cancel") => github.cancel(id, call.json::<By>()?.name())?,
        (&Method::POST, "artifacts") => {
            let wish: Upload = call.json()?;
            let id = github.upload_artifact(id, &wish.name, &wish.files)?;
            return shown(201, &json!({ "id": id }));
        }
        (&Method::POST, "rerun-failed") => return shown(201, &github.rerun_failed(id)?),
        (&Method::POST, "rerun") => return shown(201, &github.rerun(id)?),
        _ => return Err(Refused::not_found()),
    }
    shown(200, &github.run(id))
}

/// The secret is set here, never shown.
fn webhook(github: &GitHub, call: &Call) -> Result<Reply, Refused> {
    match call.method {
        Method::GET => {
            let url = github.lock().hooks.target.as_ref().map(|target| target.url.clone());
            shown(200, &json!({ "url": url }))
        }
        Method::PUT => {
            let target: WebhookTarget = call.json()?;
            done(|| github.set_webhook(Some(target)))
        }
        Method::DELETE => done(|| github.set_webhook(None)),
        _ => Err(Refused::not_found()),
    }
}

/// A `PUT` turns the knobs that it names and leaves the others.
fn knobs(github: &GitHub, call: &Call) -> Result<Reply, Refused> {
    if call.method == Method::PUT {
        let mut all = json!(github.knobs());
        let Value::Object(named) = call.json::<Value>()? else {
            return Err(Refused::new(422, "knobs are an object"));
        };
        for (name, value) in named {
            all[name.as_str()] = value;
        }
        let turned: Knobs =
            serde_json::from_value(all).map_err(|error| Refused::new(422, error.to_string()))?;
        github.turn(|knobs| *knobs = turned);
    } else if call.method != Method::GET {
        return Err(Refused::not_found());
    }
    shown(200, &github.knobs())
}

fn faults(github: &GitHub, call: &Call) -> Result<Reply, Refused> {
    match call.method {
        Method::GET => shown(200, &github.lock().faults.all()),
        Method::POST if github.fault(call.json::<Fault>()?) => Ok(Reply::empty(204)),
        Method::POST => Err(Refused::new(422, "too many faults: clear them")),
        Method::DELETE => done(|| github.clear_faults()),
        _ => Err(Refused::not_found()),
    }
}

fn clock(github: &GitHub, call: &Call) -> Result<Reply, Refused> {
    let clock = github.clock();
    if call.method == Method::PUT {
        let set: SetClock = call.json()?;
        if set.run || set.freeze.is_some() {
            clock.freeze(set.freeze);
        }
        if let Some(skew) = set.skew_ms {
            let skew = chrono::Duration::try_milliseconds(skew);
            clock.set_skew(skew.ok_or_else(|| Refused::new(422, "skew_ms is out of range"))?);
        }
        if let Some(advance) = set.advance_ms {
            clock.advance(std::time::Duration::from_millis(advance));
        }
        github.settle_due(clock.now());
    } else if call.method != Method::GET {
        return Err(Refused::not_found());
    }
    shown(200, &json!({ "now": clock.now(), "frozen": clock.is_frozen() }))
}

fn requests(github: &GitHub, call: &Call) -> Result<Reply, Refused> {
    let since = match call.asked("since") {
        Some(text) => Some(text.parse().map_err(|_| Refused::new(422, "since is not a time"))?),
        None => None,
    };
    let filter =
        RequestFilter { method: call.asked("method"), path_prefix: call.asked("path_prefix"), since };
    shown(200, &github.requests().find(&filter))
}

fn number(segment: &str) -> Result<u64, Refused> {
    segment.parse().map_err(|_| Refused::not_found())
}

fn shown(status: u16, value: &impl Serialize) -> Result<Reply, Refused> {
    Ok(Reply::json(status, &json!(value)))
}

/// For what has nothing to show.
fn done(act: impl FnOnce()) -> Result<Reply, Refused> {
    act();
    Ok(Reply::empty(204))
}
