//! A run ended: its gates are looked at now. A canceled run tells nothing else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use interlock_events::{Event, RunFinished};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::Value;

use crate::Desk;
use crate::hint::Hint;

pub(crate) struct FollowRun {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for FollowRun {
    type Data = RunFinished;

    async fn handle(&self, delivery: Delivery<RunFinished>) -> Handled {
        let fact = &delivery.data;
        let (mut events, mut is_busy): (Vec<Event>, bool) = (Vec::new(), false);
        let hint = Hint::of(&delivery).about_the_run();
        let keys = self.desk.keys_of_run(&fact.connection, &fact.project.id, &fact.run.id).await;
        for key in keys {
            match self.desk.look_now(&key, hint).await {
                Handled::Done(found) => events.extend(found),
                Handled::Watch { .. } => is_busy = true,
                _ => {}
            }
        }
        if is_busy {
            // Gates that were looked at now are looked at once more: that costs reads alone.
            return Handled::Watch { after: Duration::from_secs(1), state: Value::Null, events };
        }
        Handled::Done(events)
    }
}
