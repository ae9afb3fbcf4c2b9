//! Facts about changes. Only change-worker states them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DeploymentKey, EventData, Outcome};

/// A change request in ServiceNow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeRef {
    /// Name of the ServiceNow connection.
    pub connection: String,
    /// The number that people use (`CHG0030001`).
    pub number: String,
    /// The record's id.
    pub sys_id: String,
}

/// Implements `EventData` for a fact about one change of one deployment.
macro_rules! fact_of_a_change {
    ($fact:ident, $ty:literal, |$this:ident| $discriminator:expr) => {
        impl EventData for $fact {
            const TYPE: &'static str = $ty;
            fn subject(&self) -> String {
                self.key.hash().to_string()
            }
            fn discriminator(&self) -> String {
                let $this = self;
                $discriminator
            }
            fn partition(&self) -> Option<String> {
                Some(format!("{}:{}", self.key.connection, self.key.project))
            }
        }
    };
}
pub(crate) use fact_of_a_change;

/// A change exists for the deployment and waits for its approvals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeOpened {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change.
    pub change: ChangeRef,
    /// The policy that asked for it.
    pub policy: String,
    /// The change stood already when it was looked for; nothing was created.
    #[serde(default)]
    pub found: bool,
    /// The occurrence under whose key it stands, where this one shares the gate of another (a matrix).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<String>,
    /// The change of the failed deployment that this one takes back: its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<ChangeRef>,
    /// Fields of the policy that the instance did not take as they were sent; empty when all were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored_fields: Vec<String>,
}
fact_of_a_change!(ChangeOpened, "io.interlock.change.opened.v1", |fact| fact.change.sys_id.clone());

/// The time that a change is planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Planned {
    /// Planned start.
    pub start: DateTime<Utc>,
    /// Planned end.
    pub end: DateTime<Utc>,
}

/// We moved the change to another state, or to other planned dates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeUpdated {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change.
    pub change: ChangeRef,
    /// The state that was reached, by its number.
    pub state: i32,
    /// The time that it is planned for now, where that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Planned>,
    /// What the instance did not take over from us; empty when all was taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored_fields: Vec<String>,
}
fact_of_a_change!(ChangeUpdated, "io.interlock.change.updated.v1", |fact| {
    let planned = fact.planned.as_ref().map(|planned| format!(" {}", planned.start.timestamp()));
    format!("{} {}{}", fact.change.sys_id, fact.state, planned.unwrap_or_default())
});

/// The change is closed with the deployment's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeClosed {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change.
    pub change: ChangeRef,
    /// How the deployment ended.
    pub outcome: Outcome,
    /// Close code as the instance has it (`successful`).
    pub close_code: String,
}
fact_of_a_change!(ChangeClosed, "io.interlock.change.closed.v1", |fact| fact.change.sys_id.clone());

/// The change was canceled: its deployment does not happen, or another change covers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeCanceled {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change.
    pub change: ChangeRef,
    /// Why.
    pub reason: String,
}
fact_of_a_change!(ChangeCanceled, "io.interlock.change.canceled.v1", |fact| fact.change.sys_id.clone());

/// A configuration item in ServiceNow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemRef {
    /// The record's id.
    pub sys_id: String,
    /// Its name.
    pub name: String,
    /// Its class (`cmdb_ci_appl`).
    pub class: String,
}

/// The configuration item of the change says what was deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CmdbUpdated {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change.
    pub change: ChangeRef,
    /// The item that the change names.
    pub item: ItemRef,
    /// What was written, by field.
    pub fields: BTreeMap<String, String>,
    /// Fields that the instance did not take as they were sent; empty when all were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored_fields: Vec<String>,
}
fact_of_a_change!(CmdbUpdated, "io.interlock.cmdb.updated.v1", |fact| format!(
    "{} {}",
    fact.change.sys_id, fact.item.sys_id
));

/// The change cannot be opened or moved; people must look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeFailed {
    /// The occurrence.
    pub key: DeploymentKey,
    /// The change, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeRef>,
    /// What was refused, by whom, and how to cure it.
    pub reason: String,
}
fact_of_a_change!(ChangeFailed, "io.interlock.change.failed.v1", |fact| fact.reason.clone());
