//! `events tail | replay`: what happened, and the same once more for one worker.

mod since;

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Utc};
use interlock_broker::topology::WORKERS;
use interlock_events::{AttributesReader, Event};
use interlock_runtime::config::Config;
use interlock_runtime::ports::broker::LogEntry;
use interlock_runtime::ports::clock::{Clock as _, SystemClock};
use serde_json::json;
use wildmatch::WildMatch;

use crate::arguments::{Events, Replay, Tail};
use crate::hand::{self, Wish};
use crate::ports::{self, Bench};
use crate::say::{self, Tone};
use crate::words;

/// So much of the log is read at once.
const ENTRIES_MAX: usize = 100_000;
/// More than this is asked about first.
const UNASKED_MAX: usize = 100;
/// So many go to the worker at once.
const PAGE: usize = 500;
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// Entries that were shown are remembered, for those that come with the same time.
const SHOWN_MAX: usize = 10_000;

/// Carries out one of the two.
pub async fn run(wish: &Events, config: &Config) -> anyhow::Result<()> {
    let bench = ports::bench(config).await?;
    let done = match wish {
        Events::Tail(wish) => tail(wish, &bench).await,
        Events::Replay(wish) => replay(wish, config, &bench).await,
    };
    if let Bench::Server(broker) = &bench {
        broker.close().await;
    }
    done
}

async fn read(bench: &Bench, since: DateTime<Utc>) -> anyhow::Result<Vec<LogEntry>> {
    let entries = match bench {
        Bench::File(file) => file.log(since, &[], ENTRIES_MAX)?,
        Bench::Server(broker) => broker.log(since, &[], ENTRIES_MAX).await?,
    };
    ensure!(entries.len() < ENTRIES_MAX, "more than {ENTRIES_MAX} events since {since}: begin later");
    Ok(entries)
}

/// Types by a pattern, of their short or their whole names.
struct Kind(WildMatch);

impl Kind {
    fn of(pattern: &str) -> Self {
        Self(WildMatch::new(pattern))
    }

    fn fits(&self, ty: &str) -> bool {
        self.0.matches(ty) || self.0.matches(words::short(ty))
    }
}

