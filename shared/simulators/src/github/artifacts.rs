//! Files that runs upload: each artifact is a ZIP archive under one name.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::lifecycle::PLATFORM;
use super::model::Refused;
use super::world::World;

/// Path of the store that has the contents.
pub(super) const STORE: &str = "_artifacts";

const ARTIFACTS_MAX: usize = 10_000;
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// A file to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactFile {
    /// Its path within the artifact.
    pub path: String,
    /// Its content.
    pub content: String,
}

impl ArtifactFile {
    /// A file of this path and content.
    pub fn new(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), content: content.into() }
    }
}

pub(super) struct Artifact {
    pub id: u64,
    pub run: u64,
    pub repository: usize,
    pub name: String,
    pub archive: Bytes,
    pub expired: bool,
    pub at: DateTime<Utc>,
}

impl Artifact {
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.archive))
    }

    /// What makes an address of the store good, until a time.
    pub fn signature(&self, until: i64) -> String {
        hex::encode(Sha256::digest(format!("{} {until} {}", self.id, self.digest())))
    }
}

/// All that runs uploaded.
#[derive(Default)]
pub(super) struct Artifacts {
    by_id: BTreeMap<u64, Artifact>,
    bytes: usize,
}

impl Artifacts {
    /// Oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Artifact> {
        self.by_id.values()
    }

    pub fn get(&self, id: u64) -> Option<&Artifact> {
        self.by_id.get(&id)
    }
}

/// Files as `actions/upload-artifact` packs them.
pub(super) fn archive(files: &[ArtifactFile]) -> Result<Vec<u8>, Refused> {
    let refused = |error: &dyn std::fmt::Display| Refused::new(422, error.to_string());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        writer
            .start_file(file.path.as_str(), SimpleFileOptions::default())
            .map_err(|error| refused(&error))?;
        writer.write_all(file.content.as_bytes()).map_err(|error| refused(&error))?;
    }
    Ok(writer.finish().map_err(|error| refused(&error))?.into_inner())
}

impl World {
    pub fn upload(
        &mut self,
        run: u64,
        name: &str,
        archive: Bytes,
        at: DateTime<Utc>,
    ) -> Result<u64, Refused> {
        let bytes = self.artifacts.bytes.saturating_add(archive.len());
        if self.artifacts.by_id.len() >= ARTIFACTS_MAX || bytes > BYTES_MAX {
            return Err(Refused::new(422, "too many artifacts: reset the simulator"));
        }
        let repository = self.run(run)?.repository;
        let id = self.new_artifact_id();
        self.artifacts.bytes = bytes;
        let artifact = Artifact { id, run, repository, name: name.to_owned(), archive, expired: false, at };
        self.artifacts.by_id.insert(id, artifact);
        self.note_run(at, PLATFORM, "artifact.uploaded", self.run(run)?);
        Ok(id)
    }

    pub fn expire_artifact(&mut self, id: u64) -> Result<(), Refused> {
        let artifact = self.artifacts.by_id.get_mut(&id).ok_or_else(Refused::not_found)?;
        artifact.expired = true;
        Ok(())
    }
}
