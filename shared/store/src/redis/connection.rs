//! One multiplexed connection: made at the first call, dropped at the first fault, made anew by the next call.
//!
//! The client's own connection manager is not used: it keeps the outcome of a connect that failed other than
//! by I/O (a server that still loads, a rotated password) and answers with it from then on.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use interlock_runtime::ports::store::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio::sync::Mutex;

/// How long one call may take, connecting included.
pub const CALL_TIMEOUT: Duration = Duration::from_millis(500);

/// The connection, if there is one at present, and how many there were.
#[derive(Default)]
struct Slot {
    connection: Option<MultiplexedConnection>,
    number: u64,
}

pub(super) struct Connection {
    client: Client,
    slot: Mutex<Slot>,
}

impl Connection {
    pub(super) fn new(client: Client) -> Self {
        Self { client, slot: Mutex::default() }
    }

    /// Carries out one call within [`CALL_TIMEOUT`]; after any fault the next call connects anew.
    pub(super) async fn call<T, F>(
        &self,
        verb: &str,
        call: impl FnOnce(MultiplexedConnection) -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let mut used = None;
        let outcome = tokio::time::timeout(CALL_TIMEOUT, async {
            let (connection, number) = self.connection().await?;
            used = Some(number);
            call(connection).await
        })
        .await;
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => self.failed(used, verb, fault).await,
            Err(_) => self.failed(used, verb, format!("no answer in {} ms", CALL_TIMEOUT.as_millis())).await,
        }
    }

    async fn connection(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let mut slot = self.slot.lock().await;
        if let Some(connection) = &slot.connection {
            return Ok((connection.clone(), slot.number));
        }
        // The one limit is that of the call, which includes this.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        slot.number += 1;
        slot.connection = Some(connection.clone());
        Ok((connection, slot.number))
    }

    /// Drops the connection that was used, unless another call replaced it already.
    async fn failed<T>(&self, used: Option<u64>, verb: &str, fault: impl Display) -> Result<T, StoreError> {
        if let Some(number) = used
            && let Ok(mut slot) = self.slot.try_lock()
            && slot.number == number
        {
            slot.connection = None;
        }
        Err(StoreError(format!("{verb}: {fault}")))
    }
}
