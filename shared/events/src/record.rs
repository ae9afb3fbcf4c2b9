//! A hint of ServiceNow that one of its records changed. Never a fact: the record is read before it counts.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EventData, KeyHash};

/// ServiceNow says that a record changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordChanged {
    /// Name of the ServiceNow connection.
    pub connection: String,
    /// The table of the record.
    pub table: String,
    /// The record's id.
    pub sys_id: String,
    /// `sys_mod_count`, the record's own counter of updates.
    pub mod_count: String,
    /// The change that an approver row belongs to; the record itself where it is a change.
    pub change_sys_id: String,
    /// The deployment key in its correlation id, where the hint carried one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<KeyHash>,
    /// The record's state, as the hint says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `sys_updated_on`, by the instance's clock, where the hint carried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<DateTime<Utc>>,
}

impl EventData for RecordChanged {
    const TYPE: &'static str = "io.interlock.record.changed.v1";
    fn subject(&self) -> String {
        format!("{}:{}:{}", self.connection, self.table, self.sys_id)
    }
    fn discriminator(&self) -> String {
        self.mod_count.clone()
    }
}
