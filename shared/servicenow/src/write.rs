//! Writing changes: creating and moving through the Change Management API, each as one request that is
//! sent once, and whose echo is compared with what was asked for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use interlock_events::{CORRELATION_DISPLAY, CorrelationId};
use interlock_rules::{CANCELED_MARK, ChangeRow, ChangeState, OWNED_BY_TEMPLATE};
use serde_json::{Map, Value};

use crate::budget::Lane;
use crate::client::{Answer, Body, Call, ServiceNow};
use crate::error::{Fault, ServiceNowError, What};
use crate::names::Named;
use crate::query::{self, Address};
use crate::row::{self, Row, TIME};

/// Which change is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewKind {
    /// Assessed, then authorized.
    Normal,
    /// Authorized at once.
    Emergency,
    /// Approved beforehand, by a template.
    Standard {
        /// The template, by name or sys_id.
        template: String,
    },
}

/// A change to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChange {
    /// Which.
    pub kind: NewKind,
    /// The `sys_id` that it gets where the connection chooses one: 32 hexadecimal digits.
    pub sys_id: Option<String>,
    /// What it is found by.
    pub correlation_id: CorrelationId,
    /// One line; the instance keeps 160 characters.
    pub short_description: String,
    /// For people. A standard change has its template's: this one goes into its work notes.
    pub description: String,
    /// Group that assesses it, by name or sys_id.
    pub assignment_group: Option<String>,
    /// Configuration item, by name or sys_id.
    pub cmdb_ci: Option<String>,
    /// `sys_id` of the change that it is linked to.
    pub parent: Option<String>,
    /// Planned start.
    pub start: Option<DateTime<Utc>>,
    /// Planned end.
    pub end: Option<DateTime<Utc>>,
    /// Further fields as they are stored. They do not override those above; `state`, `sys_id` and
    /// correlation fields are left out.
    pub fields: BTreeMap<String, String>,
}

/// A change that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The record, by the instance's own answer; its approvals are not in it.
    pub row: ChangeRow,
    /// Fields that the instance did not take as they were sent.
    pub ignored: Vec<String>,
}

/// Never taken from a policy's fields: a change starts in New, is ours by its correlation, and of the type and
/// template that the policy names elsewhere.
const OURS_ALONE: [&str; 6] =
    ["state", "sys_id", "correlation_id", "correlation_display", "type", "std_change_producer_version"];
/// An entry of these is not in the record's own fields.
const JOURNALS: [&str; 2] = ["work_notes", "comments"];

