//! What tools change at the broker: carried out at RabbitMQ directly; of an embedded broker by the process that
//! holds it, through its admin port, or on the file where none does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use interlock_broker::embedded::Embedded;
use interlock_broker::topology::WORKERS;
use interlock_events::{AttributesReader, Event, FaultResolved, Resolution, event};
use interlock_runtime::config::{Config, Place};
use interlock_runtime::ports::broker::{Broker, DeadLetter};
use interlock_runtime::ports::clock::{Clock, SystemClock};
use interlock_runtime::ports::http::HttpError;
use serde::{Deserialize, Serialize};

use crate::admin;
use crate::ports::{self, Bench};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Letters among which one is looked for.
const LETTERS_MAX: usize = 100_000;

/// What a person wants done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// A dead letter goes back to its worker, or is dropped.
    Resolve(Box<Resolve>),
    /// Events of the log go to one worker again.
    TakeUp {
        /// Whose.
        worker: String,
        /// Which.
        events: Vec<Event>,
    },
}

/// What becomes of one dead letter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resolve {
    /// Whose.
    pub worker: String,
    /// Its id.
    pub id: String,
    /// What becomes of it.
    pub how: Resolution,
    /// What goes in its place.
    #[serde(default)]
    pub edited: Option<Event>,
    /// What differs in that.
    #[serde(default)]
    pub changed: Vec<String>,
    /// Why, in the person's words.
    #[serde(default)]
    pub reason: String,
}

/// Does it, wherever the broker is. `Ok(false)`: there is no such letter.
pub async fn carry_out(config: &Config, bench: &Bench, wish: &Wish) -> anyhow::Result<bool> {
    match bench {
        Bench::Server(broker) => at(&**broker, &SystemClock, wish).await,
        Bench::File(_) => match by_holder(config, wish).await? {
            Some(found) => Ok(found),
            None => on_file(config, wish).await,
        },
    }
}

/// Does it at a broker.
pub async fn at(broker: &dyn Broker, clock: &dyn Clock, wish: &Wish) -> anyhow::Result<bool> {
    match wish {
        Wish::TakeUp { worker, events } => {
            let known = WORKERS.iter().find(|known| known.name == worker).map(|known| known.name);
            broker.take_up(known.with_context(|| format!("no worker is named {worker}"))?, events).await?;
            Ok(true)
        }
        Wish::Resolve(resolve) => resolve_at(broker, clock, resolve).await,
    }
}

async fn resolve_at(broker: &dyn Broker, clock: &dyn Clock, wish: &Resolve) -> anyhow::Result<bool> {
    let letters = broker.dead_letters(&wish.worker, LETTERS_MAX).await?;
    let Some(letter) = letters.iter().find(|letter| letter.id == wish.id) else { return Ok(false) };
    let record = event("/tenants/default/tools", clock.now(), &record(wish, letter));
    if wish.how == Resolution::Dropped {
        // What is dropped is gone for good, so that is on record first.
        broker.publish(&[record], false).await?;
        return Ok(broker.drop_dead_letter(&wish.worker, &wish.id).await?);
    }
    let nonce = clock.tag();
    let found = broker.replay_dead_letter(&wish.worker, &wish.id, wish.edited.as_ref(), &nonce).await?;
    if found && let Err(fault) = broker.publish(&[record], false).await {
        tracing::warn!(%fault, "the letter is back with its worker, but that is not on record");
    }
    Ok(found)
}

fn record(wish: &Resolve, letter: &DeadLetter) -> FaultResolved {
    let Resolve { worker, id, how, changed, reason, .. } = wish;
    let of = |attribute: fn(&Event) -> String| letter.event.as_ref().map(attribute).unwrap_or_default();
    let reason =
        if reason.is_empty() { letter.reason.clone() } else { format!("{reason} ({})", letter.reason) };
    tracing::info!(worker, letter = id, ?how, reason, "a person resolved a dead letter");
    FaultResolved {
        worker: worker.clone(),
        letter: id.clone(),
        event_id: of(|event| event.id().to_owned()),
        event_type: of(|event| event.ty().to_owned()),
        subject: letter.event.as_ref().ok().and_then(|event| event.subject().map(str::to_owned)),
        how: *how,
        reason,
        changed: changed.clone(),
    }
}

