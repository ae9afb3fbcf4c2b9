//! Files at a change (ServiceNow docs, "Attachment API"). An instance keeps whatever it is given, also twice: who
//! attaches looks first at what is there.

use bytes::Bytes;
use http::Method;

use crate::budget::Lane;
use crate::client::{Body, Call, ServiceNow};
use crate::error::{Fault, ServiceNowError, What};
use crate::query::{self, Address};
use crate::row::Row;

/// More files than these are not looked through.
const LISTED_MAX: usize = 500;
/// The column of a file's name; longer ones are cut by some instances.
pub const FILE_NAME_CHARS_MAX: usize = 100;

/// A file to be attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, at most [`FILE_NAME_CHARS_MAX`] characters.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
    /// What is in it.
    pub content: Bytes,
}

/// A file that is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its size in bytes, as the instance says.
    pub bytes: String,
    /// SHA-256 of its content, where the instance says.
    pub sha256: Option<String>,
}

impl Attachment {
    /// It is that file: of its name and, as far as the instance tells, of its content.
    #[must_use]
    pub fn is(&self, file: &File) -> bool {
        let same = match &self.sha256 {
            Some(sha256) => sha256.eq_ignore_ascii_case(&file.sha256),
            None => self.bytes == file.content.len().to_string(),
        };
        self.name == file.name && same
    }
}

impl ServiceNow {
    /// The files at a change, the newest first.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn attachments(&self, sys_id: &str) -> Result<Vec<Attachment>, ServiceNowError> {
        let what = What::Attachments;
        let sys_id = query::sys_id(sys_id).map_err(|fault| self.error(what, fault))?;
        let query = format!("table_name=change_request^table_sys_id={sys_id}^ORDERBYDESCsys_created_on");
        let address = Address::new("/api/now/attachment")
            .with("sysparm_query", &query)
            .with("sysparm_limit", &LISTED_MAX.to_string());
        let answer = self.get(what, Lane::Rest, address).await?;
        let rows = Row::list(&answer.result);
        // An instance leaves out the parts of a query that it does not understand.
        let here = rows.iter().filter(|row| row.text("table_sys_id").as_deref() == Some(sys_id));
        Ok(here.filter_map(attachment).collect())
    }

    /// Attaches a file to a change, as the instance says it keeps it; sent once.
    ///
    /// # Errors
    /// [`ServiceNowError`]; after an unknown outcome look at [`ServiceNow::attachments`] before it is sent again.
    pub async fn attach(&self, sys_id: &str, file: &File) -> Result<Attachment, ServiceNowError> {
        let what = What::Attach;
        let sys_id = query::sys_id(sys_id).map_err(|fault| self.error(what, fault))?;
        let address = Address::new("/api/now/attachment/file")
            .with("table_name", "change_request")
            .with("table_sys_id", sys_id)
            .with("file_name", &file.name);
        let body = Some(Body::File { media_type: file.media_type, content: file.content.clone() });
        let call = Call { what, lane: Lane::Rest, method: Method::POST, address, body };
        let answer = self.call(call).await?;
        let kept = Row::single(&answer.result).as_ref().and_then(attachment);
        match kept {
            Some(kept) if kept.is(file) => Ok(kept),
            Some(kept) => {
                let text = format!("the instance keeps other bytes than were sent, as `{}`", kept.name);
                Err(self.error(what, Fault::NotTaken(text)))
            }
            None => Err(self.error(what, Fault::Unknown("the answer holds no attachment".into()))),
        }
    }
}

fn attachment(row: &Row<'_>) -> Option<Attachment> {
    let bytes = row.text("size_bytes").unwrap_or_default();
    let sha256 = row.text("hash").filter(|hash| !hash.is_empty());
    Some(Attachment { name: row.text("file_name")?, bytes, sha256 })
}
