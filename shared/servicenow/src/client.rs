//! One call: permit, credentials, request, answer, what it cost. Nothing is sent twice, but after a 401
//! with an OAuth token, since a request that was not authentic was not carried out.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::{Http, HttpError};
use interlock_runtime::ports::store::Store;
use serde_json::Value;
use tokio::time::Instant;

use crate::answer;
use crate::auth::Credentials;
use crate::budget::{Budget, Lane, Patience};
use crate::error::{Fault, Kind, ServiceNowError, What};
use crate::names::Names;
use crate::outage::{Outage, Pass, QUESTION_MAX};
use crate::query::{Address, URL_CHARS_MAX};
use crate::settings::Settings;
use crate::skew::Skew;
use crate::standing::Why;

/// A write that takes longer is not waited for.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// A file takes longer. The instance itself gives up after 60 s (ServiceNow docs, "Transaction quotas").
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The client of one connection. Clones share credentials, budget and names.
#[derive(Clone)]
pub struct ServiceNow {
    pub(crate) shared: Arc<Shared>,
    deadline: Option<Instant>,
    patient: bool,
}

pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) names: Names,
    pub(crate) store: Arc<dyn Store>,
    http: Arc<dyn Http>,
    credentials: Credentials,
    budget: Budget,
    outage: Outage,
    skew: Skew,
}

/// What is to be sent.
pub(crate) struct Call {
    pub(crate) what: What,
    pub(crate) lane: Lane,
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) body: Option<Body>,
}

/// What is in it.
pub(crate) enum Body {
    Json(Value),
    File { media_type: &'static str, content: Bytes },
}

impl Body {
    fn bytes(&self) -> Bytes {
        match self {
            Self::Json(value) => Bytes::from(value.to_string()),
            Self::File { content, .. } => content.clone(),
        }
    }

    fn media_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::File { media_type, .. } => media_type,
        }
    }
}

impl Call {
    /// Differs for calls of different records.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.address.as_str(), self.body.as_ref().map(Body::bytes)).hash(&mut hasher);
        hasher.finish()
    }
}

/// The result of a call.
pub(crate) struct Answer {
    pub(crate) result: Value,
    /// When it was asked for, with a permit in hand.
    pub(crate) sent: DateTime<Utc>,
    pub(crate) skew_seconds: Option<i64>,
}

impl ServiceNow {
    /// A client of the connection `name`.
    #[must_use]
    pub fn new(
        name: &str,
        settings: Settings,
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
    ) -> Self {
        let base_url = settings.base_url.clone();
        let auth = settings.auth.clone();
        let (instance, permits) = (base_url.authority(), settings.permits);
        let budget = Budget::new(instance, permits, clock.clone(), store.clone());
        let outage = Outage::new(name, instance, permits, clock.clone(), store.clone());
        let shared = Shared {
            name: name.to_owned(),
            credentials: Credentials::new(auth, &base_url, http.clone(), clock.clone()),
            names: Names::default(),
            store,
            skew: Skew::new(name),
            settings,
            clock,
            http,
            budget,
            outage,
        };
        Self { shared: Arc::new(shared), deadline: None, patient: false }
    }

    /// The same client for calls that must be over before `deadline`, connect included. Without it
    /// a write has 10 seconds from its call, a read 20.
    #[must_use]
    pub fn before(&self, deadline: Instant) -> Self {
        Self { shared: self.shared.clone(), deadline: Some(deadline), patient: self.patient }
    }

    /// The same client for what cannot come again: a gate's calls wait for a permit until little is left before
    /// their deadline, while others give up after seconds; and an instance that did not answer is asked every few
    /// seconds whether it is back.
    #[must_use]
    pub fn patiently(&self) -> Self {
        Self { shared: self.shared.clone(), deadline: self.deadline, patient: true }
    }

    /// Name of the connection.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The record's page, for people.
    #[must_use]
    pub fn record_url(&self, sys_id: &str) -> String {
        let base = self.shared.settings.base_url.as_str();
        let shown: String = sys_id.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{base}/nav_to.do?uri=%2Fchange_request.do%3Fsys_id%3D{shown}")
    }

