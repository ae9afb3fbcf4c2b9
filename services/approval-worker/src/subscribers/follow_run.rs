//! A run ended: its gates are looked at now. A canceled run tells nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use interlock_events::{Event, RunFinished};
use interlock_runtime::worker::{Delivery, Handled, Subscriber};

use crate::Desk;
use crate::projection::Copy;

pub(crate) struct FollowRun {
    pub desk: Arc<Desk>,
}

#[async_trait]
impl Subscriber for FollowRun {
    type Data = RunFinished;

    async fn handle(&self, delivery: Delivery<RunFinished>) -> Handled {
        let fact = &delivery.data;
        let mut events: Vec<Event> = Vec::new();
        for copy in self.desk.gates().await.iter().filter(|copy| is_of(copy, fact)) {
            let key = copy.request.deployment.key.hash();
            if let Handled::Done(found) = self.desk.look_at_run(&key, delivery.began).await {
                events.extend(found);
            }
        }
        Handled::Done(events)
    }
}

fn is_of(copy: &Copy, fact: &RunFinished) -> bool {
    let deployment = &copy.request.deployment;
    deployment.key.connection == fact.connection
        && deployment.key.project == fact.project.id
        && deployment.run.as_ref().is_some_and(|run| run.id == fact.run.id)
}
