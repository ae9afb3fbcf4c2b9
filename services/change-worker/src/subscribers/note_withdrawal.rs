//! An approval was withdrawn after the release: the record says so, for those who look there.

use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::ApprovalWithdrawn;
use interlock_rules::WITHDRAWN_MARK;
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::json;

use crate::Desk;
use crate::walk::failed;

pub(crate) struct NoteWithdrawal {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for NoteWithdrawal {
    type Data = ApprovalWithdrawn;

    async fn handle(&self, delivery: Delivery<ApprovalWithdrawn>) -> Handled {
        let fact = &delivery.data;
        let Some(service_now) = self.desk.service_now.get(&fact.change.connection) else {
            return Handled::Dead {
                reason: format!("the connection `{}` is not configured", fact.change.connection),
            };
        };
        let run = if fact.run_canceled { "The run was canceled." } else { "The deployment was not stopped." };
        let text = format!("Interlock released this deployment before: {}. {run}", fact.reason);
        match service_now.note(&fact.change.sys_id, WITHDRAWN_MARK, &text).await {
            Ok(_) => Handled::Done(vec![]),
            Err(error) => failed(&error, json!({}), vec![]),
        }
    }
}
