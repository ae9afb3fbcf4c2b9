//! Before a change is closed as successful, its configuration item is brought to what was deployed. It is done in
//! Review: what is closed has been through it, so that a repeat undoes nothing that came later.

use interlock_events::{CmdbUpdated, DeploymentFinished, Event, EventData, FaultRaised, ItemRef};
use interlock_rules::{ChangeRow, CmdbTerms, item_fields};
use interlock_servicenow::{Class, ServiceNowError};

use crate::walk::Walk;
use crate::{Desk, NAME};

impl Desk {
    /// Updates the item where the policy says so. What cannot be done does not keep the change open: it is told, and
    /// answered as a sentence for the close notes.
    pub(crate) async fn update_item(
        &self,
        walk: &Walk<'_>,
        row: &ChangeRow,
        events: &mut Vec<Event>,
    ) -> Result<String, ServiceNowError> {
        let Some((terms, deployment)) = &walk.closing.item else { return Ok(String::new()) };
        let finished_at = row.updated;
        match self.bring_item(walk, row, item_fields(terms, deployment, &row.number, finished_at)).await? {
            Ok(updated) => {
                let said = not_taken_note(&updated);
                events.push(self.fact(&updated));
                Ok(said)
            }
            Err(reason) => {
                tracing::warn!(change.number = row.number, reason, "the configuration item is not updated");
                metrics::counter!("interlock_items_not_updated_total").increment(1);
                events.push(self.fact(&self.item_fault(walk, &reason, terms)));
                Ok(format!(" The configuration item was not updated: {reason}."))
            }
        }
    }

    /// What is refused for good is a reason; anything else comes again.
    async fn bring_item(
        &self,
        walk: &Walk<'_>,
        row: &ChangeRow,
        fields: Result<std::collections::BTreeMap<String, String>, String>,
    ) -> Result<Result<CmdbUpdated, String>, ServiceNowError> {
        let fields = match fields {
            Ok(fields) => fields,
            Err(reason) => return Ok(Err(reason)),
        };
        let Some(item) = row.cmdb_ci.clone() else {
            let reason = "the change names none: set `change.cmdb_ci` in the policy, or let us read cmdb_ci of changes";
            return Ok(Err(reason.to_owned()));
        };
        match walk.service_now.update_item(&item, &fields).await {
            Ok(updated) => {
                tracing::info!(
                    item = updated.name,
                    written = updated.written,
                    "updated a configuration item"
                );
                Ok(Ok(CmdbUpdated {
                    key: walk.key.clone(),
                    change: row.change_ref(walk.service_now.name()),
                    item: ItemRef { sys_id: item, name: updated.name, class: updated.class },
                    fields,
                    ignored_fields: updated.ignored,
                }))
            }
            Err(error) if error.class() == Class::Permanent && !error.is_not_authenticated() => {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    fn item_fault(&self, walk: &Walk<'_>, reason: &str, terms: &CmdbTerms) -> FaultRaised {
        let fields: Vec<&str> = terms.fields.keys().map(String::as_str).collect();
        let key = walk.key.hash().to_string();
        FaultRaised {
            worker: NAME.into(),
            event_id: format!("{key}:item"),
            event_type: DeploymentFinished::TYPE.into(),
            subject: Some(key),
            reason: format!("the configuration item was not updated ({}): {reason}", fields.join(", ")),
            attempts: 1,
        }
    }
}

fn not_taken_note(updated: &CmdbUpdated) -> String {
    if updated.ignored_fields.is_empty() {
        return String::new();
    }
    format!(
        " ServiceNow did not take these fields of {}: {}; let the integration user write them in {}.",
        updated.item.name,
        updated.ignored_fields.join(", "),
        updated.item.class
    )
}
