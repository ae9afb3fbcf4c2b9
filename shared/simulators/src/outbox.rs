//! Webhooks that wait to be sent. Nothing is sent while a request is served: `serve` delivers them,
//! or a deterministic harness takes those that are due.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;

use crate::clock::SimClock;

/// How many webhooks may wait; the oldest is dropped for the next.
pub const WAITING_MAX: usize = 100_000;
/// How many deliveries are remembered.
pub const DELIVERIES_MAX: usize = 10_000;
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// A webhook that waits.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// When it may be sent.
    pub due: DateTime<Utc>,
    /// The receiver.
    pub url: String,
    /// All headers, content type included.
    pub headers: Vec<(String, String)>,
    /// The body, exactly as signed.
    pub body: Bytes,
    /// What tells this delivery from others, for the record of deliveries.
    pub label: String,
}

/// How a webhook was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// When the answer came.
    pub at: DateTime<Utc>,
    /// Label of the webhook.
    pub label: String,
    /// The receiver's status; `None` when it could not be reached.
    pub status: Option<u16>,
}

/// The waiting webhooks. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<VecDeque<Outgoing>>,
    deliveries: Mutex<VecDeque<Delivery>>,
    changed: watch::Sender<u64>,
}

impl Outbox {
    /// Adds a webhook behind all that are due at the same time or earlier.
    pub fn push(&self, outgoing: Outgoing) {
        let mut waiting = lock(&self.inner.waiting);
        if waiting.len() >= WAITING_MAX {
            tracing::warn!("outbox is full, the oldest webhook is dropped");
            waiting.pop_front();
        }
        let place = waiting.partition_point(|other| other.due <= outgoing.due);
        waiting.insert(place, outgoing);
        drop(waiting);
        self.inner.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Takes what is due, in order.
    pub fn take_due(&self, now: DateTime<Utc>) -> Vec<Outgoing> {
        let mut waiting = lock(&self.inner.waiting);
        let due = waiting.partition_point(|outgoing| outgoing.due <= now);
        waiting.drain(..due).collect()
    }

    /// How many webhooks wait.
    pub fn pending(&self) -> usize {
        lock(&self.inner.waiting).len()
    }

    /// When the next one may be sent.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        lock(&self.inner.waiting).front().map(|outgoing| outgoing.due)
    }

    /// Notes how a webhook was received; whoever sends one calls this.
    pub fn record(&self, label: &str, at: DateTime<Utc>, status: Option<u16>) {
        let mut deliveries = lock(&self.inner.deliveries);
        if deliveries.len() >= DELIVERIES_MAX {
            deliveries.pop_front();
        }
        deliveries.push_back(Delivery { at, label: label.to_owned(), status });
    }

    /// The deliveries so far, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.inner.deliveries).iter().cloned().collect()
    }

    /// Forgets what waits and what was delivered.
    pub fn clear(&self) {
        lock(&self.inner.waiting).clear();
        lock(&self.inner.deliveries).clear();
    }

    /// Sends what is due, one after another, for as long as the future lives.
    pub async fn deliver_until_dropped(self, clock: SimClock) {
        let Ok(client) = client() else {
            tracing::error!("no HTTP client could be built, webhooks are not sent");
            return;
        };
        let mut pushed = self.inner.changed.subscribe();
        let mut clock_set = clock.watch();
        loop {
            for outgoing in self.take_due(clock.now()) {
                let status = send(&client, &outgoing).await;
                self.record(&outgoing.label, clock.now(), status);
            }
            let next = self.next_due();
            tokio::select! {
                _ = pushed.changed() => {}
                _ = clock_set.changed() => {}
                () = until(next, &clock) => {}
            }
        }
    }
}

async fn until(due: Option<DateTime<Utc>>, clock: &SimClock) {
    match due {
        Some(due) if !clock.is_frozen() => {
            let wait = (due - clock.now()).to_std().unwrap_or_default();
            tokio::time::sleep(wait).await;
        }
        // A frozen clock reaches nothing by waiting; setting it wakes the loop.
        _ => std::future::pending().await,
    }
}

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(SEND_TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()
}

async fn send(client: &reqwest::Client, outgoing: &Outgoing) -> Option<u16> {
    let mut request = client.post(&outgoing.url).body(outgoing.body.clone());
    for (name, value) in &outgoing.headers {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(answer) => Some(answer.status().as_u16()),
        Err(error) => {
            tracing::debug!(label = %outgoing.label, error = %error.without_url(), "webhook not delivered");
            None
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, routing::post};

    fn outgoing(label: &str, due: DateTime<Utc>, url: &str) -> Outgoing {
        Outgoing {
            due,
            url: url.to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Bytes::from_static(b"{}"),
            label: label.to_owned(),
        }
    }

    #[test]
    fn only_what_is_due_is_taken_and_in_order() {
        let outbox = Outbox::default();
        let now: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().unwrap();
        let later = now + chrono::Duration::seconds(5);
        outbox.push(outgoing("later", later, "http://127.0.0.1:1/"));
        outbox.push(outgoing("first", now, "http://127.0.0.1:1/"));
        outbox.push(outgoing("second", now, "http://127.0.0.1:1/"));
        let labels: Vec<_> = outbox.take_due(now).into_iter().map(|o| o.label).collect();
        assert_eq!(labels, ["first", "second"]);
        assert_eq!(outbox.pending(), 1);
        assert_eq!(outbox.take_due(later).len(), 1);
    }

    #[tokio::test]
    async fn a_webhook_is_delivered_once_the_clock_reaches_it() {
        let (arrived, mut arrivals) = tokio::sync::mpsc::channel(4);
        let receiver = Router::new().route(
            "/hook",
            post(move |body: Bytes| {
                let arrived = arrived.clone();
                async move {
                    arrived.send(body).await.unwrap();
                }
            }),
        );
        let (addr, server) = crate::serve::serve(receiver, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let clock = SimClock::real();
        clock.freeze(Some(clock.now()));
        let outbox = Outbox::default();
        let deliver = tokio::spawn(outbox.clone().deliver_until_dropped(clock.clone()));
        let due = clock.now() + chrono::Duration::seconds(60);
        outbox.push(outgoing("one", due, &format!("http://{addr}/hook")));
        clock.advance(Duration::from_secs(60));
        let body = tokio::time::timeout(Duration::from_secs(10), arrivals.recv()).await;
        assert_eq!(body.unwrap().unwrap(), Bytes::from_static(b"{}"));
        deliver.abort();
        server.abort();
    }
}
