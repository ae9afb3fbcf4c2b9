//! ServiceNow hints that a record changed: the gate that hangs on it is looked at now.

use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::RecordChanged;
use interlock_runtime::worker::{Delivery, Handled, Subscriber};

use crate::Desk;
use crate::hint::Hint;

/// Approver rows: a group of ten that is asked writes ten of them.
const APPROVALS: &str = "sysapproval_approver";
/// Their states before anybody has decided (ServiceNow docs, "Approvals").
const UNDECIDED: [&str; 2] = ["requested", "not requested"];

pub(crate) struct FollowRecord {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for FollowRecord {
    type Data = RecordChanged;

    async fn handle(&self, delivery: Delivery<RecordChanged>) -> Handled {
        let hint = &delivery.data;
        if hint.table == APPROVALS && hint.state.as_deref().is_some_and(|state| UNDECIDED.contains(&state)) {
            return Handled::Ignored("nobody has decided yet".into());
        }
        let key = match &hint.key_hash {
            Some(key) => Some(key.clone()),
            None => self.desk.key_of_change(&hint.change_sys_id).await,
        };
        match key {
            Some(key) if !delivery.redelivered && self.desk.has_read(&key, hint).await => {
                Handled::Ignored("it was read since".into())
            }
            Some(key) => self.desk.look_now(&key, Hint::of(&delivery)).await,
            None => Handled::Ignored("no open gate hangs on this record".into()),
        }
    }
}
