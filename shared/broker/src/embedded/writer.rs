//! Group commit: one connection writes, and what was asked for while a transaction ran shares the next one.
//!
//! A commit waits for the disk, some milliseconds; nobody waits for company beyond that, since requests gather
//! by themselves in the meantime. Transactions run on tokio's blocking threads, which hold paused time still.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, Savepoint, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use super::failure::Failure;
use super::lock::Lock;
use crate::topology::WORKERS;

/// How many requests share a transaction.
const BATCH_MAX: usize = 64;
/// How many requests may wait; who comes then waits at the door.
const REQUESTS_MAX: usize = 1_024;

/// The workers for whom something changed.
pub(crate) type Rung = BTreeSet<&'static str>;

/// The answer to a request, once its transaction is on the disk.
pub(crate) type Reply<T> = oneshot::Receiver<Result<T, Failure>>;

/// Hands requests to the connection that writes. Clones share it.
#[derive(Clone)]
pub(crate) struct Writer {
    requests: mpsc::Sender<Box<dyn Request>>,
    bells: Arc<BTreeMap<&'static str, watch::Sender<u64>>>,
    closing: watch::Sender<bool>,
}

impl Writer {
    /// Starts to write; the lock is held until the last transaction is done.
    pub(crate) fn start(connection: Connection, lock: Lock) -> (Self, JoinHandle<()>) {
        let (requests, waiting) = mpsc::channel(REQUESTS_MAX);
        let bells = WORKERS.iter().map(|worker| (worker.name, watch::Sender::new(0))).collect();
        let (closing, closed) = watch::channel(false);
        let writer = Self { requests, bells: Arc::new(bells), closing };
        let task = tokio::spawn(write(connection, lock, waiting, closed, writer.bells.clone()));
        (writer, task)
    }

    /// Asks for `work` in the next transaction. Only waiting at the door can be abandoned; once this has
    /// returned, the work is done whether or not anybody waits for the reply.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Savepoint<'_>, &mut Rung) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Reply<T>, Failure> {
        let door = self.requests.reserve().await.map_err(|_| Failure::Closed)?;
        let (reply, answer) = oneshot::channel();
        door.send(Box::new(Asked { work: Some(work), outcome: None, reply }));
        Ok(answer)
    }

    /// Asks, and waits for the reply.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Savepoint<'_>, &mut Rung) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.submit(work).await?.await.unwrap_or(Err(Failure::Closed))
    }

    /// Rings whenever something changes for `worker`; nothing for a worker that is not in the topology.
    pub(crate) fn bell(&self, worker: &str) -> Option<watch::Receiver<u64>> {
        self.bells.get(worker).map(watch::Sender::subscribe)
    }

    /// Takes no more requests. What was asked for before is still done.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }
}

trait Request: Send {
    fn run(&mut self, transaction: &mut Transaction<'_>, rung: &mut Rung);
    fn answer(self: Box<Self>, committed: Result<(), Failure>);
}

struct Asked<T, W> {
    work: Option<W>,
    outcome: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, Failure>>,
}

impl<T, W> Request for Asked<T, W>
where
    T: Send,
    W: FnOnce(&Savepoint<'_>, &mut Rung) -> Result<T, Failure> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>, rung: &mut Rung) {
        self.outcome = self.work.take().map(|work| within_savepoint(transaction, rung, work));
    }

    fn answer(self: Box<Self>, committed: Result<(), Failure>) {
        let Self { outcome, reply, .. } = *self;
        let undone = || Err(Failure::Storage("the transaction was given up".to_owned()));
        // Where nobody waits any more, the work stands all the same.
        let _ = reply.send(committed.and_then(|()| outcome.unwrap_or_else(undone)));
    }
}

/// What fails leaves its neighbours in the transaction alone.
fn within_savepoint<T>(
    transaction: &mut Transaction<'_>,
    rung: &mut Rung,
    work: impl FnOnce(&Savepoint<'_>, &mut Rung) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let savepoint = transaction.savepoint()?;
    let value = work(&savepoint, rung)?;
    savepoint.commit()?;
    Ok(value)
}

async fn write(
    mut connection: Connection,
    lock: Lock,
    mut waiting: mpsc::Receiver<Box<dyn Request>>,
    mut closed: watch::Receiver<bool>,
    bells: Arc<BTreeMap<&'static str, watch::Sender<u64>>>,
) {
    let mut open = true;
    loop {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed), if open => {
                open = false;
                waiting.close();
                continue;
            }
            taken = waiting.recv_many(&mut batch, BATCH_MAX) => if taken == 0 { break },
        }
        let transacted = spawn_blocking(move || {
            let rung = transact(&mut connection, batch);
            (connection, rung)
        });
        let Ok((returned, rung)) = transacted.await else {
            tracing::error!("the embedded broker stopped writing: its transaction was aborted");
            return;
        };
        connection = returned;
        for bell in rung.iter().filter_map(|worker| bells.get(worker)) {
            bell.send_modify(|rings| *rings += 1);
        }
    }
    drop(connection);
    drop(lock);
    // Whoever waits for a bell looks again, and finds the door closed.
    for bell in bells.values() {
        bell.send_modify(|rings| *rings += 1);
    }
}

/// One transaction for all; the replies go out when it is on the disk.
fn transact(connection: &mut Connection, mut batch: Vec<Box<dyn Request>>) -> Rung {
    let mut rung = Rung::new();
    let committed = run_all(connection, &mut batch, &mut rung).map_err(Failure::from);
    for request in batch {
        request.answer(committed.clone());
    }
    rung
}

fn run_all(
    connection: &mut Connection,
    batch: &mut [Box<dyn Request>],
    rung: &mut Rung,
) -> rusqlite::Result<()> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for request in batch {
        // SQLite itself gives up the transaction when the disk is full (SQLite, "Response To Errors Within
        // A Transaction"); what followed would be committed one by one, and answered as if it were not.
        if transaction.is_autocommit() {
            break;
        }
        request.run(&mut transaction, rung);
    }
    transaction.commit()
}
