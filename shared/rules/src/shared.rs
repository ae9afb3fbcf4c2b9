//! Occurrences that share one gate: jobs of one run, attempt and environment (a matrix). The platform
//! answers run and environment, so one answer lets all of them begin: they have one change too.

use std::fmt::Debug;

use interlock_events::{CorrelationId, DeploymentKey, KeyHash, Outcome};
use serde::{Deserialize, Serialize};

use crate::record::{ChangeRow, ChangeState};
use crate::run::RunPhase;

/// So many are remembered of one gate; all of them are looked at when a change is closed.
pub const SIBLINGS_KEPT: usize = 100;

/// Whose rows are meant: one occurrence's, or those of all that share its gate.
pub trait Whose: Debug + Sync {
    /// The row is one of theirs.
    fn has(&self, row: &ChangeRow) -> bool;
}

impl Whose for KeyHash {
    fn has(&self, row: &ChangeRow) -> bool {
        row.belongs_to(self)
    }
}

/// One of those that share a gate, as last read at the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sibling {
    /// The platform's id of the occurrence.
    pub occurrence: String,
    /// How far it is.
    pub phase: RunPhase,
}

/// An occurrence and all that share its gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedGate {
    own: KeyHash,
    /// In the order of their ids.
    members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    key: DeploymentKey,
    hash: KeyHash,
    phase: Option<RunPhase>,
}

impl Member {
    fn waits(&self) -> bool {
        self.phase == Some(RunPhase::Waiting)
    }
}

impl SharedGate {
    /// The gate of `own`, with what the platform shows: all that share it, `own` among them, or nobody.
    #[must_use]
    pub fn of(own: &DeploymentKey, siblings: &[Sibling]) -> Self {
        let member = |occurrence: &str, phase| {
            let key = DeploymentKey { occurrence: occurrence.to_owned(), ..own.clone() };
            Member { hash: key.hash(), key, phase }
        };
        let mut members: Vec<Member> =
            siblings.iter().map(|sibling| member(&sibling.occurrence, Some(sibling.phase))).collect();
        if !members.iter().any(|member| member.key == *own) {
            members.push(member(&own.occurrence, None));
        }
        members.sort_by(|a, b| order(&a.key).cmp(&order(&b.key)));
        members.dedup_by(|a, b| a.key == b.key);
        Self { own: own.hash(), members }
    }

