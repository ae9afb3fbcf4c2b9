//! Gives a dead letter back: through the process that holds the file, or by RabbitMQ directly.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use interlock_runtime::config::Config;
use interlock_runtime::ports::clock::Clock as _;
use interlock_runtime::ports::clock::SystemClock;

use crate::admin;
use crate::ports::{self, Bench};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Replays one letter of `worker`.
pub async fn one(config: &Config, bench: &Bench, worker: &str, id: &str) -> anyhow::Result<()> {
    let found = match bench {
        Bench::Server(broker) => broker.replay_dead_letter(worker, id, &SystemClock.tag()).await?,
        Bench::File(_) => by_holder(config, worker, id).await?,
    };
    if found { Ok(()) } else { bail!("{worker} has no dead letter {id}") }
}

async fn by_holder(config: &Config, worker: &str, id: &str) -> anyhow::Result<bool> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(false);
    }
    let (clock, http) = ports::machine()?;
    let listen = config.admin.listen;
    let request = Request::post(format!("http://{listen}{}", admin::replay_path(worker, id)))
        .header(admin::TOOL_HEADER, "dead-letters")
        .body(Bytes::new())?;
    let answer = http.send(request, clock.instant() + TIMEOUT).await.with_context(|| {
        format!(
            "the process that holds the broker must run and take the tools' writes at admin.listen ({listen})"
        )
    })?;
    match answer.status() {
        StatusCode::NO_CONTENT => Ok(true),
        // Axum's own 404 has no body: those routes are not there.
        StatusCode::NOT_FOUND if answer.body().is_empty() => {
            bail!("the process at {listen} takes no writes of tools: admin.listen must be a loopback address")
        }
        StatusCode::NOT_FOUND => Ok(false),
        status => bail!("{listen} answered {status}: {}", String::from_utf8_lossy(answer.body())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use interlock_broker::embedded::Embedded;
    use tokio::net::TcpListener;

    use super::*;

    fn config(folder: &std::path::Path, listen: std::net::SocketAddr) -> Config {
        let folder = folder.display();
        let text = format!(
            "broker: embedded:{folder}\nstore: embedded:{folder}\nadmin: {{ listen: \"{listen}\" }}\n"
        );
        Config::parse("test", &text, std::iter::empty()).unwrap()
    }

    /// What a tool learns of the letter 7, which is not there.
    async fn answer(with_routes: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let broker = Embedded::open(folder.path(), Arc::new(SystemClock)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = config(folder.path(), listener.local_addr().unwrap());
        let tools = admin::routes(&config, broker, Arc::new(SystemClock));
        let router = if with_routes { tools } else { axum::Router::new() };
        let served = tokio::spawn(async move { axum::serve(listener, router).await });
        let bench = ports::bench(&config).await.unwrap();
        let replayed = one(&config, &bench, approval_worker::NAME, "7").await;
        served.abort();
        replayed.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn the_process_that_holds_the_file_is_asked() {
        assert_eq!(answer(true).await, "approval-worker has no dead letter 7");
    }

    #[tokio::test]
    async fn a_process_that_takes_no_writes_is_told_apart_from_a_letter_that_is_not_there() {
        assert!(answer(false).await.contains("takes no writes of tools"));
    }
}
