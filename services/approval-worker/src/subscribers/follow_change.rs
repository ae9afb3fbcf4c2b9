//! A gate's change was opened: it is looked at now, and people read at the platform what they wait for.

use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::ChangeOpened;
use interlock_runtime::worker::{Delivery, Handled, Subscriber};

use crate::Desk;
use crate::hint::Hint;

pub(crate) struct FollowChange {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for FollowChange {
    type Data = ChangeOpened;

    async fn handle(&self, delivery: Delivery<ChangeOpened>) -> Handled {
        let ChangeOpened { key, change, .. } = &delivery.data;
        if !delivery.redelivered && self.desk.has_read_change(&key.hash(), &change.sys_id).await {
            return Handled::Ignored("it was read since".into());
        }
        self.desk.look_now(&key.hash(), Hint::of(&delivery)).await
    }
}
