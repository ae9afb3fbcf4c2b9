//! The test change: opened, read back, written to, and canceled whatever came in between.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use http::Method;
use interlock_rules::ChangeState;
use interlock_runtime::ports::clock::Clock;
use serde_json::{Map, Value};

use super::ask::{Asker, Body};
use super::questions;
use super::readings::{Heard, Wishes, field};
use crate::query::{self, Address};
use crate::row::TIME;
use crate::settings::{CreateStrategy, Settings};

/// Not the name that our changes bear: no worker follows a test.
const DISPLAY: &str = "Interlock doctor";
const TITLE: &str = "Interlock doctor: a test that cancels itself, please ignore";
const TEXT: &str = "interlock doctor --write opened this change to see what the integration user may do. It is \
                    canceled within seconds. If it still stands, cancel it by hand.";
const FILE: &str = "Attached by interlock doctor --write, a test.\n";
const NOTE: &str = "interlock doctor: a note to be read back";
/// What our own ids may need.
pub(super) const CORRELATION_CHARS: usize = 100;
/// Far enough that nobody plans around it.
const DAYS_AHEAD: i64 = 30;
/// How often what may have happened, or must happen, is asked for.
const ROUNDS: usize = 3;
const PAUSE: Duration = Duration::from_secs(2);

/// What became of the test change.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) correlation_id: String,
    /// What was sent to create it.
    pub(super) sent: Map<String, Value>,
    pub(super) created: Heard,
    /// The record, as the answer showed it or as it was found afterwards.
    pub(super) record: Option<Map<String, Value>>,
    /// It was read again by the id that it should be found by, and by its sys_id.
    pub(super) found: Heard,
    /// What was sent to update it.
    pub(super) update: Map<String, Value>,
    pub(super) updated: Heard,
    pub(super) journal: Heard,
    pub(super) next: Heard,
    pub(super) attached: Heard,
    /// It shows that it is canceled; else what was said.
    pub(super) canceled: Result<(), String>,
}

fn unasked() -> Heard {
    Heard::NotAsked("there is no test change".to_owned())
}

/// Opens it, looks at it, and cancels it.
pub(super) async fn write(
    asker: &mut Asker,
    clock: &dyn Clock,
    wishes: &Wishes,
    ids: BTreeMap<&'static str, String>,
    settings: &Settings,
) -> Written {
    let mut correlation_id = format!("interlock-doctor.{}.", clock.tag());
    correlation_id.push_str(&"x".repeat(CORRELATION_CHARS.saturating_sub(correlation_id.len())));
    let mut sent = body(wishes, ids, &correlation_id);
    if settings.create == CreateStrategy::ChosenId {
        sent.insert("sys_id".to_owned(), format!("{}{}", clock.tag(), clock.tag()).into());
    }
    let address = Address::new("/api/sn_chg_rest/change/normal");
    let created = asker.send(&Method::POST, &address, Some(Body::json(&sent))).await;
    let found = look_up(asker, &correlation_id, &created).await;
    let record = created.first().or(found.first()).cloned();
    let mut written = Written {
        correlation_id,
        sent,
        created,
        record,
        found,
        update: update(clock),
        updated: unasked(),
        journal: unasked(),
        next: unasked(),
        attached: unasked(),
        canceled: Ok(()),
    };
    let id = written.record.as_ref().map(|record| field(record, "sys_id"));
    let Some(id) = id.filter(|id| query::is_sys_id(id)) else { return written };
    let change = Address::new(&format!("/api/sn_chg_rest/change/{id}"));
    written.updated = asker.send(&Method::PATCH, &change, Some(Body::json(&written.update))).await;
    written.journal = asker.send(&Method::GET, &questions::journal_of(&id), None).await;
    let next = Address::new(&format!("/api/sn_chg_rest/change/{id}/nextstates"));
    written.next = asker.send(&Method::GET, &next, None).await;
    let file = Address::new("/api/now/attachment/file")
        .with("table_name", "change_request")
        .with("table_sys_id", &id)
        .with("file_name", "interlock-doctor.txt");
    written.attached = asker.send(&Method::POST, &file, Some(Body::text(FILE))).await;
    written.canceled = cancel(asker, &id, &change, settings).await;
    written
}

