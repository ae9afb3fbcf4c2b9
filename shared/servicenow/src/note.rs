//! Work notes. The journal only grows, so a repeat would stand twice: each note has a marker that is
//! looked for first (ServiceNow docs, "Retrieving journal entries").

use serde_json::{Map, Value};

use crate::budget::Lane;
use crate::client::ServiceNow;
use crate::error::{ServiceNowError, What};
use crate::query::{self, Address};
use crate::row::Row;

/// Notes with one marker; an instance that ignores part of the query fills the page with others.
const NOTES_MAX: usize = 100;

impl ServiceNow {
    /// Appends a work note, unless one with `marker` stands already; the marker is added where the
    /// text lacks it. `Ok(false)`: it stood.
    ///
    /// # Errors
    /// [`ServiceNowError`]; after an unknown outcome call again, which looks first.
    pub async fn note(&self, sys_id: &str, marker: &str, text: &str) -> Result<bool, ServiceNowError> {
        if self.has_note(sys_id, marker).await? {
            return Ok(false);
        }
        self.add_note(sys_id, marker, text).await?;
        Ok(true)
    }

    /// Appends a work note with its marker: for who knows that none stands.
    ///
    /// # Errors
    /// [`ServiceNowError`]; after an unknown outcome look for it first.
    pub async fn add_note(&self, sys_id: &str, marker: &str, text: &str) -> Result<(), ServiceNowError> {
        let text = if text.contains(marker) { text.to_owned() } else { format!("{text}\n{marker}") };
        let sent = Map::from_iter([("work_notes".to_owned(), Value::from(text))]);
        self.update(What::Note, Lane::Rest, sys_id, &sent).await.map(drop)
    }

    /// A work note with `marker` stands.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn has_note(&self, sys_id: &str, marker: &str) -> Result<bool, ServiceNowError> {
        Ok(!self.notes_with(sys_id, marker).await?.is_empty())
    }

    /// The work notes with `marker`, the newest first; of very many some.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn notes_with(&self, sys_id: &str, marker: &str) -> Result<Vec<String>, ServiceNowError> {
        let refused = |fault| self.error(What::Journal, fault);
        let sys_id = query::sys_id(sys_id).map_err(refused)?;
        let marker = query::value(marker).map_err(refused)?;
        let query =
            format!("element_id={sys_id}^element=work_notes^valueLIKE{marker}^ORDERBYDESCsys_created_on");
        let address = Address::list("sys_journal_field", &query, "sys_id,element_id,value", NOTES_MAX);
        let answer = self.get(What::Journal, Lane::Rest, address).await?;
        let rows = Row::list(&answer.result);
        let here = rows.iter().filter(|row| row.text("element_id").as_deref() == Some(sys_id));
        let notes = here.filter_map(|row| row.text("value"));
        Ok(notes.filter(|value| value.contains(marker)).collect())
    }
}
