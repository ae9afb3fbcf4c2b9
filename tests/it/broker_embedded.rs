//! The broker's conformance on SQLite.
//!
//! Nothing foreign can put bytes into its queues, so there is no poison; a damaged row is tested in the crate.

use std::path::Path;
use std::sync::Arc;

use interlock_broker::embedded::Embedded;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::SystemClock;
use interlock_tests::broker_conformance::Subject;

fn open(directory: &Path) -> Arc<dyn Broker> {
    Embedded::open(directory, Arc::new(SystemClock)).expect("nobody else holds it")
}

async fn subject() -> Subject {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_owned();
    Subject {
        broker: open(directory.path()),
        crash: Box::new(move |broker| {
            let path = path.clone();
            Box::pin(async move {
                // The lock is let go; what was in hand stands in the file as it would after a kill.
                broker.close().await;
                open(&path)
            })
        }),
        poison: None,
        keep: Box::new(directory),
    }
}

interlock_tests::broker_conformance!(subject);
