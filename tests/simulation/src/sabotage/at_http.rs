//! An HTTP client that breaks its promises: it forges, caches, repeats or leaves out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use interlock_runtime::ports::http::{Http, HttpError};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Sabotage;

/// How long a record, and how long a run, is served from the cache.
const RECORD_LIFE: Duration = Duration::from_secs(60);
const RUN_LIFE: Duration = Duration::from_secs(600);

pub(super) struct BrokenHttp {
    http: Arc<dyn Http>,
    sabotage: Sabotage,
    cache: Mutex<HashMap<String, (Instant, Response<Bytes>)>>,
}

/// What of a request a sabotage looks at.
struct Asked {
    method: Method,
    uri: String,
    path: String,
    body: Bytes,
}

impl Asked {
    fn of(request: &Request<Bytes>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().to_string(),
            path: request.uri().path().to_owned(),
            body: request.body().clone(),
        }
    }

    fn reads(&self, table: &str) -> bool {
        self.method == Method::GET && self.path.ends_with(&format!("/table/{table}"))
    }

    fn reads_record(&self) -> bool {
        self.reads("change_request") || self.reads("sysapproval_approver")
    }

    fn looks_up(&self) -> bool {
        self.reads("change_request") && self.uri.contains("correlation_id")
    }

    fn reads_run(&self) -> bool {
        self.method == Method::GET
            && (self.path.contains("/actions/runs/") || self.path.contains("/deployments/"))
    }

    fn creates(&self) -> bool {
        self.method == Method::POST && self.path.ends_with("/change/normal")
    }
}

impl BrokenHttp {
    pub(super) fn new(http: Arc<dyn Http>, sabotage: Sabotage) -> Self {
        Self { http, sabotage, cache: Mutex::default() }
    }

    /// How long this request's answer is served again.
    fn cached_for(&self, asked: &Asked) -> Option<Duration> {
        match self.sabotage {
            Sabotage::StaleRecord if asked.reads_record() => Some(RECORD_LIFE),
            Sabotage::RejectWithoutRead if asked.reads_run() => Some(RUN_LIFE),
            _ => None,
        }
    }

    fn cached(&self, asked: &Asked) -> Option<Response<Bytes>> {
        let life = self.cached_for(asked)?;
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(&asked.uri).filter(|(at, _)| at.elapsed() < life).map(|(_, response)| response.clone())
    }

    fn keep(&self, asked: &Asked, response: &Response<Bytes>) {
        // A look-up that found nothing is not worth keeping.
        if self.cached_for(asked).is_some() && !response.body().ends_with(b"\"result\":[]}") {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh =
                cache.get(&asked.uri).is_some_and(|(at, _)| Some(at.elapsed()) < self.cached_for(asked));
            if !fresh {
                cache.insert(asked.uri.clone(), (Instant::now(), response.clone()));
            }
        }
    }

    /// Answers that the far side never gave.
    fn invented(&self, asked: &Asked) -> Option<Response<Bytes>> {
        match self.sabotage {
            Sabotage::NoLookUp if asked.looks_up() => {
                // Blind until something was created from here; the second time round it is blind again.
                Some(Response::new(Bytes::from_static(b"{\"result\":[]}")))
            }
            Sabotage::NeverClose if asked.method == Method::PATCH && says_review(&asked.body) => {
                let sys_id = asked.path.rsplit('/').next().unwrap_or_default();
                let echo = json!({ "result": { "sys_id": { "value": sys_id }, "state": { "value": 3 } } });
                Some(Response::new(Bytes::from(echo.to_string())))
            }
            _ => None,
        }
    }

