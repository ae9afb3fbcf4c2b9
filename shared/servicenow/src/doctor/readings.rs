//! What was heard, before anybody concludes from it.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::{Map, Value};

use crate::row::text;
use crate::settings::{Settings, StateMap};

/// What a question brought.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// It was not asked, for this reason.
    NotAsked(String),
    /// An answer of the API.
    Rows(Rows),
    /// The API says no.
    Refused { status: StatusCode, said: String },
    /// The API does not know us.
    Unauthorized { second_factor: bool },
    /// A page for people, or the way to one.
    Page { status: StatusCode, title: String },
    /// No answer, or none that can be read.
    Silent(String),
    /// No connection.
    Unsent(String),
}

/// Records, and how many there are, whether or not we may see them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) rows: Vec<Map<String, Value>>,
    pub(super) total: Option<u64>,
}

/// What a list shows of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sight<'a> {
    /// Some rows.
    Some(&'a [Map<String, Value>]),
    /// There are rows, and none is shown.
    Hidden,
    /// There is none.
    Nothing,
    /// The API says no.
    Refused(&'a str),
    /// It cannot be told.
    Unknown(String),
}

impl Heard {
    pub(super) fn sight(&self) -> Sight<'_> {
        match self {
            Self::Rows(Rows { rows, .. }) if !rows.is_empty() => Sight::Some(rows),
            // Counted before access controls take rows away.
            Self::Rows(Rows { total: Some(1..), .. }) => Sight::Hidden,
            Self::Rows(_) => Sight::Nothing,
            Self::Refused { said, .. } => Sight::Refused(said),
            Self::NotAsked(reason) | Self::Silent(reason) | Self::Unsent(reason) => {
                Sight::Unknown(reason.clone())
            }
            Self::Unauthorized { .. } => Sight::Unknown("the credentials are refused".to_owned()),
            Self::Page { status, .. } => {
                Sight::Unknown(format!("a page came instead of an answer ({status})"))
            }
        }
    }

    pub(super) fn rows(&self) -> &[Map<String, Value>] {
        match self {
            Self::Rows(rows) => &rows.rows,
            _ => &[],
        }
    }

    /// The first record's fields.
    pub(super) fn first(&self) -> Option<&Map<String, Value>> {
        self.rows().first()
    }
}

/// A field as text; absent ones are empty.
pub(super) fn field(row: &Map<String, Value>, name: &str) -> String {
    row.get(name).map(text).unwrap_or_default()
}

/// A field as the user sees it.
pub(super) fn shown(row: &Map<String, Value>, name: &str) -> String {
    row.get(name).and_then(|pair| pair.get("display_value")).map(text).unwrap_or_default()
}

/// How the instance behaves on the whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Habits {
    /// Seconds by which it is ahead of us.
    pub(super) skew_seconds: Option<i64>,
    /// What a rate-limit rule allows.
    pub(super) calls_an_hour: Option<u64>,
    /// A call was refused for its number.
    pub(super) throttled: Option<Throttle>,
}

/// Why a call was refused for its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Throttle {
    /// By a rate-limit rule; else all threads of a node are busy.
    pub(super) by_a_rule: bool,
}

/// What the policies want of an instance.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The policies whose changes this connection gets, in order.
    pub policies: Vec<PolicyWishes>,
}

/// What one policy wants.
#[derive(Debug, Clone, Default)]
pub struct PolicyWishes {
    /// Its name.
    pub name: String,
    /// Assignment group, by name or sys_id.
    pub group: Option<String>,
    /// Configuration item, by name or sys_id.
    pub item: Option<String>,
    /// Template of a standard change, by name or sys_id.
    pub template: Option<String>,
    /// Further fields that it fills; the value where it is the same for every deployment.
    pub fields: BTreeMap<String, Option<String>>,
    /// Close codes that it writes.
    pub close_codes: BTreeSet<String>,
    /// Type of its changes, as it is stored.
    pub change_type: String,
}

impl PolicyWishes {
    /// Every value that it writes into a field, where that is known.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter().filter_map(|(field, value)| Some((&**field, value.as_deref()?)));
        let codes = self.close_codes.iter().map(|code| ("close_code", &**code));
        let kind = [("type", &*self.change_type)].into_iter().filter(|(_, kind)| !kind.is_empty());
        fields.chain(codes).chain(kind)
    }

    pub(super) fn fills(&self, field: &str) -> bool {
        ALWAYS_FILLED.contains(&field)
            || self.fields.contains_key(field)
            || (field == "assignment_group" && self.group.is_some())
            || (field == "cmdb_ci" && self.item.is_some())
    }
}

/// What each change of ours gets, the last two when it is closed.
const ALWAYS_FILLED: [&str; 8] = [
    "short_description",
    "description",
    "correlation_id",
    "correlation_display",
    "type",
    "state",
    "close_code",
    "close_notes",
];

/// Everything that was heard of one connection, once it had let us in.
#[derive(Debug)]
pub(super) struct Readings {
    pub(super) states: StateMap,
    pub(super) has_webhook: bool,
    pub(super) user: Heard,
    pub(super) roles: Heard,
    pub(super) changes: Heard,
    pub(super) change_api: Heard,
    pub(super) approvers: Heard,
    /// Changes that wait for an approval or have it, and approver rows of theirs.
    pub(super) waiting: Heard,
    pub(super) approvers_of_waiting: Heard,
    pub(super) journal: Heard,
    pub(super) dictionary: Heard,
    pub(super) data_policies: Heard,
    pub(super) data_policy_rules: Heard,
    pub(super) choices: Heard,
    pub(super) groups: BTreeMap<String, Heard>,
    pub(super) items: BTreeMap<String, Heard>,
    pub(super) templates: BTreeMap<String, Heard>,
    pub(super) any_script: Heard,
    pub(super) scripts: Heard,
}

impl Readings {
    /// Nothing but who we are.
    pub(super) fn unasked(settings: &Settings, user: Heard) -> Self {
        let unasked = || Heard::NotAsked("it was not asked for".to_owned());
        Self {
            states: settings.state_map.clone(),
            has_webhook: settings.webhook.is_some(),
            user,
            roles: unasked(),
            changes: unasked(),
            change_api: unasked(),
            approvers: unasked(),
            waiting: unasked(),
            approvers_of_waiting: unasked(),
            journal: unasked(),
            dictionary: unasked(),
            data_policies: unasked(),
            data_policy_rules: unasked(),
            choices: unasked(),
            groups: BTreeMap::new(),
            items: BTreeMap::new(),
            templates: BTreeMap::new(),
            any_script: unasked(),
            scripts: unasked(),
        }
    }
}