/// As the first policy would open it, where its texts are the same for every deployment.
fn body(wishes: &Wishes, ids: BTreeMap<&'static str, String>, correlation_id: &str) -> Map<String, Value> {
    let mut body = Map::new();
    for (field, value) in wishes.policies.first().into_iter().flat_map(|policy| &policy.fields) {
        if let Some(value) = value.as_deref().filter(|_| !["state", "sys_id"].contains(&&**field)) {
            body.insert(field.clone(), value.into());
        }
    }
    body.extend(ids.into_iter().map(|(field, id)| (field.to_owned(), id.into())));
    for (field, value) in [
        ("short_description", TITLE),
        ("description", TEXT),
        ("correlation_id", correlation_id),
        ("correlation_display", DISPLAY),
    ] {
        body.insert(field.to_owned(), value.into());
    }
    body
}

fn update(clock: &dyn Clock) -> Map<String, Value> {
    let start = clock.now() + TimeDelta::days(DAYS_AHEAD);
    let end = start + TimeDelta::hours(1);
    [
        ("start_date", start.format(TIME).to_string()),
        ("end_date", end.format(TIME).to_string()),
        ("work_notes", NOTE.to_owned()),
    ]
    .into_iter()
    .map(|(field, value)| (field.to_owned(), value.into()))
    .collect()
}

/// Whether it is found by its correlation id. A create is never sent again: where its outcome is not known, it is
/// looked for some seconds.
async fn look_up(asker: &mut Asker, correlation_id: &str, created: &Heard) -> Heard {
    // With an answer in hand, whatever it says, there is nothing more to wait for.
    let answered = matches!(created, Heard::Rows(_) | Heard::Refused { .. });
    let query = format!("correlation_id={correlation_id}");
    let fields = "sys_id,number,state,correlation_id,correlation_display";
    let address = Address::counted("change_request", &query, fields, 2);
    let mut found = unasked();
    for round in 0..if answered { 1 } else { ROUNDS } {
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        found = own(asker.send(&Method::GET, &address, None).await, correlation_id);
        if !found.rows().is_empty() {
            break;
        }
    }
    found
}

/// An instance leaves out what it does not understand of a query, so that others' rows may come.
fn own(heard: Heard, correlation_id: &str) -> Heard {
    match heard {
        Heard::Rows(mut rows) => {
            rows.rows.retain(|row| field(row, "correlation_id") == correlation_id);
            Heard::Rows(rows)
        }
        other => other,
    }
}

/// A repeat does no harm here: what is canceled stays so.
async fn cancel(asker: &mut Asker, id: &str, change: &Address, settings: &Settings) -> Result<(), String> {
    let canceled = settings.state_map.number(ChangeState::Canceled).to_string();
    let body: Map<String, Value> = [("state", &*canceled), ("work_notes", TEXT), ("close_notes", TEXT)]
        .into_iter()
        .map(|(field, value)| (field.to_owned(), value.into()))
        .collect();
    let mut said = String::new();
    for round in 0..ROUNDS {
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let answer = asker.send(&Method::PATCH, change, Some(Body::json(&body))).await;
        let shown = asker.send(&Method::GET, &state_of(id), None).await;
        let shows = |heard: &Heard| heard.first().is_some_and(|row| field(row, "state") == canceled);
        if shows(&shown) || (shows(&answer) && shown.first().is_none()) {
            return Ok(());
        }
        said = match answer {
            Heard::Refused { said, .. } => return Err(said),
            Heard::Rows(_) => "the answer shows another state".to_owned(),
            other => super::judge::why(&other),
        };
    }
    Err(said)
}

fn state_of(id: &str) -> Address {
    Address::counted("change_request", &format!("sys_id={id}"), "sys_id,state", 1)
}
