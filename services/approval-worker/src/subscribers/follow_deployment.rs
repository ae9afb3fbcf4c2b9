//! A deployment began or ended at the platform: its gate's run is read now, not at its next tick.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::{EventData, KeyHash};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};

use crate::Desk;
use crate::hint::Hint;

/// A fact whose subject is a deployment's key.
pub(crate) struct FollowDeployment<T> {
    desk: Arc<Desk>,
    fact: PhantomData<fn() -> T>,
}

impl<T> FollowDeployment<T> {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, fact: PhantomData }
    }
}

#[async_trait]
impl<T: EventData> Subscriber for FollowDeployment<T> {
    type Data = T;

    async fn handle(&self, delivery: Delivery<T>) -> Handled {
        match delivery.data.subject().parse::<KeyHash>() {
            Ok(key) => self.desk.look_now(&key, Hint::of(&delivery).about_the_run()).await,
            Err(fault) => Handled::Ignored(fault.to_string()),
        }
    }
}
