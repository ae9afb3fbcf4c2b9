//! Facts that bear on a gate: it is looked at now, not at its next tick.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::{EventData, KeyHash};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};

use crate::Desk;
use crate::hint::Hint;

/// A fact whose subject is a deployment's key.
pub(crate) struct FollowHint<T> {
    desk: Arc<Desk>,
    fact: PhantomData<fn() -> T>,
}

impl<T> FollowHint<T> {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, fact: PhantomData }
    }
}

#[async_trait]
impl<T: EventData> Subscriber for FollowHint<T> {
    type Data = T;

    async fn handle(&self, delivery: Delivery<T>) -> Handled {
        match delivery.data.subject().parse::<KeyHash>() {
            Ok(key) if T::TYPE.starts_with("io.interlock.deployment.") => {
                self.desk.look_now(&key, Hint::of(&delivery).about_the_run()).await
            }
            Ok(key) => self.desk.look_now(&key, Hint::of(&delivery)).await,
            Err(fault) => Handled::Ignored(fault.to_string()),
        }
    }
}