async fn tail(wish: &Tail, bench: &Bench) -> anyhow::Result<()> {
    let since = since::moment(&wish.since, SystemClock.now())?;
    let mut shown = Shown { kind: Kind::of(&wish.kind), since, entries: BTreeSet::new() };
    loop {
        for entry in shown.news(read(bench, shown.since).await?) {
            print(&entry, wish.json);
        }
        if !wish.follow {
            return Ok(());
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

/// What was shown, so that the next look may begin at the time of the last entry.
struct Shown {
    kind: Kind,
    since: DateTime<Utc>,
    entries: BTreeSet<(DateTime<Utc>, String, String)>,
}

impl Shown {
    /// What is to be shown of a look. The next one begins where this ends, also if nothing of it was to be shown.
    fn news(&mut self, look: Vec<LogEntry>) -> Vec<LogEntry> {
        self.since = look.last().map_or(self.since, |last| last.at.max(self.since));
        look.into_iter().filter(|entry| self.kind.fits(entry.event.ty()) && self.is_new(entry)).collect()
    }

    fn is_new(&mut self, entry: &LogEntry) -> bool {
        while self.entries.len() >= SHOWN_MAX {
            self.entries.pop_first();
        }
        self.entries.insert((entry.at, entry.event.id().to_owned(), entry.event.ty().to_owned()))
    }
}

fn print(entry: &LogEntry, as_json: bool) {
    if as_json {
        say::line(json!({ "at": entry.at, "event": entry.event }));
        return;
    }
    let told = words::tell(&entry.event);
    say::line(format_args!(
        "{}  {:<15}  {}  {}  {}",
        say::toned(Tone::Faint, &entry.at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()),
        told.who,
        told.what,
        say::toned(Tone::Faint, words::short(entry.event.ty())),
        say::toned(Tone::Faint, entry.event.subject().unwrap_or_default()),
    ));
}

async fn replay(wish: &Replay, config: &Config, bench: &Bench) -> anyhow::Result<()> {
    let worker = WORKERS.iter().find(|known| known.name == wish.to);
    let worker = worker.with_context(|| {
        let known: Vec<&str> = WORKERS.iter().map(|known| known.name).collect();
        format!("no worker is named {}; there are {}", wish.to, known.join(", "))
    })?;
    let since = since::moment(&wish.since, SystemClock.now())?;
    let (kind, mut entries) = (Kind::of(&wish.kind), read(bench, since).await?);
    entries.retain(|entry| kind.fits(entry.event.ty()));
    let (events, skipped) = chosen(entries, worker.types);
    if events.len() > UNASKED_MAX && !wish.yes {
        confirm(&format!("give {} events to {} once more?", events.len(), worker.name))?;
    }
    for page in events.chunks(PAGE) {
        let wish = Wish::TakeUp { worker: worker.name.to_owned(), events: page.to_vec() };
        hand::carry_out(config, bench, &wish).await?;
    }
    if wish.json {
        let ids: Vec<&str> = events.iter().map(AttributesReader::id).collect();
        say::line(json!({ "worker": worker.name, "replayed": ids, "skipped": skipped }));
        return Ok(());
    }
    for event in &events {
        let told = words::tell(event).what;
        say::line(format_args!("{}  {told}", words::short(event.ty())));
    }
    say::line(format_args!("{} events are with {} again, marked as repeated", events.len(), worker.name));
    if skipped > 0 {
        say::line(format_args!("{skipped} others are of types that it does not handle"));
    }
    Ok(())
}

/// Each event once, in order, if the worker handles its type; and how many it does not.
fn chosen(entries: Vec<LogEntry>, types: &[&str]) -> (Vec<Event>, usize) {
    let (mut seen, mut skipped) = (BTreeSet::new(), 0);
    let mut events = Vec::new();
    for entry in entries {
        if !types.contains(&entry.event.ty()) {
            skipped += 1;
        } else if seen.insert((entry.event.ty().to_owned(), entry.event.id().to_owned())) {
            events.push(entry.event);
        }
    }
    (events, skipped)
}

fn confirm(question: &str) -> anyhow::Result<()> {
    let stdin = std::io::stdin();
    ensure!(stdin.is_terminal(), "{question} Nobody can be asked here: say --yes");
    say::fault(format_args!("{question} [y/N]"));
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "yes") { Ok(()) } else { bail!("nothing was done") }
}

#[cfg(test)]
mod tests {
    use interlock_events::{FaultRaised, RecordChanged, event};

    use super::*;

    fn entry(seconds: i64, number: &str) -> LogEntry {
        let at = DateTime::from_timestamp(seconds, 0).unwrap();
        let fact = RecordChanged {
            connection: "prod".into(),
            table: "change_request".into(),
            sys_id: number.into(),
            mod_count: "1".into(),
            change_sys_id: number.into(),
            key_hash: None,
            state: None,
            updated: None,
        };
        LogEntry { at, event: event("/s", at, &fact) }
    }

    fn shown_of(kind: &str) -> Shown {
        Shown { kind: Kind::of(kind), since: DateTime::UNIX_EPOCH, entries: BTreeSet::new() }
    }

    fn fault() -> LogEntry {
        let at = DateTime::UNIX_EPOCH;
        let (worker, event_id) = ("w".to_owned(), "1".to_owned());
        let (event_type, reason) = (String::new(), "r".to_owned());
        let fact = FaultRaised { worker, event_id, event_type, subject: None, reason, attempts: 1 };
        LogEntry { at, event: event("/s", at, &fact) }
    }

    #[test]
    fn a_type_is_named_short_whole_or_by_a_pattern() {
        for pattern in ["gate.released", "io.interlock.gate.released.v1", "gate.*", "*"] {
            assert!(Kind::of(pattern).fits("io.interlock.gate.released.v1"), "{pattern}");
        }
        assert!(!Kind::of("gate").fits("io.interlock.gate.released.v1"));
    }

    #[test]
    fn each_event_goes_once_and_only_to_who_handles_it() {
        let entries = vec![entry(1, "a"), fault(), entry(2, "b"), entry(3, "a")];
        let (events, skipped) = chosen(entries, &["io.interlock.record.changed.v1"]);
        let subjects: Vec<_> = events.iter().filter_map(AttributesReader::subject).collect();
        assert_eq!(subjects, ["prod:change_request:a", "prod:change_request:b"]);
        assert_eq!(skipped, 1);
    }

    #[test]
    fn what_comes_with_the_time_of_the_last_entry_is_shown_once() {
        let mut shown = shown_of("*");
        assert_eq!(shown.news(vec![entry(1, "a"), entry(1, "b")]).len(), 2);
        assert_eq!(shown.since, entry(1, "b").at);
        let news = shown.news(vec![entry(1, "a"), entry(1, "b"), entry(2, "a")]);
        assert_eq!(news.iter().map(|entry| entry.at).collect::<Vec<_>>(), [entry(2, "a").at]);
    }

    #[test]
    fn while_nothing_is_to_be_shown_the_looks_go_on_all_the_same() {
        let mut shown = shown_of("gate.*");
        assert!(shown.news(vec![entry(5, "a"), entry(9, "b")]).is_empty());
        assert_eq!(shown.since, entry(9, "b").at, "else each look would read all since the beginning");
        assert!(shown.news(Vec::new()).is_empty());
        assert_eq!(shown.since, entry(9, "b").at);
    }
}