    fn forged(&self, asked: &Asked, response: Response<Bytes>) -> Response<Bytes> {
        let forge: fn(&mut Value) = match self.sabotage {
            Sabotage::TrustTheHint if asked.reads("change_request") => approve,
            Sabotage::IgnoreHold if asked.reads("change_request") => |row| set(row, "on_hold", "false"),
            Sabotage::IgnoreWindow if asked.reads("change_request") => |row| {
                set(row, "start_date", "");
                set(row, "end_date", "");
            },
            Sabotage::ConcludeFromNotWaiting => return self.conclude(asked, response),
            _ => return response,
        };
        let (parts, body) = response.into_parts();
        let Ok(mut answer) = serde_json::from_slice::<Value>(&body) else {
            return Response::from_parts(parts, body);
        };
        answer["result"].as_array_mut().into_iter().flatten().for_each(forge);
        Response::from_parts(parts, Bytes::from(answer.to_string()))
    }

    /// Where nothing waits any more, the run is said to have been canceled and nothing else is shown.
    fn conclude(&self, asked: &Asked, response: Response<Bytes>) -> Response<Bytes> {
        let (parts, body) = response.into_parts();
        let run =
            asked.path.split('/').skip_while(|part| *part != "runs").nth(1).unwrap_or_default().to_owned();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let list = |what: &str| asked.method == Method::GET && asked.path.ends_with(what);
        if list("/pending_deployments") && &body[..] == b"[]" {
            cache.insert(run.clone(), (Instant::now(), Response::new(Bytes::new())));
        }
        let over = cache.contains_key(&run) || (list("/statuses") && !cache.is_empty());
        if over && (list("/approvals") || list("/statuses")) {
            return Response::from_parts(parts, Bytes::from_static(b"[]"));
        }
        if over
            && list(&format!("/runs/{run}"))
            && let Ok(mut shown) = serde_json::from_slice::<Value>(&body)
        {
            (shown["status"], shown["conclusion"]) = (json!("completed"), json!("cancelled"));
            return Response::from_parts(parts, Bytes::from(shown.to_string()));
        }
        Response::from_parts(parts, body)
    }
}

fn set(row: &mut Value, field: &str, to: &str) {
    if let Some(value) = row.get_mut(field) {
        if value.is_object() { value["value"] = json!(to) } else { *value = json!(to) }
    }
}

fn approve(row: &mut Value) {
    set(row, "approval", "approved");
    let live = ["-5", "-4", "-3"];
    let state =
        row["state"].as_str().or_else(|| row["state"]["value"].as_str()).unwrap_or_default().to_owned();
    if live.contains(&state.as_str()) {
        set(row, "state", "-2");
    }
}

fn says_review(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body["state"] == "0")
}

#[async_trait]
impl Http for BrokenHttp {
    async fn send(&self, request: Request<Bytes>, deadline: Instant) -> Result<Response<Bytes>, HttpError> {
        let asked = Asked::of(&request);
        if let Some(response) = self.invented(&asked).or_else(|| self.cached(&asked)) {
            return Ok(response);
        }
        let twice = (self.sabotage == Sabotage::WriteTwice && asked.creates()).then(|| request.clone());
        let sent = self.http.send(request, deadline).await;
        if let Some(again) = twice {
            return self.http.send(again, deadline).await;
        }
        if self.sabotage == Sabotage::ReleaseOnTimeout && asked.reads_record() {
            return self.kept_or_forged(&asked, sent);
        }
        let response = sent?;
        self.keep(&asked, &response);
        Ok(self.forged(&asked, response))
    }
}

impl BrokenHttp {
    /// The last good answer, said to be approved, in place of an error.
    fn kept_or_forged(
        &self,
        asked: &Asked,
        sent: Result<Response<Bytes>, HttpError>,
    ) -> Result<Response<Bytes>, HttpError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let readable = |response: &Response<Bytes>| {
            response.status().is_success() && serde_json::from_slice::<Value>(response.body()).is_ok()
        };
        if let Ok(response) = &sent
            && readable(response)
        {
            cache.insert(asked.uri.clone(), (Instant::now(), response.clone()));
            return sent;
        }
        let Some((_, kept)) = cache.get(&asked.uri) else { return sent };
        let mut answer: Value = serde_json::from_slice(kept.body()).unwrap_or_default();
        answer["result"].as_array_mut().into_iter().flatten().for_each(approve);
        Ok(Response::new(Bytes::from(answer.to_string())))
    }
}
