//! What the reactions to facts share: a fact is done with only when the record shows it; until then it
//! comes again, and it cannot come for ever.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_events::{Event, KeyHash};
use interlock_rules::{ChangeRow, Reading, canonical};
use interlock_runtime::worker::Handled;
use interlock_servicenow::{Lane, ServiceNow, ServiceNowError};
use serde_json::json;

use crate::Desk;
use crate::walk::{Walk, Walked, failed};

/// A fact whose change does not show or move in this time ends.
const FACT_LIFE: TimeDelta = TimeDelta::hours(24);

impl Desk {
    /// The canonical row of a key, in the instance that is named, or in any.
    pub(crate) async fn find(
        &self,
        key: &KeyHash,
        connection: Option<&str>,
    ) -> Result<Option<(&ServiceNow, ChangeRow, Reading)>, ServiceNowError> {
        let instances = self
            .service_now
            .values()
            .filter(|instance| connection.is_none_or(|name| name == instance.name()));
        for service_now in instances {
            let reading = service_now.changes_of(key, Lane::Close).await?;
            if let Some(row) = canonical(&reading.rows, key).map(|family| family.canonical.clone()) {
                return Ok(Some((service_now, row, reading)));
            }
        }
        Ok(None)
    }

    /// Takes the change towards the goal of a fact.
    pub(crate) async fn drive_fact(
        &self,
        walk: &Walk<'_>,
        row: &ChangeRow,
        first_at: DateTime<Utc>,
    ) -> Handled {
        let mut events = Vec::new();
        match self.walk(walk, row, &mut events).await {
            Ok(Walked::Reached) => Handled::Done(events),
            Ok(Walked::Waits(reason)) => self.wait(reason, first_at, events),
            Ok(Walked::Impossible(reason)) => {
                let change = Some(row.change_ref(walk.service_now.name()));
                events.push(self.fact(&interlock_events::ChangeFailed {
                    key: walk.key.clone(),
                    change,
                    reason,
                }));
                Handled::Done(events)
            }
            Err(error) => failed(&error, json!({}), events),
        }
    }

    /// Comes again, less and less often, for a day.
    pub(crate) fn wait(&self, reason: String, first_at: DateTime<Utc>, events: Vec<Event>) -> Handled {
        let age = self.context.clock.now() - first_at;
        if age > FACT_LIFE {
            return Handled::Dead { reason };
        }
        Handled::Watch { after: pause(age), state: json!({}), events }
    }

    /// There is no change of this key, yet.
    pub(crate) fn wait_for_change(&self, first_at: DateTime<Utc>) -> Handled {
        let age = self.context.clock.now() - first_at;
        if age > FACT_LIFE {
            return Handled::Ignored("there is no change of this deployment".into());
        }
        Handled::Watch { after: pause_without_change(age), state: json!({}), events: vec![] }
    }
}

/// Most deployments without a change never get one: nothing holds them.
fn pause_without_change(age: TimeDelta) -> Duration {
    Duration::from_secs(match age.num_seconds() {
        ..=19 => 5,
        20..=299 => 30,
        300..=3599 => 600,
        _ => 3600,
    })
}

fn pause(age: TimeDelta) -> Duration {
    Duration::from_secs(match age.num_seconds() {
        ..=9 => 1,
        10..=119 => 5,
        120..=1199 => 30,
        1200..=7199 => 120,
        _ => 600,
    })
}
