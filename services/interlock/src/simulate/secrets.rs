//! The secrets of the simulated systems: made at the first start, kept in files, named by reference.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use interlock_runtime::ports::clock::{Clock as _, SystemClock};
use interlock_simulators::github::AppKey;

/// For the eyes of the user who started this.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A folder of secrets.
#[derive(Debug, Clone)]
pub struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// The folder, made if it is absent.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        Ok(Self { folder })
    }

    /// The secret `name`, made if it is absent.
    pub fn of(&self, name: &str) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        match std::fs::read_to_string(&path) {
            Err(fault) if fault.kind() == ErrorKind::NotFound => {
                let made = format!("{}{}", SystemClock.tag(), SystemClock.tag());
                self.replace(name, &made).map(|()| made)
            }
            read => read.with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes what others may read, such as a certificate, and says where it is.
    pub fn publish(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        self.replace(name, text).map(|()| self.folder.join(name))
    }

    /// How the configuration refers to the secret `name`.
    pub fn reference(&self, name: &str) -> String {
        format!("${{file:{}}}", self.folder.join(name).display())
    }

    /// Public half of the App's key, whose private half is the secret `private`.
    pub fn app_key(&self, private: &str) -> anyhow::Result<String> {
        let public = format!("{private}.public");
        // The public half is written last, so that where it stands the private one does too.
        if !self.folder.join(&public).exists() {
            let pair = AppKey::generate()?;
            self.replace(private, &pair.private_pem)?;
            self.replace(&public, &pair.public_pem)?;
        }
        self.of(&public)
    }

    fn replace(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        let open = || -> std::io::Result<File> {
            OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&path)
        };
        let written = open().and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(folder.path()).unwrap();
        let first = secrets.of("password").unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(Secrets::open(folder.path()).unwrap().of("password").unwrap(), first);
        assert_ne!(secrets.of("another").unwrap(), first);
    }

    #[test]
    fn the_halves_of_the_app_key_stay_together() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(folder.path()).unwrap();
        let public = secrets.app_key("app-key").unwrap();
        let private = secrets.of("app-key").unwrap();
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_eq!(secrets.app_key("app-key").unwrap(), public);
        assert_eq!(secrets.of("app-key").unwrap(), private);
    }
}
