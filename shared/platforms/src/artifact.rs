//! Files that a run made, as its platform keeps them.

use serde::{Deserialize, Serialize};

/// One of them: an archive with one or more files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The platform's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Size of the archive in bytes, as the platform says.
    pub bytes: u64,
    /// The platform has deleted its content.
    #[serde(default)]
    pub expired: bool,
}
