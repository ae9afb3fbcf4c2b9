//! One artifact: fetched, unpacked, its files recognised and attached, and a note that says so. The note comes last
//! and names the artifact: what has one is done with, and files of one that has none are found by name and digest.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use interlock_events::{ChangeRef, DeploymentKey, Event, EventData, EvidenceAttached, FaultRaised};
use interlock_platforms::{Artifact, PlatformError};
use interlock_runtime::worker::{Delivery, Handled};
use interlock_servicenow::{Attachment, Class, Fault, File, ServiceNow, ServiceNowError};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::NAME;
use super::format::{Recognised, recognise};
use super::gather::{Gathered, unread};
use super::said::{MARK, file_name, note, plain, size};
use super::unpack::{ARCHIVE_BYTES_MAX, Unpacked, unpack};
use crate::Desk;

/// A write of which nothing is known is sent so often before it is a failure.
const UNKNOWN_MAX: u32 = 3;
const REFUSED_MARK: &str = "[interlock:evidence:refused]";

/// For which change, and since when.
pub(super) struct Bringing<'a> {
    pub key: &'a DeploymentKey,
    pub change: &'a ChangeRef,
    pub began: Instant,
    fact: &'static str,
    attempt: u32,
}

/// Why it goes no further now.
pub(super) enum Stop {
    ServiceNow(ServiceNowError),
    Platform(PlatformError),
}

impl From<ServiceNowError> for Stop {
    fn from(error: ServiceNowError) -> Self {
        Self::ServiceNow(error)
    }
}

/// What is said of an artifact.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    /// What a person should see to.
    faults: Vec<String>,
    attached: Vec<Event>,
}

impl Said {
    fn fault(&mut self, text: String) {
        self.lines.push(text.clone());
        self.faults.push(text);
    }
}

impl<'a> Bringing<'a> {
    pub fn new<F: EventData>(key: &'a DeploymentKey, change: &'a ChangeRef, delivery: &Delivery<F>) -> Self {
        Self { key, change, began: delivery.began, fact: F::TYPE, attempt: delivery.attempt }
    }

    /// Stands in the note of an artifact.
    pub fn mark(&self, artifact: &Artifact) -> String {
        format!("{MARK}{}]", artifact.id)
    }

    /// Attaches what is in an artifact and is not there yet; what is to be told.
    pub async fn bring(
        &self,
        desk: &Desk,
        service_now: &ServiceNow,
        gathered: &Gathered,
        artifact: &Artifact,
        there: &mut Vec<Attachment>,
    ) -> Result<Vec<Event>, Stop> {
        let mut said = Said::default();
        if let Some(archive) = self.fetch(desk, gathered, artifact, &mut said).await? {
            match unpack(&archive) {
                Ok(unpacked) => {
                    self.attach_files(desk, service_now, artifact, unpacked, there, &mut said).await?;
                }
                Err(why) => said.fault(format!("not attached: {why}")),
            }
        }
        if gathered.left_out > 0 && gathered.artifacts.len() == 1 {
            said.fault(format!("{} more artifacts are not attached: too many", gathered.left_out));
        }
        let text = note(&artifact.name, &said.lines);
        service_now.add_note(&self.change.sys_id, &self.mark(artifact), &text).await?;
        tracing::info!(change.number = self.change.number, artifact = artifact.name, "evidence is noted");
        let mut told = said.attached;
        if !said.faults.is_empty() {
            told.push(self.fault(desk, artifact, &said.faults));
        }
        Ok(told)
    }

    async fn fetch(
        &self,
        desk: &Desk,
        gathered: &Gathered,
        artifact: &Artifact,
        said: &mut Said,
    ) -> Result<Option<Bytes>, Stop> {
        if artifact.expired {
            said.lines.push("expired at its platform before it could be attached".to_owned());
            return Ok(None);
        }
        if artifact.bytes > ARCHIVE_BYTES_MAX as u64 {
            said.fault(format!(
                "not attached: it has {}, and {} at most are fetched; it stays with the run",
                size(artifact.bytes),
                size(ARCHIVE_BYTES_MAX as u64)
            ));
            return Ok(None);
        }
        let platform = desk.platforms.get(&gathered.place.connection);
        let platform = platform.ok_or(Stop::Platform(PlatformError::Gone))?;
        match platform.artifact(&gathered.place, &artifact.id).await {
            Ok(archive) => Ok(Some(archive)),
            Err(PlatformError::Gone) => {
                said.lines.push("gone at its platform before it could be attached".to_owned());
                Ok(None)
            }
            Err(error) => Err(Stop::Platform(error)),
        }
    }

    async fn attach_files(
        &self,
        desk: &Desk,
        service_now: &ServiceNow,
        artifact: &Artifact,
        unpacked: Unpacked,
        there: &mut Vec<Attachment>,
        said: &mut Said,
    ) -> Result<(), Stop> {
        for one in unpacked.files {
            let recognised = recognise(&one.content);
            let sha256 = hex::encode(Sha256::digest(&one.content));
            let file = File {
                name: file_name(&artifact.name, &one.path, &sha256),
                media_type: recognised.media_type,
                sha256,
                content: one.content.into(),
            };
            let refused = if there.iter().any(|attached| attached.is(&file)) {
                None
            } else {
                attach(service_now, &self.change.sys_id, &file, there).await?
            };
            let path = plain(&one.path, 80);
            match refused {
                None => {
                    said.lines.push(format!("{path}: {}, attached as {}", recognised.summary, file.name));
                    said.attached.push(self.attached(desk, artifact, &file, recognised));
                }
                Some(why) => said.fault(format!("{path}: {}, not attached: {why}", recognised.summary)),
            }
        }
        unpacked.left_out.into_iter().for_each(|why| said.fault(why));
        Ok(())
    }

