//! The gate was released: the change goes to Implement.

use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::GateReleased;
use interlock_rules::Goal;
use interlock_runtime::worker::{Delivery, Handled, Subscriber};
use serde_json::json;

use crate::Desk;
use crate::walk::{Closing, Walk, failed};

pub(crate) struct ImplementChange {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for ImplementChange {
    type Data = GateReleased;

    async fn handle(&self, delivery: Delivery<GateReleased>) -> Handled {
        let fact = &delivery.data;
        // The one that permitted, whichever is canonical by now, and under whosever key it stands.
        match self.desk.find_named(&fact.change).await {
            Ok(Some((service_now, row))) => {
                let goal = Goal::Implement;
                let walk = Walk {
                    service_now,
                    key: &fact.key,
                    goal,
                    reason: "",
                    closing: Closing::default(),
                    note: "",
                };
                self.desk.drive_fact(&walk, &row, delivery.first_at).await
            }
            Ok(None) => self.desk.wait_for_change(delivery.first_at),
            Err(error) => failed(&error, json!({}), vec![]),
        }
    }
}