impl ServiceNow {
    /// Creates a change in New, each type by its own path. Sent once, never again: after
    /// [`crate::Class::UnknownOutcome`] look it up by its key.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn create(&self, change: &NewChange) -> Result<Created, ServiceNowError> {
        let path = match &change.kind {
            NewKind::Normal => "normal".to_owned(),
            NewKind::Emergency => "emergency".to_owned(),
            NewKind::Standard { template } => format!("standard/{}", self.template_id(template).await?),
        };
        let mut sent = self.body_of(change).await?;
        let answer = match self.chosen_id(change) {
            Some(sys_id) => self.post_chosen(&path, &mut sent, sys_id, change).await,
            None => self.post(&path, &sent).await,
        };
        let answer = answer.map_err(|error| no_such_template(error, &change.kind))?;
        let echo = Row::single(&answer.result);
        let (row, ignored) = self.echoed(What::Create, echo, &sent)?;
        let is_ours = row.correlation_display == CORRELATION_DISPLAY;
        if !is_ours || row.correlation_id != change.correlation_id.as_str() {
            return Err(self.disown(&row).await);
        }
        Ok(Created { row, ignored })
    }

    /// Sends a create, once.
    pub(crate) async fn post(
        &self,
        path: &str,
        sent: &Map<String, Value>,
    ) -> Result<Answer, ServiceNowError> {
        let call = Call {
            what: What::Create,
            lane: Lane::Gate,
            method: Method::POST,
            address: Address::new(&format!("/api/sn_chg_rest/change/{path}")),
            body: Some(Body::Json(Value::Object(sent.clone()))),
        };
        self.call(call).await
    }

    /// Which fields of a change that stands are not as a create would have sent them, entries of journals aside.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn not_taken(&self, sys_id: &str, change: &NewChange) -> Result<Vec<String>, ServiceNowError> {
        let sys_id = query::sys_id(sys_id).map_err(|fault| self.error(What::Poll, fault))?;
        let wanted = self.body_of(change).await?;
        let address = Address::new(&format!("/api/sn_chg_rest/change/{sys_id}"));
        let answer = self.get(What::Poll, Lane::Gate, address).await?;
        let shown = Row::single(&answer.result);
        let shown = shown.ok_or_else(|| self.error(What::Poll, Fault::Unavailable("no record".into())))?;
        Ok(not_taken(&shown, &wanted))
    }

    /// Moves a change to `state`, with further fields (`work_notes`, `work_start`) in the same write.
    ///
    /// # Errors
    /// [`ServiceNowError`]; a refusal says which condition is missing, where the instance tells.
    pub async fn move_to(
        &self,
        sys_id: &str,
        state: ChangeState,
        fields: &BTreeMap<String, String>,
    ) -> Result<ChangeRow, ServiceNowError> {
        // Until it is approved a pipeline waits for it.
        let lane = if state < ChangeState::Implement { Lane::Gate } else { Lane::Close };
        self.step(What::Move, lane, sys_id, state, fields).await
    }

    /// Closes a change in Review: state, code and notes in one write.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn close(
        &self,
        sys_id: &str,
        close_code: &str,
        close_notes: &str,
    ) -> Result<ChangeRow, ServiceNowError> {
        let fields = fields([("close_code", close_code), ("close_notes", close_notes)]);
        self.step(What::Close, Lane::Close, sys_id, ChangeState::Closed, &fields).await
    }

    /// Cancels a change; the note stands in work notes and, with [`CANCELED_MARK`], in close notes.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn cancel(&self, sys_id: &str, note: &str) -> Result<ChangeRow, ServiceNowError> {
        let marked =
            if note.contains(CANCELED_MARK) { note.to_owned() } else { format!("{note}\n{CANCELED_MARK}") };
        let fields = fields([("work_notes", note), ("close_notes", &marked)]);
        self.step(What::Cancel, Lane::Close, sys_id, ChangeState::Canceled, &fields).await
    }

    /// A change that does not keep our correlation id is never found again, and each repeat would add
    /// another: it is canceled while its id is at hand.
    async fn disown(&self, row: &ChangeRow) -> ServiceNowError {
        let note = "Canceled: this change was created without its correlation id and cannot be followed.";
        let fate = match self.cancel(&row.sys_id, note).await {
            Ok(_) => "it was canceled".to_owned(),
            Err(error) => format!("cancel it by hand ({})", error.fault),
        };
        let text = format!(
            "{} does not keep our correlation id, {fate}: let the integration user write correlation_id \
             and correlation_display",
            row.number
        );
        self.error(What::Create, Fault::NotTaken(text))
    }

    async fn step(
        &self,
        what: What,
        lane: Lane,
        sys_id: &str,
        state: ChangeState,
        fields: &BTreeMap<String, String>,
    ) -> Result<ChangeRow, ServiceNowError> {
        let mut sent: Map<String, Value> =
            fields.iter().map(|(field, text)| (field.clone(), Value::from(text.as_str()))).collect();
        let number = self.shared.settings.state_map.number(state);
        sent.insert("state".into(), number.to_string().into());
        let outcome = match self.update(what, lane, sys_id, &sent).await {
            Ok(row) if reached(row.state, state) => return Ok(row),
            Ok(row) => {
                let now = row.state.map_or("an unknown state".into(), |now| format!("{now:?}"));
                let text = format!("{} did not go to {state:?} but is in {now}", row.number);
                self.error(what, Fault::NotTaken(text))
            }
            Err(error) => error,
        };
        Err(self.explained(outcome, sys_id, state).await)
    }

    /// Updates a change; the row is the instance's own answer, without approvals.
    pub(crate) async fn update(
        &self,
        what: What,
        lane: Lane,
        sys_id: &str,
        sent: &Map<String, Value>,
    ) -> Result<ChangeRow, ServiceNowError> {
        let sys_id = query::sys_id(sys_id).map_err(|fault| self.error(what, fault))?;
        let call = Call {
            what,
            lane,
            method: Method::PATCH,
            address: Address::new(&format!("/api/sn_chg_rest/change/{sys_id}")),
            body: Some(Body::Json(Value::Object(sent.clone()))),
        };
        let answer = self.call(call).await?;
        let (row, ignored) = self.echoed(what, Row::single(&answer.result), sent)?;
        if !row.sys_id.eq_ignore_ascii_case(sys_id) {
            return Err(self.error(what, Fault::Unknown("the answer holds another record".into())));
        }
        if !ignored.is_empty() {
            tracing::warn!(change.number = row.number, fields = ?ignored, "the instance did not take all fields");
        }
        Ok(row)
    }

    /// The row that an instance answers to a write, and which fields it did not take as sent.
    fn echoed(
        &self,
        what: What,
        echo: Option<Row<'_>>,
        sent: &Map<String, Value>,
    ) -> Result<(ChangeRow, Vec<String>), ServiceNowError> {
        let unknown = |text: String| self.error(what, Fault::Unknown(text));
        let echo = echo.ok_or_else(|| unknown("the answer holds no record".into()))?;
        let row = row::change(&echo, &self.shared.settings.state_map)
            .map_err(|fault| unknown(format!("the answer cannot be read: {fault}")))?;
        Ok((row, not_taken(&echo, sent)))
    }

    async fn body_of(&self, change: &NewChange) -> Result<Map<String, Value>, ServiceNowError> {
        let mut body = Map::new();
        let is_standard = matches!(change.kind, NewKind::Standard { .. });
        let of_the_template = |field: &str| is_standard && OWNED_BY_TEMPLATE.contains(&field);
        for (field, text) in &change.fields {
            if !OURS_ALONE.contains(&field.as_str()) && !of_the_template(field) {
                body.insert(field.clone(), text.as_str().into());
            }
        }
        if is_standard {
            body.entry("work_notes").or_insert(change.description.as_str().into());
        } else {
            body.insert("description".into(), change.description.as_str().into());
        }
        for (field, named, name) in [
            ("assignment_group", Named::Group, &change.assignment_group),
            ("cmdb_ci", Named::ConfigurationItem, &change.cmdb_ci),
        ] {
            if let Some(name) = name {
                body.insert(field.into(), self.resolve(named, name).await?.into());
            }
        }
        if let Some(parent) = &change.parent {
            body.insert("parent".into(), parent.as_str().into());
        }
        for (field, time) in [("start_date", change.start), ("end_date", change.end)] {
            if let Some(time) = time {
                body.insert(field.into(), time.format(TIME).to_string().into());
            }
        }
        for (field, text) in [
            ("short_description", change.short_description.as_str()),
            ("correlation_id", change.correlation_id.as_str()),
            ("correlation_display", CORRELATION_DISPLAY),
        ] {
            body.insert(field.into(), text.into());
        }
        Ok(body)
    }
}