    fn attached(&self, desk: &Desk, artifact: &Artifact, file: &File, recognised: Recognised) -> Event {
        metrics::counter!("interlock_evidence_files_total", "format" => recognised.format).increment(1);
        desk.fact(&EvidenceAttached {
            key: self.key.clone(),
            change: self.change.clone(),
            name: file.name.clone(),
            artifact: artifact.name.clone(),
            format: recognised.format.to_owned(),
            media_type: file.media_type.to_owned(),
            bytes: file.content.len() as u64,
            sha256: file.sha256.clone(),
            summary: recognised.summary,
        })
    }

    fn fault(&self, desk: &Desk, artifact: &Artifact, faults: &[String]) -> Event {
        desk.fact(&FaultRaised {
            worker: NAME.to_owned(),
            event_id: format!("{}:{}", self.change.sys_id, artifact.id),
            event_type: self.fact.to_owned(),
            subject: Some(self.key.hash().to_string()),
            reason: format!(
                "{}: evidence `{}`: {}",
                self.change.number,
                plain(&artifact.name, 80),
                faults.join("; ")
            ),
            attempts: self.attempt,
        })
    }

    /// What becomes of the delivery. Nobody waits for it, so an outage is waited for in long steps.
    pub async fn stopped(
        &self,
        desk: &Desk,
        stop: &Stop,
        mut gathered: Gathered,
        events: Vec<Event>,
    ) -> Handled {
        let error = match stop {
            Stop::Platform(error) => {
                return match unread(error) {
                    Handled::Watch { after, .. } => Handled::Watch { after, state: gathered.json(), events },
                    _ if !events.is_empty() => soon(&gathered, events),
                    other => other,
                };
            }
            Stop::ServiceNow(error) => error,
        };
        let watch =
            |after, gathered: &Gathered, events| Handled::Watch { after, state: gathered.json(), events };
        match error.class() {
            Class::Transient => watch(Duration::from_secs(30), &gathered, events),
            Class::Paused(pause) => {
                let after = pause.clamp(Duration::from_secs(5), Duration::from_secs(600));
                watch(after, &gathered, events)
            }
            Class::UnknownOutcome if gathered.unknown < UNKNOWN_MAX => {
                gathered.unknown += 1;
                watch(desk.settle.max(Duration::from_secs(1)), &gathered, events)
            }
            // What was done before is told first.
            _ if !events.is_empty() => soon(&gathered, events),
            _ => {
                let reason = format!("{}: evidence: {error}; {CURE}", self.change.number);
                self.say_refused(desk, &reason).await;
                Handled::Later { reason }
            }
        }
    }

    /// Where it can be said, the record says it.
    async fn say_refused(&self, desk: &Desk, reason: &str) {
        let Some(service_now) = desk.service_now.get(&self.change.connection) else { return };
        let text = format!("The evidence of this deployment is not attached: {}", plain(reason, 1_000));
        if let Err(error) = service_now.note(&self.change.sys_id, REFUSED_MARK, &text).await {
            tracing::debug!(%error, change.number = self.change.number, "nor can that be noted");
        }
    }
}

const CURE: &str = "let the integration user read and create sys_attachment, and write to the change, then give the \
                    dead letter back";

fn soon(gathered: &Gathered, events: Vec<Event>) -> Handled {
    Handled::Watch { after: Duration::from_secs(1), state: gathered.json(), events }
}

/// Attaches a file; `Some` says why the instance takes everything but this one.
async fn attach(
    service_now: &ServiceNow,
    sys_id: &str,
    file: &File,
    there: &mut Vec<Attachment>,
) -> Result<Option<String>, Stop> {
    match service_now.attach(sys_id, file).await {
        Ok(attached) => {
            there.push(attached);
            Ok(None)
        }
        Err(error) => match of_this_file(&error) {
            Some(why) => Ok(Some(why)),
            None => Err(error.into()),
        },
    }
}

/// Why the instance takes everything but this one. Instances differ in the status with which they refuse a type, and a
/// refusal that names no rule of theirs counts as unknown elsewhere.
fn of_this_file(error: &ServiceNowError) -> Option<String> {
    match &error.fault {
        Fault::Refused { status: StatusCode::PAYLOAD_TOO_LARGE, message } => Some(format!(
            "the instance takes no file of this size ({}); its property com.glide.attachment.max_size says how large",
            plain(message, 300)
        )),
        Fault::Refused { message, .. } | Fault::Unknown(message) if is_of_a_type(message) => Some(format!(
            "the instance does not take this type ({}); its property glide.attachment.extensions lists those that it takes",
            plain(message, 300)
        )),
        Fault::Refused { status: StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::BAD_REQUEST, message }
        | Fault::NotTaken(message) => Some(plain(message, 300)),
        _ => None,
    }
}

fn is_of_a_type(message: &str) -> bool {
    let said = message.to_lowercase();
    ["extension", "file type", "mime type"].iter().any(|word| said.contains(word))
}
