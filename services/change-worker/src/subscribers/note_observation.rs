//! A gate was released without a permit, because its policy only observes: the record says so.

use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::GateObserved;
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use interlock_servicenow::Class;
use serde_json::json;

use crate::Desk;
use crate::walk::failed;

/// Stands in the note.
const OBSERVED_MARK: &str = "[interlock:observed]";

pub(crate) struct NoteObservation {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for NoteObservation {
    type Data = GateObserved;

    async fn handle(&self, delivery: Delivery<GateObserved>) -> Handled {
        let fact = &delivery.data;
        let found = match self.desk.find(&fact.key).await {
            Ok(Some(found)) => found,
            Ok(None) => return self.desk.wait_for_change(delivery.first_at),
            Err(error) => return failed(&error, json!({}), vec![]),
        };
        let text = format!(
            "This deployment was released without a permit, because the policy `{}` only observes. Otherwise: {}.",
            fact.policy,
            fact.instead_of.trim_end_matches('.')
        );
        match found.service_now.note(&found.row.sys_id, OBSERVED_MARK, &text).await {
            Ok(_) => Handled::Done(vec![]),
            // Some instances take no notes once a change is closed.
            Err(error) if error.class() == Class::Permanent && !found.row.is_live() => {
                Handled::Ignored(format!("{} takes no note any more: {error}", found.row.number))
            }
            Err(error) => failed(&error, json!({}), vec![]),
        }
    }
}
