//! Failures on purpose: which requests they hit, how often, and what they do.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::control::ControlError;

/// How many faults may be set at once.
const FAULTS_MAX: usize = 1000;

/// A failure and the requests it hits.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// Which requests.
    #[serde(rename = "match")]
    pub matching: FaultMatch,
    /// What happens to them.
    #[serde(flatten)]
    pub effect: Effect,
    /// How many of them are still to be hit; `None` is all, until cleared.
    pub times: Option<u32>,
}

impl Fault {
    /// Hits the next request.
    pub fn once(effect: Effect) -> Self {
        Self { matching: FaultMatch::default(), effect, times: Some(1) }
    }

    /// Hits every request until cleared.
    pub fn forever(effect: Effect) -> Self {
        Self { times: None, ..Self::once(effect) }
    }

    /// Only this method.
    #[must_use]
    pub fn on_method(mut self, method: &str) -> Self {
        self.matching.method = Some(method.to_owned());
        self
    }

    /// Only paths with this text.
    #[must_use]
    pub fn on_path(mut self, text: &str) -> Self {
        self.matching.path_contains = Some(text.to_owned());
        self
    }

    /// Only this table; the Change Management API counts as `change_request`.
    #[must_use]
    pub fn on_table(mut self, table: &str) -> Self {
        self.matching.table = Some(table.to_owned());
        self
    }

    /// Reads `{match, fault, times?, forever?, params?}`; without a count it hits once.
    pub fn from_json(value: &Value) -> Result<Self, ControlError> {
        let spec: Spec = serde_json::from_value(value.clone()).map_err(ControlError::unreadable)?;
        let mut effect = spec.params;
        effect.insert("fault".to_owned(), json!(spec.fault));
        let effect = serde_json::from_value(Value::Object(effect));
        Ok(Self {
            matching: spec.matching,
            effect: effect.map_err(ControlError::unreadable)?,
            times: (!spec.forever).then(|| spec.times.unwrap_or(1)),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(rename = "match", default)]
    matching: FaultMatch,
    fault: String,
    times: Option<u32>,
    #[serde(default)]
    forever: bool,
    #[serde(default)]
    params: Map<String, Value>,
}

/// Which requests a fault hits; what is not given fits all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultMatch {
    /// HTTP method.
    pub method: Option<String>,
    /// Text within the path.
    pub path_contains: Option<String>,
    /// Table; the Change Management API counts as `change_request`.
    pub table: Option<String>,
    /// Text within the body.
    pub body_contains: Option<String>,
}

/// What of a request a fault looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) table: Option<&'a str>,
    pub(super) body: &'a [u8],
}

impl FaultMatch {
    fn fits(&self, target: &Target<'_>) -> bool {
        let method = self.method.as_ref();
        let path = self.path_contains.as_ref();
        let table = self.table.as_ref();
        let body = self.body_contains.as_ref();
        method.is_none_or(|method| method.eq_ignore_ascii_case(target.method))
            && path.is_none_or(|text| target.path.contains(text.as_str()))
            && table.is_none_or(|table| target.table == Some(table.as_str()))
            && body.is_none_or(|text| String::from_utf8_lossy(target.body).contains(text.as_str()))
    }
}

fn quota_ms() -> u64 {
    60_000
}

