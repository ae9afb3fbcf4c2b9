//! One HTTP exchange: faults around the call, the headers that every answer of GitHub has, the log.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::call::{Call, Reply};
use super::faults::FaultKind;
use super::model::Refused;
use super::schedule::Later;
use super::world::World;
use super::{GitHub, api, control};
use crate::request_log::{LoggedRequest, RequestLog};
use crate::serve::RESET_HEADER;

const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longer than any caller waits, yet not for ever: a handler whose caller has gone must end.
const WITHHELD: Duration = Duration::from_secs(600);

pub(super) async fn handle(State(github): State<GitHub>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return Reply::from(Refused::new(413, "Payload too large")).into_response();
    };
    let call = Call::new(&parts, body);
    if call.path.starts_with("/__sim/") {
        return control::answer(&github, &call).into_response();
    }
    github.exchange(&call).await.into_response()
}

/// What is done with the caller once the fault has had its way.
enum Ending {
    Answer(Reply),
    Withhold,
    Cut,
}

impl GitHub {
    async fn exchange(&self, call: &Call) -> Reply {
        let fault = self.with(|world, _| world.faults.take(call));
        if let Some(FaultKind::Latency { ms }) = fault {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        let (ending, dressing) = self.with(|world, now| {
            // The record is long: it is read only for those who ask for it.
            if call.path.starts_with("/app/hook/") {
                world.hooks.learn(&self.outbox().deliveries());
            }
            let ending = spoil(world, now, call, fault.as_ref());
            self.log(call, now, &ending);
            (ending, dress(world, now))
        });
        match ending {
            Ending::Answer(reply) => dressed(reply, dressing),
            Ending::Withhold => {
                tokio::time::sleep(WITHHELD).await;
                Reply::empty(504)
            }
            Ending::Cut => Reply::empty(502).with(RESET_HEADER, "1"),
        }
    }

    fn log(&self, call: &Call, at: DateTime<Utc>, ending: &Ending) {
        let user = match (&call.token, call.path.starts_with("/app")) {
            (None, _) => "anonymous",
            (Some(_), true) => "app",
            (Some(_), false) => "installation",
        };
        self.inner.requests.push(LoggedRequest {
            at,
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.clone(),
            status: if let Ending::Answer(reply) = ending { reply.status } else { 0 },
            user: user.to_owned(),
            body: RequestLog::excerpt(&call.body),
        });
    }
}

fn spoil(world: &mut World, now: DateTime<Utc>, call: &Call, fault: Option<&FaultKind>) -> Ending {
    let Some(fault) = fault else { return Ending::Answer(api::answer(world, now, call)) };
    match fault {
        FaultKind::Latency { .. } => Ending::Answer(api::answer(world, now, call)),
        FaultKind::TimeoutBeforeCommit => Ending::Withhold,
        FaultKind::ResetBeforeCommit => Ending::Cut,
        FaultKind::TimeoutAfterCommit => {
            api::answer(world, now, call);
            Ending::Withhold
        }
        FaultKind::ResetAfterCommit => {
            api::answer(world, now, call);
            Ending::Cut
        }
        FaultKind::LateCommit { after_ms } => {
            let after = i64::try_from(*after_ms).unwrap_or(i64::MAX).min(86_400_000);
            let due = now + chrono::Duration::milliseconds(after);
            world.schedule.push(due, Later::Commit(Box::new(call.clone())));
            Ending::Withhold
        }
        FaultKind::ErrorAfterCommit => {
            api::answer(world, now, call);
            Ending::Answer(Reply::json(500, &json!({ "message": "Server Error" })))
        }
        other => Ending::Answer(refusal(other, world.knobs.rate_limit)),
    }
}

/// The faults that answer in place of the API.
fn refusal(fault: &FaultKind, limit: u32) -> Reply {
    let waiting = |reply: Reply, seconds: &Option<u64>| match seconds {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    };
    match fault {
        FaultKind::Status { code, body: Some(body) } => {
            Reply { body: body.clone().into(), ..Reply::json(*code, &json!({})) }
        }
        FaultKind::Status { code, body: None } => Refused::new(*code, "Simulated fault").into(),
        FaultKind::Html200 => {
            Reply::html(200, "<!DOCTYPE html><title>Unicorn!</title><p>We are back soon.</p>")
        }
        FaultKind::RateLimit { retry_after } => {
            waiting(Refused::new(429, "Too many requests").into(), retry_after)
        }
        FaultKind::SecondaryLimit { retry_after } => {
            let message =
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            waiting(Refused::new(403, message).into(), retry_after)
        }
        FaultKind::PrimaryLimit => {
            Reply::from(Refused::new(403, "API rate limit exceeded for installation."))
                .with("x-ratelimit-limit", limit.to_string())
                .with("x-ratelimit-remaining", "0")
        }
        _ => Refused::new(503, "Service unavailable").into(),
    }
}

fn dress(world: &mut World, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    let mut headers = world.tokens.quota_headers(world.knobs.rate_limit, now);
    headers.push(("date", now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()));
    headers.push(("x-github-request-id", format!("51A0:{:06X}", world.new_request_number())));
    headers.push(("x-github-api-version-selected", "2022-11-28".to_owned()));
    headers
}

/// What an answer says of itself stands before what all answers say.
fn dressed(mut reply: Reply, headers: Vec<(&'static str, String)>) -> Reply {
    for (name, value) in headers {
        if !reply.headers.iter().any(|(known, _)| *known == name) {
            reply.headers.push((name, value));
        }
    }
    reply
}
