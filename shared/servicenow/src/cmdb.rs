//! The configuration item of a change: its fields are written through the Table API, and the answer shows what stands.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::budget::Lane;
use crate::client::{Body, Call, ServiceNow};
use crate::error::{Fault, ServiceNowError, What};
use crate::query::{self, Address};
use crate::row::Row;
use crate::write::not_taken;

const ITEMS: &str = "cmdb_ci";

/// An item as it stands after an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdatedItem {
    /// Its name.
    pub name: String,
    /// Its class, which is the table that it stands in.
    pub class: String,
    /// Fields that the instance did not take as they were sent.
    pub ignored: Vec<String>,
    /// It had to be written; else it stood so already.
    pub written: bool,
}

impl ServiceNow {
    /// Brings fields of an item to what they should be; one that has them is left alone.
    ///
    /// # Errors
    /// [`ServiceNowError`]; after an unknown outcome call again, which reads first.
    pub async fn update_item(
        &self,
        sys_id: &str,
        fields: &BTreeMap<String, String>,
    ) -> Result<UpdatedItem, ServiceNowError> {
        let sys_id = query::sys_id(sys_id).map_err(|fault| self.error(What::UpdateItem, fault))?;
        let sent: Map<String, Value> =
            fields.iter().map(|(field, text)| (field.clone(), Value::from(text.as_str()))).collect();
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        let read = Address::new(&format!("/api/now/table/{ITEMS}/{sys_id}"))
            .with("sysparm_fields", &format!("sys_id,name,sys_class_name,{}", names.join(",")))
            .with("sysparm_exclude_reference_link", "true");
        let answer = self.get(What::ReadItem, Lane::Close, read).await.map_err(hidden)?;
        let gone = || self.error(What::ReadItem, Fault::Unavailable("no record".into()));
        let row = Row::single(&answer.result).ok_or_else(gone)?;
        let class = row.text("sys_class_name").filter(|class| is_table(class));
        let class = class.unwrap_or_else(|| ITEMS.to_owned());
        let name = row.text("name").unwrap_or_default();
        // A field of its class alone is not shown here, and so is written: to what it is, which changes nothing.
        if not_taken(&row, &sent).is_empty() {
            return Ok(UpdatedItem { name, class, ignored: Vec::new(), written: false });
        }
        let ignored = self.write_item(sys_id, &class, &sent).await?;
        Ok(UpdatedItem { name, class, ignored, written: true })
    }

    /// The table of a class takes fields that its parents do not have.
    async fn write_item(
        &self,
        sys_id: &str,
        class: &str,
        sent: &Map<String, Value>,
    ) -> Result<Vec<String>, ServiceNowError> {
        let address = Address::new(&format!("/api/now/table/{class}/{sys_id}"))
            .with("sysparm_exclude_reference_link", "true");
        let call = Call {
            what: What::UpdateItem,
            lane: Lane::Close,
            method: Method::PATCH,
            address,
            body: Some(Body::Json(Value::Object(sent.clone()))),
        };
        let answer = self.call(call).await?;
        let unknown = || self.error(What::UpdateItem, Fault::Unknown("the answer holds no record".into()));
        let echo = Row::single(&answer.result).ok_or_else(unknown)?;
        Ok(not_taken(&echo, sent))
    }
}

/// A name that the instance gave goes into an address only if it is one.
fn is_table(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn hidden(error: ServiceNowError) -> ServiceNowError {
    match &error.fault {
        Fault::Refused { status, message } if *status == StatusCode::NOT_FOUND => {
            let text = format!(
                "the instance shows us no such configuration item ({message}): correct it in the change, or let the \
                 integration user read cmdb_ci"
            );
            ServiceNowError { fault: Fault::Hidden(text), ..error }
        }
        _ => error,
    }
}
