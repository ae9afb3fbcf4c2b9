//! Evidence: what a run says of itself (tests, scans, lists of components), attached to its change and summarised in
//! its work notes. A worker of its own within this role, so that no change and no gate waits behind files.

pub(crate) mod attach;
mod bring;
mod format;
mod gather;
mod json;
mod said;
mod unpack;
mod xml;

use std::sync::Arc;

use interlock_events::{ChangeClosed, ChangeOpened};
use interlock_runtime::worker::Worker;

use crate::Desk;
use attach::AttachEvidence;

/// The name of its queues.
pub const NAME: &str = "evidence";
/// Each delivery in hand holds an archive and what is in it: no more than so many at once.
const AT_ONCE: u16 = 2;

/// The worker: evidence is attached when a change has been opened, and what came later when it is closed.
#[must_use]
pub fn evidence(desk: Desk) -> Worker {
    let desk = Arc::new(desk);
    Worker::new(NAME)
        .at_most(AT_ONCE)
        .subscribe(AttachEvidence::<ChangeOpened>::new(desk.clone()))
        .subscribe(AttachEvidence::<ChangeClosed>::new(desk))
}