/// `None` where no process answers at the admin port.
async fn by_holder(config: &Config, wish: &Wish) -> anyhow::Result<Option<bool>> {
    let (clock, http) = ports::machine()?;
    let listen = config.admin.listen;
    let request = Request::post(format!("http://{listen}{}", admin::TOOLS_PATH))
        .header(admin::TOOL_HEADER, "interlock")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(serde_json::to_vec(wish)?))?;
    let answer = match http.send(request, clock.instant() + TIMEOUT).await {
        Ok(answer) => answer,
        Err(HttpError::NotSent { .. }) => return Ok(None),
        Err(fault) => return Err(fault).context("it is not known whether it was done: look again"),
    };
    match answer.status() {
        StatusCode::NO_CONTENT => Ok(Some(true)),
        // Axum's own 404 has no body: those routes are not there.
        StatusCode::NOT_FOUND if answer.body().is_empty() => {
            bail!("the process at {listen} takes no writes of tools: admin.listen must be a loopback address")
        }
        StatusCode::NOT_FOUND => Ok(Some(false)),
        status => bail!("{listen} answered {status}: {}", String::from_utf8_lossy(answer.body())),
    }
}

async fn on_file(config: &Config, wish: &Wish) -> anyhow::Result<bool> {
    let Place::Embedded(folder) = &config.broker.place else { bail!("the broker is no file") };
    let broker = Embedded::open(folder, Arc::new(SystemClock)).with_context(|| {
        format!(
            "no process answers at admin.listen ({}), and the file cannot be written",
            config.admin.listen
        )
    })?;
    let done = at(&*broker, &SystemClock, wish).await;
    broker.close().await;
    done
}

#[cfg(test)]
mod tests {
    use interlock_runtime::ports::broker::Prefetch;
    use tokio::net::TcpListener;

    use super::*;
    use crate::tests::{WORKER, broker, config};

    async fn free_address() -> std::net::SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    fn resolve(id: &str, how: Resolution) -> Wish {
        let (worker, reason) = (WORKER.to_owned(), "no use".to_owned());
        Wish::Resolve(Box::new(Resolve {
            worker,
            id: id.to_owned(),
            how,
            edited: None,
            changed: vec![],
            reason,
        }))
    }

    async fn records(broker: &dyn Broker) -> Vec<FaultResolved> {
        let log = broker.log(chrono::DateTime::UNIX_EPOCH, &[], 100).await.unwrap();
        log.iter().filter_map(|entry| interlock_events::data_of(&entry.event).ok()).collect()
    }

    #[tokio::test]
    async fn a_drop_is_on_record_with_its_reason_and_the_letter_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let broker = broker(folder.path()).await;
        let id = broker.dead_letters(WORKER, 10).await.unwrap()[0].id.clone();
        assert!(at(&*broker, &SystemClock, &resolve(&id, Resolution::Dropped)).await.unwrap());
        assert!(broker.dead_letters(WORKER, 10).await.unwrap().is_empty());
        let records = records(&*broker).await;
        assert_eq!((records.len(), records[0].how), (1, Resolution::Dropped));
        assert_eq!(records[0].reason, "no use (it cannot be read)");
        assert!(!at(&*broker, &SystemClock, &resolve(&id, Resolution::Dropped)).await.unwrap());
    }

    #[tokio::test]
    async fn where_a_process_holds_the_file_it_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let broker = broker(folder.path()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = config(folder.path(), listener.local_addr().unwrap());
        let tools = admin::routes(&config, broker.clone(), Arc::new(SystemClock));
        let served = tokio::spawn(async move { axum::serve(listener, tools).await });
        let bench = ports::bench(&config).await.unwrap();
        let id = broker.dead_letters(WORKER, 10).await.unwrap()[0].id.clone();
        assert!(!carry_out(&config, &bench, &resolve("9999", Resolution::Replayed)).await.unwrap());
        assert!(carry_out(&config, &bench, &resolve(&id, Resolution::Replayed)).await.unwrap());
        assert!(broker.dead_letters(WORKER, 10).await.unwrap().is_empty());
        assert_eq!(records(&*broker).await[0].how, Resolution::Replayed);
        served.abort();
    }

    #[tokio::test]
    async fn where_no_process_runs_the_file_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let held = broker(folder.path()).await;
        let id = held.dead_letters(WORKER, 10).await.unwrap()[0].id.clone();
        let config = config(folder.path(), free_address().await);
        let bench = ports::bench(&config).await.unwrap();
        let wish = resolve(&id, Resolution::Replayed);
        let refused = carry_out(&config, &bench, &wish).await.unwrap_err();
        assert!(format!("{refused:#}").contains("held by process"), "{refused:#}");
        held.close().await;
        drop(held);
        assert!(carry_out(&config, &bench, &wish).await.unwrap());
        let broker = Embedded::open(folder.path(), Arc::new(SystemClock)).unwrap();
        assert!(broker.dead_letters(WORKER, 10).await.unwrap().is_empty());
        let mut inbox = broker.consume(WORKER, Prefetch { intake: 1, watch: 1 }).await.unwrap();
        let next = tokio::time::timeout(Duration::from_secs(10), inbox.next());
        assert!(next.await.unwrap().unwrap().unwrap().travel.again, "its worker has it again");
    }
}