/// The id of the path is the only record that such a create names.
fn no_such_template(error: ServiceNowError, kind: &NewKind) -> ServiceNowError {
    let NewKind::Standard { template } = kind else { return error };
    match &error.fault {
        Fault::Refused { status, message } if *status == StatusCode::NOT_FOUND => {
            let text = format!(
                "the instance makes no change from the standard change template `{template}` ({message}): \
                 publish it, correct the policy, or let the integration user read std_change_record_producer"
            );
            ServiceNowError { fault: Fault::Input(text), ..error }
        }
        _ => error,
    }
}

/// Approvals move a change on by themselves, and so does the end of its tasks: the answer may show a later state.
fn reached(now: Option<ChangeState>, asked: ChangeState) -> bool {
    use ChangeState::{Assess, Authorize, Implement, Review, Scheduled};
    now == Some(asked)
        || matches!(
            (asked, now),
            (Assess, Some(Authorize | Scheduled)) | (Authorize, Some(Scheduled)) | (Implement, Some(Review))
        )
}

/// Unknown fields, fields without write right and computed ones are left out without a word, and
/// long text is cut; what the instance lists itself is not always right, so values are compared too.
pub(crate) fn not_taken(echo: &Row<'_>, sent: &Map<String, Value>) -> Vec<String> {
    let listed = echo.ignored();
    let differs = |field: &str, sent: &Value| match echo.text(field) {
        Some(kept) => Some(normal(&kept)) != sent.as_str().map(normal),
        None => true,
    };
    let not_taken = sent.iter().filter(|(field, value)| {
        let is_journal = JOURNALS.contains(&field.as_str());
        let is_listed = is_journal && listed.contains(field);
        *field != "state" && (is_listed || (!is_journal && differs(field, value)))
    });
    not_taken.map(|(field, _)| field.clone()).collect()
}

/// Line ends come back as CR LF, and blanks at the ends are cut.
fn normal(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

fn fields<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(field, text)| (field.to_owned(), text.to_owned())).collect()
}
