//! One process holds the directory: an advisory lock that ends with the process, however it ends.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};

/// Holds the directory while it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `directory`, and writes down who has it. `cure`: what to do where another has it.
    pub(crate) fn take(directory: &Path, cure: &str) -> anyhow::Result<Self> {
        let path = directory.join("lock");
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => write_holder(&mut file).with_context(|| format!("cannot write {}", path.display()))?,
            Err(TryLockError::WouldBlock) => {
                bail!("{} is held by process {}: {cure}", directory.display(), holder(&mut file))
            }
            Err(TryLockError::Error(fault)) => {
                return Err(fault).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        Ok(Self { _file: file })
    }
}

fn write_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The holder writes its id after it has locked, so it may not stand there yet.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
