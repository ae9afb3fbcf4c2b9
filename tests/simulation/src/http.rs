//! HTTP in process: host to router. A request that has left is carried out, whoever waits for its answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{Request, Response};
use interlock_runtime::ports::http::{Http, HttpError};
use interlock_simulators::serve::RESET_HEADER;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tower::ServiceExt as _;

use crate::dice::Dice;
use crate::process::Process;

const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// How long a request is on its way, at most. A judge must allow for it.
pub const ON_ITS_WAY_MAX: Duration = Duration::from_millis(60);

/// The network between all processes and the simulators.
pub struct Net {
    routers: BTreeMap<String, Router>,
    dice: Dice,
    weather: Mutex<Option<(Weather, Instant)>>,
    /// Rung after every request: something may have happened at the far side.
    pub bell: Notify,
}

/// What the network does to one request in four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// It does not leave.
    NotSent,
    /// It is carried out, and its answer is lost.
    AnswerLost,
    /// Its answer takes 2 to 20 seconds.
    Slow,
}

impl Net {
    /// A network with these hosts.
    #[must_use]
    pub fn new(routers: BTreeMap<String, Router>, dice: Dice) -> Arc<Self> {
        Arc::new(Self { routers, dice, weather: Mutex::default(), bell: Notify::new() })
    }

    /// Bad weather for a while.
    pub fn weather(&self, weather: Weather, how_long: Duration) {
        let until = Instant::now() + how_long;
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner) = Some((weather, until));
    }

    fn fate(&self) -> Option<Weather> {
        let weather = *self.weather.lock().unwrap_or_else(PoisonError::into_inner);
        weather.filter(|(_, until)| Instant::now() < *until && self.dice.percent(25)).map(|(kind, _)| kind)
    }

    /// Sends one request off. The receiver gets `None` where the connection was cut.
    fn send_off(
        self: &Arc<Self>,
        request: Request<Bytes>,
        router: Router,
        back: Duration,
    ) -> oneshot::Receiver<Option<Response<Bytes>>> {
        let (answer, answered) = oneshot::channel();
        let there = Duration::from_millis(self.dice.between(1, ON_ITS_WAY_MAX.as_millis() as u64));
        let net = self.clone();
        tokio::spawn(async move {
            sleep(there).await;
            let carried_out = carry_out(request, router).await;
            net.bell.notify_one();
            sleep(back).await;
            // Who asked may be gone.
            let _ = answer.send(carried_out);
        });
        answered
    }
}

async fn carry_out(request: Request<Bytes>, router: Router) -> Option<Response<Bytes>> {
    let Ok(response) = router.oneshot(request.map(Body::from)).await;
    let (parts, body) = response.into_parts();
    if parts.headers.contains_key(RESET_HEADER) {
        return None;
    }
    let body = to_bytes(body, BODY_BYTES_MAX).await.ok()?;
    Some(Response::from_parts(parts, body))
}

/// One process's way out.
pub struct SimHttp {
    net: Arc<Net>,
    process: Arc<Process>,
}

impl SimHttp {
    /// The network as one process has it.
    #[must_use]
    pub fn new(net: Arc<Net>, process: Arc<Process>) -> Self {
        Self { net, process }
    }
}

#[async_trait]
impl Http for SimHttp {
    async fn send(&self, request: Request<Bytes>, deadline: Instant) -> Result<Response<Bytes>, HttpError> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let what = format!("{} {host}{}", request.method(), request.uri().path());
        self.process.point(&what).await;
        let not_sent = |reason: &str| HttpError::NotSent { host: host.clone(), reason: reason.to_owned() };
        let Some(router) = self.net.routers.get(&host).cloned() else {
            return Err(not_sent("no such host"));
        };
        if Instant::now() >= deadline {
            return Err(not_sent("the deadline is over"));
        }
        let fate = self.net.fate();
        if fate == Some(Weather::NotSent) {
            return Err(not_sent("connection refused"));
        }
        let back = match fate {
            Some(Weather::Slow) => self.net.dice.between(2_000, 20_000),
            _ if self.net.dice.percent(8) => self.net.dice.between(100, 3_000),
            _ => self.net.dice.between(1, 60),
        };
        let answered = self.net.send_off(request, router, Duration::from_millis(back));
        let answer = timeout_at(deadline, answered).await;
        self.process.point(&format!("answer to {what}")).await;
        let unknown =
            |reason: &str| Err(HttpError::Unknown { host: host.clone(), reason: reason.to_owned() });
        match answer {
            _ if fate == Some(Weather::AnswerLost) => unknown("the connection was reset"),
            Ok(Ok(Some(response))) => Ok(response),
            Ok(_) => unknown("the connection was cut"),
            Err(_) => unknown("no answer in time"),
        }
    }
}
