//! Every request to the simulated API, so that a test can count calls. Never holds an `Authorization` header.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How many requests are kept; the oldest go first.
pub const REQUESTS_MAX: usize = 100_000;
/// How much of a body is kept.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// One request and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedRequest {
    /// The simulator's time.
    pub at: DateTime<Utc>,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query string as sent, empty if none.
    pub query: String,
    /// Status of the answer; 0 when the connection was cut or the answer withheld.
    pub status: u16,
    /// User or a label of the token, never the secret itself.
    pub user: String,
    /// Body, at most `BODY_BYTES_MAX`.
    pub body: String,
}

/// Which requests to show. An empty filter shows all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RequestFilter {
    /// This method only.
    pub method: Option<String>,
    /// Paths that begin so.
    pub path_prefix: Option<String>,
    /// Not before this instant.
    pub since: Option<DateTime<Utc>>,
}

impl RequestFilter {
    fn fits(&self, request: &LoggedRequest) -> bool {
        let method = self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(&request.method));
        let path = self.path_prefix.as_ref().is_none_or(|wanted| request.path.starts_with(wanted.as_str()));
        method && path && self.since.is_none_or(|since| request.at >= since)
    }
}

/// The requests so far. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct RequestLog {
    requests: Arc<Mutex<VecDeque<LoggedRequest>>>,
}

impl RequestLog {
    /// Appends a request; `body` is cut to `BODY_BYTES_MAX`.
    pub fn push(&self, request: LoggedRequest) {
        let mut requests = self.lock();
        if requests.len() >= REQUESTS_MAX {
            requests.pop_front();
        }
        requests.push_back(request);
    }

    /// A body as the log keeps it.
    pub fn excerpt(body: &[u8]) -> String {
        String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES_MAX)]).into_owned()
    }

    /// The requests that fit, oldest first.
    pub fn find(&self, filter: &RequestFilter) -> Vec<LoggedRequest> {
        let requests = self.lock();
        requests.iter().filter(|request| filter.fits(request)).cloned().collect()
    }

    /// How many requests of this method have a path that begins so.
    pub fn count(&self, method: &str, path_prefix: &str) -> usize {
        let requests = self.lock();
        requests
            .iter()
            .filter(|request| request.method == method && request.path.starts_with(path_prefix))
            .count()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<LoggedRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, at: &str) -> LoggedRequest {
        LoggedRequest {
            at: at.parse().unwrap(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            status: 200,
            user: "interlock".to_owned(),
            body: String::new(),
        }
    }

    #[test]
    fn requests_are_found_by_method_path_and_time() {
        let log = RequestLog::default();
        log.push(request("GET", "/api/a", "2026-03-01T10:00:00Z"));
        log.push(request("POST", "/api/a", "2026-03-01T10:00:01Z"));
        log.push(request("GET", "/api/b", "2026-03-01T10:00:02Z"));
        let filter = RequestFilter {
            method: Some("get".to_owned()),
            since: "2026-03-01T10:00:01Z".parse().ok(),
            ..RequestFilter::default()
        };
        assert_eq!(log.find(&filter).len(), 1);
        assert_eq!(log.count("GET", "/api/"), 2);
    }

    #[test]
    fn the_log_forgets_the_oldest_first() {
        let log = RequestLog::default();
        for _ in 0..=REQUESTS_MAX {
            log.push(request("GET", "/api/a", "2026-03-01T10:00:00Z"));
        }
        assert_eq!(log.count("GET", "/"), REQUESTS_MAX);
    }
}