    /// More than one share it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.members.len() > 1
    }

    /// Keys under which its change may stand.
    #[must_use]
    pub fn hashes(&self) -> Vec<KeyHash> {
        self.members.iter().map(|member| member.hash.clone()).collect()
    }

    /// Under whose key a change is opened, by whichever of them comes first: the lowest id that waits.
    /// What stands already moves no more, whoever comes to light later.
    #[must_use]
    pub fn first(&self) -> &DeploymentKey {
        let own = self.own();
        let first = self.members.iter().find(|member| member.waits()).filter(|_| own.waits());
        &first.unwrap_or(own).key
    }

    /// Under whose keys a create may be under way that would cover this deployment: who waits, in the order
    /// of their ids, so that two who claim them meet at the first.
    pub fn waiting(&self) -> impl Iterator<Item = &KeyHash> {
        let waits = |member: &&Member| member.waits() || member.hash == self.own;
        self.members.iter().filter(waits).map(|member| &member.hash)
    }

    /// Whose key a row stands under.
    #[must_use]
    pub fn owner_of(&self, row: &ChangeRow) -> Option<&DeploymentKey> {
        self.members.iter().find(|member| row.belongs_to(&member.hash)).map(|member| &member.key)
    }

    /// The correlation id that a row of this gate must have, to the letter.
    #[must_use]
    pub fn correlation_id_of(&self, row: &ChangeRow, sha: &str, project: &str) -> Option<CorrelationId> {
        self.owner_of(row).map(|key| CorrelationId::new(key, sha, project))
    }

    /// The rows that count for this occurrence.
    ///
    /// Its own always. While it waits: those of who waits beside it, and a change of one that was decided
    /// before, as long as that is open (New to Implement): a job that comes later may go on with it. Once
    /// it does not wait: another's only where none of its own was decided, for then an answer to them let it
    /// through.
    #[must_use]
    pub fn counting(&self, rows: Vec<ChangeRow>) -> Vec<ChangeRow> {
        let was_decided = rows.iter().any(|row| row.belongs_to(&self.own) && is_decided(row));
        let own_waits = self.own().waits();
        let counts = |row: &ChangeRow| {
            let Some(member) = self.members.iter().find(|member| row.belongs_to(&member.hash)) else {
                return false;
            };
            let is_own = member.hash == self.own;
            let shares = if own_waits { member.waits() || is_open(row) } else { !was_decided };
            is_own || shares
        };
        rows.into_iter().filter(counts).collect()
    }

    /// Who goes by the change `row`: whose it is, and all that have none of their own that was decided in `rows`.
    #[must_use]
    pub fn sharers(&self, row: &ChangeRow, rows: &[ChangeRow]) -> Vec<&DeploymentKey> {
        let has_own =
            |member: &Member| rows.iter().any(|row| row.belongs_to(&member.hash) && is_decided(row));
        let shares = |member: &&Member| row.belongs_to(&member.hash) || !has_own(member);
        self.members.iter().filter(shares).map(|member| &member.key).collect()
    }

    fn own(&self) -> &Member {
        // `of` puts it there.
        self.members.iter().find(|member| member.hash == self.own).unwrap_or(&self.members[0])
    }
}

impl Whose for SharedGate {
    fn has(&self, row: &ChangeRow) -> bool {
        self.owner_of(row).is_some()
    }
}

fn is_open(row: &ChangeRow) -> bool {
    row.state.is_none_or(|state| state <= ChangeState::Implement)
}

/// People have said yes or no to it. What is unknown counts as said.
fn is_decided(row: &ChangeRow) -> bool {
    !row.canceled_by_us() && row.state.is_none_or(|state| state >= ChangeState::Scheduled)
}

/// Ids of digits are in the order of their numbers.
fn order(key: &DeploymentKey) -> (usize, &str) {
    (key.occurrence.len(), &key.occurrence)
}

/// How far all that share a change are, taken together: begun while one runs, open while one waits, and
/// over when the last has ended, with the worst result.
#[must_use]
pub fn together(phases: impl IntoIterator<Item = RunPhase>) -> RunPhase {
    phases.into_iter().reduce(joined).unwrap_or(RunPhase::Gone)
}

fn joined(a: RunPhase, b: RunPhase) -> RunPhase {
    use RunPhase::{Ended, Gone, NeverStarted, Queued, Started, Waiting};
    match (a, b) {
        (Gone, other) | (other, Gone) => other,
        (Started, _) | (_, Started) => Started,
        // One has begun and ended, another is still to come.
        (Ended(_), Waiting | Queued) | (Waiting | Queued, Ended(_)) => Started,
        (Queued, _) | (_, Queued) => Queued,
        (Waiting, _) | (_, Waiting) => Waiting,
        (Ended(a), Ended(b) | NeverStarted(b)) | (NeverStarted(a), Ended(b)) => Ended(worst(a, b)),
        (NeverStarted(a), NeverStarted(b)) => NeverStarted(worst(a, b)),
    }
}

/// What was skipped says nothing beside what was not.
fn worst(a: Outcome, b: Outcome) -> Outcome {
    let badness = |outcome| match outcome {
        Outcome::Skipped => 0,
        Outcome::Succeeded => 1,
        Outcome::Canceled => 2,
        Outcome::Failed => 3,
    };
    if badness(a) >= badness(b) { a } else { b }
}

#[cfg(test)]
mod tests;