    /// A cheap authenticated read: the instance answers, knows us and lets us read changes. Answers
    /// the seconds by which its clock differs from ours, where it says.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn probe(&self) -> Result<Option<i64>, ServiceNowError> {
        let address = Address::list("change_request", "ORDERBYsys_id", "sys_id", 1);
        Ok(self.get(What::Probe, Lane::Rest, address).await?.skew_seconds)
    }

    pub(crate) async fn get(
        &self,
        what: What,
        lane: Lane,
        address: Address,
    ) -> Result<Answer, ServiceNowError> {
        self.call(Call { what, lane, method: Method::GET, address, body: None }).await
    }

    pub(crate) async fn call(&self, call: Call) -> Result<Answer, ServiceNowError> {
        let began = self.shared.clock.instant();
        let outcome = self.admitted(&call, began).await.map_err(|fault| self.error(call.what, fault));
        let seconds = (self.shared.clock.instant() - began).as_secs_f64();
        let label = match &outcome {
            Ok(_) => "ok",
            Err(error) => error.outcome(),
        };
        let labels = [("connection", self.name().to_owned()), ("what", call.what.label().to_owned())];
        metrics::histogram!("interlock_servicenow_call_duration_seconds", &labels).record(seconds);
        let [connection, what] = labels;
        let labels = [connection, what, ("outcome", label.to_owned())];
        metrics::counter!("interlock_servicenow_calls_total", &labels).increment(1);
        outcome
    }

    pub(crate) fn error(&self, what: What, fault: Fault) -> ServiceNowError {
        ServiceNowError { connection: self.name().to_owned(), what, fault }
    }

    async fn admitted(&self, call: &Call, began: Instant) -> Result<Answer, Fault> {
        let timeout = match call.what {
            What::Attach => UPLOAD_TIMEOUT,
            what if what.kind() == Kind::Read => READ_TIMEOUT,
            _ => WRITE_TIMEOUT,
        };
        let deadline = self.deadline.map_or(began + timeout, |given| given.min(began + timeout));
        let while_back = self.pass(deadline).await?;
        let budget = &self.shared.budget;
        let patience = Patience::of(call.lane, self.patient);
        let permit = budget.admit(call.lane, patience, deadline, while_back).await?;
        let sent = self.shared.clock.now();
        let outcome = self.exchange(call, deadline).await;
        permit.give_back().await;
        self.learn(call, &outcome).await;
        let response = outcome?;
        budget.learn(response.headers()).await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            let told = answer::retry_after(response.headers());
            return Err(budget.refused(told.or_else(|| budget.until_reset(response.headers()))).await);
        }
        budget.accepted();
        let at = self.shared.clock.now();
        let skew_seconds = self.shared.skew.note(response.headers(), sent, at);
        let result = answer::result(call.what.kind(), &response)?;
        Ok(Answer { result, sent, skew_seconds })
    }

    /// Whether the instance is there to be called; who comes first after a pause asks it.
    async fn pass(&self, deadline: Instant) -> Result<Option<u32>, Fault> {
        let Shared { outage, credentials, clock, .. } = &*self.shared;
        let left = deadline.saturating_duration_since(clock.instant());
        match outage.pass(left, self.patient, || credentials.fingerprint()).await {
            Pass::Go(limit) => Ok(limit),
            Pass::Wait(fault) => Err(fault),
            Pass::Ask(turn) => {
                let credentials = credentials.fingerprint();
                let heard = self.ask(left.min(QUESTION_MAX)).await;
                outage.heard(turn, heard, credentials).await
            }
        }
    }

    /// Anything that the API says is an answer. What is asked is no record that we work with: such a one, or
    /// its table, may be why calls failed.
    async fn ask(&self, within: Duration) -> Result<(), (Why, String)> {
        let address = Address::list("sys_user", "ORDERBYsys_id", "sys_id", 1);
        let call = Call { what: What::Probe, lane: Lane::Rest, method: Method::GET, address, body: None };
        let outcome = self.exchange(&call, self.shared.clock.instant() + within).await;
        let heard = answer::heard(call.what.kind(), &outcome);
        let label = if heard.is_some() { "transient" } else { "ok" };
        let labels = [("connection", self.name().to_owned()), ("what", call.what.label().to_owned())];
        let [connection, what] = labels;
        let labels = [connection, what, ("outcome", label.to_owned())];
        metrics::counter!("interlock_servicenow_calls_total", &labels).increment(1);
        heard.map_or(Ok(()), Err)
    }

    /// What a call shows of the instance as a whole.
    async fn learn(&self, call: &Call, outcome: &Result<Response<Bytes>, Fault>) {
        let Shared { outage, credentials, .. } = &*self.shared;
        match answer::heard(call.what.kind(), outcome) {
            Some((why, said)) => {
                outage.failed(call.fingerprint(), why, said, credentials.fingerprint()).await
            }
            None => outage.answered().await,
        }
    }

    /// What the instance says of our credentials, while it does not take them.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.shared.outage.refused()
    }

    async fn exchange(&self, call: &Call, deadline: Instant) -> Result<Response<Bytes>, Fault> {
        let credentials = &self.shared.credentials;
        let who = credentials.header(deadline).await?;
        let response = self.send(call, who.clone(), deadline).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !credentials.forget(&who.1, deadline).await {
            return Ok(response);
        }
        let who = credentials.header(deadline).await?;
        self.send(call, who, deadline).await
    }

    async fn send(
        &self,
        call: &Call,
        who: (HeaderName, HeaderValue),
        deadline: Instant,
    ) -> Result<Response<Bytes>, Fault> {
        let request = self.request(call, who)?;
        self.shared.http.send(request, deadline).await.map_err(|error| match error {
            HttpError::NotSent { .. } => Fault::Unavailable(error.to_string()),
            HttpError::Unknown { .. } | HttpError::TooLarge { .. } => {
                answer::no_word(call.what.kind(), &error.to_string())
            }
        })
    }

    fn request(&self, call: &Call, who: (HeaderName, HeaderValue)) -> Result<Request<Bytes>, Fault> {
        let uri = format!("{}{}", self.shared.settings.base_url.as_str(), call.address.as_str());
        if uri.len() > URL_CHARS_MAX {
            return Err(Fault::Input(format!(
                "the address has {} characters, at most {URL_CHARS_MAX}",
                uri.len()
            )));
        }
        let request = Request::builder()
            .method(&call.method)
            .uri(uri)
            .header(header::ACCEPT, "application/json")
            .header(who.0, who.1);
        let request = match &call.body {
            Some(body) => request.header(header::CONTENT_TYPE, body.media_type()).body(body.bytes()),
            None => request.body(Bytes::new()),
        };
        request.map_err(|error| Fault::Input(format!("the address is no URI: {error}")))
    }
}
