//! What can be seen of one deployment from outside: the log, and both simulators' journals.

use chrono::{DateTime, Utc};
use interlock_events::AttributesReader;
use interlock_runtime::ports::broker::LogEntry;
use interlock_simulators::journal::JournalEntry;

use super::stage::Stage;
use crate::words;

/// The log is short here; more than this is no demo any more.
const ENTRIES_MAX: usize = 10_000;

/// Which deployment is followed.
#[derive(Debug, Clone)]
pub struct Followed {
    /// GitHub's id of the deployment.
    pub deployment: u64,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// What was seen of it so far.
#[derive(Debug)]
pub struct Seen {
    events: Vec<LogEntry>,
    github: Vec<JournalEntry>,
    service_now: Vec<JournalEntry>,
    /// Number of its change, once there is one.
    pub number: Option<String>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub who: String,
    /// In words, where they come with it.
    pub what: Option<String>,
    /// The event's type, if it is one.
    pub event: Option<String>,
}

impl Seen {
    /// Looks at everything anew.
    pub async fn look(stage: &Stage, followed: &Followed) -> anyhow::Result<Self> {
        let log = stage.running.broker.log(followed.since, &[], ENTRIES_MAX).await?;
        let occurrence = followed.deployment.to_string();
        let subject = log.iter().find_map(|entry| {
            let data = words::data(&entry.event);
            let of = data.pointer("/deployment/key/occurrence")?.as_str()?;
            (of == occurrence).then(|| entry.event.subject().map(str::to_owned))?
        });
        let ours = |entry: &LogEntry| subject.is_some() && entry.event.subject() == subject.as_deref();
        let events: Vec<LogEntry> = log.into_iter().filter(ours).collect();
        let number = events
            .iter()
            .find_map(|entry| words::change_number(&words::data(&entry.event)).map(str::to_owned));
        let has =
            |entry: &JournalEntry, id: &str, value: &str| entry.ids.get(id).is_some_and(|is| is == value);
        let mut github = stage.github.simulator.journal();
        github.retain(|entry| has(entry, "deployment_id", &occurrence));
        let mut service_now = stage.service_now.simulator.journal().entries();
        service_now.retain(|entry| number.as_ref().is_some_and(|number| has(entry, "number", number)));
        Ok(Self { events, github, service_now, number })
    }

    /// The event of this short type.
    pub fn event(&self, short: &str) -> Option<Mark> {
        let is = |entry: &&LogEntry| words::short(entry.event.ty()) == short;
        // GitHub tells a gated deployment twice; the request that has the gate is the one that is waited for.
        let is_gated = |entry: &&LogEntry| is(entry) && !words::data(&entry.event)["gate"].is_null();
        let entry = if short == "deployment.requested" {
            self.events.iter().find(is_gated)?
        } else {
            self.events.iter().find(is)?
        };
        let told = words::tell(&entry.event);
        Some(Mark {
            at: entry.at,
            who: told.who.to_owned(),
            what: Some(told.what),
            event: Some(entry.event.ty().to_owned()),
        })
    }

    /// What GitHub's journal calls `what`.
    pub fn at_github(&self, what: &str) -> Option<Mark> {
        self.github.iter().find(|entry| entry.what == what).map(of_journal)
    }

    /// The change's move to the state of this number.
    pub fn moved_to(&self, state: &str) -> Option<Mark> {
        let is = |entry: &&JournalEntry| {
            entry.what == "change.moved" && entry.ids.get("to").is_some_and(|to| to == state)
        };
        self.service_now.iter().find(is).map(of_journal)
    }

    /// A person's answer to the change.
    pub fn answered(&self, what: &str, person: &str) -> Option<Mark> {
        let is = |entry: &&JournalEntry| entry.what == what && entry.actor == person;
        self.service_now.iter().find(is).map(of_journal)
    }
}

fn of_journal(entry: &JournalEntry) -> Mark {
    Mark { at: entry.at, who: entry.actor.clone(), what: None, event: None }
}
