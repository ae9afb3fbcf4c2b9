//! What tests of the tools work on: a broker in a folder, in which one delivery died.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use interlock_broker::embedded::Embedded;
use interlock_events::{RecordChanged, event};
use interlock_runtime::config::Config;
use interlock_runtime::ports::broker::{Broker as _, Prefetch, Settlement, Then};
use interlock_runtime::ports::clock::{Clock as _, SystemClock};

/// Whose delivery died.
pub const WORKER: &str = approval_worker::NAME;

/// The folder's configuration.
pub fn config(folder: &Path, listen: SocketAddr) -> Config {
    let folder = folder.display();
    let text =
        format!("broker: embedded:{folder}\nstore: embedded:{folder}\nadmin: {{ listen: \"{listen}\" }}\n");
    Config::parse("test", &text, std::iter::empty()).unwrap()
}

/// The folder's broker, with one dead letter.
pub async fn broker(folder: &Path) -> Arc<Embedded> {
    let broker = Embedded::open(folder, Arc::new(SystemClock)).unwrap();
    let fact: RecordChanged = serde_json::from_value(serde_json::json!({
        "connection": "prod", "table": "change_request", "sys_id": "1", "mod_count": "1", "change_sys_id": "1",
    }))
    .unwrap();
    broker.publish(&[event("/s", SystemClock.now(), &fact)], false).await.unwrap();
    let mut inbox = broker.consume(WORKER, Prefetch { intake: 1, watch: 1 }).await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(10), inbox.next());
    let delivered = next.await.unwrap().unwrap().unwrap();
    let then = Then::Dead { reason: "it cannot be read".to_owned(), attempts: 1 };
    let settlement = Settlement { publish: Vec::new(), then };
    inbox.settler().settle(&delivered.receipt, &settlement).await.unwrap();
    inbox.stop().await;
    broker
}