/// What a fault does. Where a request hangs, it does so for `hang_ms` and then gets the 500 of a
/// cancelled transaction; the default is the Table API's quota of 60 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Effect {
    /// The write is done, the answer does not come in time.
    TimeoutAfterCommit {
        /// How long the request hangs.
        #[serde(default = "quota_ms")]
        hang_ms: u64,
    },
    /// Nothing is done and the answer does not come in time.
    TimeoutBeforeCommit {
        /// How long the request hangs.
        #[serde(default = "quota_ms")]
        hang_ms: u64,
    },
    /// The write is done after the caller may have given up.
    LateCommit {
        /// When it is done, on the simulator's clock.
        after_ms: u64,
        /// How long the request hangs.
        #[serde(default = "quota_ms")]
        hang_ms: u64,
    },
    /// The write is done, the answer is a bare status: what a proxy in front says, such as 504.
    StatusAfterCommit {
        /// HTTP status.
        code: u16,
    },
    /// The write is done, then the connection breaks.
    ResetConnectionAfterCommit,
    /// The record is created, the answer says that it was not allowed: the caller may not read it back.
    #[serde(rename = "create_then_403")]
    CreateThen403,
    /// The record is created, the answer is empty.
    #[serde(rename = "create_then_empty_201")]
    CreateThenEmpty201,
    /// Any status.
    Status {
        /// HTTP status.
        code: u16,
        /// JSON body; without one the body is empty.
        #[serde(default)]
        body: Option<Value>,
    },
    /// The page of a hibernating developer instance.
    #[serde(rename = "html_200", alias = "hibernate_html_200")]
    Html200,
    /// The page on which people log in.
    #[serde(rename = "login_html_200")]
    LoginHtml200,
    /// The page of an instance in maintenance.
    #[serde(rename = "maintenance_503")]
    Maintenance503,
    /// Rate limited: with `retry_after` as by a rule, without as by a full semaphore, whose answer has no headers.
    #[serde(rename = "rate_limit_429")]
    RateLimit429 {
        /// Seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// A list is cut by an error after the 200 has gone out.
    #[serde(rename = "error_in_200_stream")]
    ErrorIn200Stream {
        /// The body ends in the middle and is no JSON.
        #[serde(default)]
        cut: bool,
    },
    /// The request waits before anything is done.
    Latency {
        /// Milliseconds.
        ms: u64,
    },
    /// A field that the caller may not read is absent.
    AclHide {
        /// Name of the field.
        field: String,
    },
    /// Records that the caller may not see: 404 by sys_id, and left out of a page that counted them.
    AclHideRecord {
        /// Encoded query of the records.
        query: String,
    },
    /// A field that the caller may not write: it is ignored without a word.
    AclIgnoreWrite {
        /// Name of the field.
        field: String,
    },
    /// An ACL of the table refuses the caller: 403, by the method in the words of a read, insert, update or delete.
    AclRefuse,
    /// Before the change is created, another product has one with the same correlation id.
    DuplicateCorrelationPreexisting {
        /// Its `correlation_display`.
        display: String,
    },
    /// `state` shows a value that nobody knows.
    UnknownState {
        /// The value.
        value: String,
    },
    /// Everything is refused.
    Down {
        /// By a broken connection instead of 503.
        #[serde(default)]
        reset: bool,
    },
}

impl Effect {
    /// The name on the control plane.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["fault"].as_str().unwrap_or_default().to_owned()
    }

    /// Some effects make sense for one method only and leave others alone.
    fn concerns(&self, method: &str) -> bool {
        match self {
            Self::CreateThen403 | Self::CreateThenEmpty201 | Self::DuplicateCorrelationPreexisting { .. } => {
                method == "POST"
            }
            Self::AclIgnoreWrite { .. } => matches!(method, "POST" | "PATCH" | "PUT"),
            Self::ErrorIn200Stream { .. } => method == "GET",
            _ => true,
        }
    }

    /// Effects that go together with others; of all else only one hits a request.
    fn combines(&self) -> bool {
        matches!(
            self,
            Self::Latency { .. }
                | Self::AclHide { .. }
                | Self::AclHideRecord { .. }
                | Self::AclIgnoreWrite { .. }
                | Self::DuplicateCorrelationPreexisting { .. }
                | Self::UnknownState { .. }
        )
    }
}

/// What hits one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) latency: Duration,
    pub(super) hidden: Vec<String>,
    pub(super) hidden_records: Vec<String>,
    pub(super) unwritable: Vec<String>,
    pub(super) duplicate: Option<String>,
    pub(super) state: Option<String>,
    pub(super) effect: Option<Effect>,
}

/// The faults that are set.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) -> Result<(), ControlError> {
        let mut faults = self.lock();
        if faults.len() >= FAULTS_MAX {
            return Err(ControlError::TooMany("faults"));
        }
        faults.push(fault);
        Ok(())
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn all(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// Takes what hits this request, oldest first.
    pub(super) fn take(&self, target: &Target<'_>) -> Plan {
        let mut plan = Plan::default();
        let mut faults = self.lock();
        for fault in faults.iter_mut() {
            let full = plan.effect.is_some() && !fault.effect.combines();
            let hits = fault.effect.concerns(target.method) && fault.matching.fits(target);
            if full || !hits {
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
            }
            match fault.effect.clone() {
                Effect::Latency { ms } => plan.latency += Duration::from_millis(ms),
                Effect::AclHide { field } => plan.hidden.push(field),
                Effect::AclHideRecord { query } => plan.hidden_records.push(query),
                Effect::AclIgnoreWrite { field } => plan.unwritable.push(field),
                Effect::DuplicateCorrelationPreexisting { display } => plan.duplicate = Some(display),
                Effect::UnknownState { value } => plan.state = Some(value),
                other => plan.effect = Some(other),
            }
        }
        faults.retain(|fault| fault.times != Some(0));
        plan
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
