//! A `sys_id` that we choose: what the instance takes is unique by its primary key, so that a create that commits
//! late cannot stand beside another. ServiceNow's own Python client relies on it (PySNC, `test_snc_api_write.py`);
//! an access control may strip the field, and how a second insert is refused is written nowhere.

use interlock_events::CORRELATION_DISPLAY;
use serde_json::{Map, Value};

use crate::budget::Lane;
use crate::client::{Answer, ServiceNow};
use crate::error::{Class, Fault, ServiceNowError, What};
use crate::query::Address;
use crate::row::Row;
use crate::settings::CreateStrategy;
use crate::write::{NewChange, NewKind};

/// What stands under the id of a create that did not go well.
enum Holder {
    /// Nothing, or nobody can tell: what the instance answered stands.
    Unseen,
    /// Our change: this create, or one before it.
    Ours(String),
    /// A change that was given to another deployment, or that is not ours.
    Another(String),
}

impl ServiceNow {
    /// The id to be sent with a create. A standard change is made by its template, which takes none.
    pub(crate) fn chosen_id<'c>(&self, change: &'c NewChange) -> Option<&'c str> {
        let chooses = self.shared.settings.create == CreateStrategy::ChosenId;
        let takes_one = !matches!(change.kind, NewKind::Standard { .. });
        change.sys_id.as_deref().filter(|_| chooses && takes_one)
    }

    /// Sends a create with its id. Where it does not go well, the id says whether the change stands: an instance
    /// may refuse a second one with any status, and one that it has carried out too.
    pub(crate) async fn post_chosen(
        &self,
        path: &str,
        sent: &mut Map<String, Value>,
        sys_id: &str,
        change: &NewChange,
    ) -> Result<Answer, ServiceNowError> {
        sent.insert("sys_id".into(), sys_id.into());
        let error = match self.post(path, sent).await {
            Err(error) if matches!(error.class(), Class::Permanent | Class::UnknownOutcome) => error,
            answered => return answered,
        };
        match self.holder(sys_id, change).await {
            Holder::Unseen => Err(error),
            // Whatever was answered, the look-up that follows finds it.
            Holder::Ours(number) => {
                let text = format!("{number} has the sys_id that was chosen for it already");
                Err(self.error(What::Create, Fault::Unknown(text)))
            }
            // With this id nothing can have been created, so that one without may follow at once.
            Holder::Another(number) => {
                tracing::warn!(number, sys_id, "the chosen sys_id is another deployment's");
                sent.remove("sys_id");
                self.post(path, sent).await
            }
        }
    }

    async fn holder(&self, sys_id: &str, change: &NewChange) -> Holder {
        let address = Address::new(&format!("/api/now/table/change_request/{sys_id}"))
            .with("sysparm_fields", "number,correlation_id,correlation_display");
        let Ok(answer) = self.get(What::LookUp, Lane::Gate, address).await else { return Holder::Unseen };
        let Some(row) = Row::single(&answer.result) else { return Holder::Unseen };
        let text = |field: &str| row.text(field).unwrap_or_default();
        let is_ours = text("correlation_display") == CORRELATION_DISPLAY
            && text("correlation_id") == change.correlation_id.as_str();
        if is_ours { Holder::Ours(text("number")) } else { Holder::Another(text("number")) }
    }
}
