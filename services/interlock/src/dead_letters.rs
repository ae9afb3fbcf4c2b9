//! `dead-letters list | show | replay | edit | drop`: what could not be handled, by cause.

mod cause;
mod edit;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use interlock_broker::topology::WORKERS;
use interlock_events::{AttributesReader, Resolution};
use interlock_runtime::config::Config;
use interlock_runtime::ports::broker::DeadLetter;
use serde_json::{Value, json};

use crate::arguments::{DeadLetters, Which};
use crate::hand::{self, Resolve, Wish};
use crate::ports::{self, Bench};
use crate::say::{self, Tone};
use crate::words;

/// So many letters of a worker are looked at.
const LETTERS_MAX: usize = 10_000;

/// Carries out one of the five.
pub async fn run(wish: &DeadLetters, config: &Config) -> anyhow::Result<()> {
    let bench = ports::bench(config).await?;
    let done = carry_out(wish, config, &bench).await;
    if let Bench::Server(broker) = &bench {
        broker.close().await;
    }
    done
}

async fn carry_out(wish: &DeadLetters, config: &Config, bench: &Bench) -> anyhow::Result<()> {
    match wish {
        DeadLetters::List { worker, json } => list(worker.as_deref(), *json, bench).await,
        DeadLetters::Show { worker, id } => show(&letters(bench, worker).await?, worker, id),
        DeadLetters::Replay { worker, which } => {
            let done = resolve_all(config, bench, worker, which, Resolution::Replayed, "").await?;
            say::line(format_args!("{} with {worker} again", counted(done)));
            Ok(())
        }
        DeadLetters::Drop { worker, which, reason } => {
            let done = resolve_all(config, bench, worker, which, Resolution::Dropped, reason).await?;
            say::line(format_args!("{} dropped; the log keeps what and why", counted(done)));
            Ok(())
        }
        DeadLetters::Edit { worker, id, file, set } => {
            let letters = letters(bench, worker).await?;
            let letter = find(&letters, worker, id)?;
            let mended = match file {
                Some(file) => edit::from_file(worker, letter, file)?,
                None if !set.is_empty() => edit::set(worker, letter, set)?,
                None => edit::by_hand(worker, letter)?,
            };
            let resolve = Resolve {
                edited: Some(mended.event),
                changed: mended.changed.clone(),
                ..wish_of(worker, id, Resolution::Edited, "")
            };
            one(config, bench, resolve).await?;
            for change in &mended.changed {
                say::line(format_args!("  {change}"));
            }
            say::line(format_args!("{id} is with {worker} again, mended; the log keeps what was changed"));
            Ok(())
        }
    }
}

fn counted(letters: usize) -> String {
    if letters == 1 { "1 letter is".to_owned() } else { format!("{letters} letters are") }
}

fn wish_of(worker: &str, id: &str, how: Resolution, reason: &str) -> Resolve {
    let (worker, id, reason) = (worker.to_owned(), id.to_owned(), reason.to_owned());
    Resolve { worker, id, how, edited: None, changed: Vec::new(), reason }
}

async fn one(config: &Config, bench: &Bench, resolve: Resolve) -> anyhow::Result<()> {
    let missing = format!("{} has no dead letter {}", resolve.worker, resolve.id);
    ensure!(hand::carry_out(config, bench, &Wish::Resolve(Box::new(resolve))).await?, missing);
    Ok(())
}

/// One after the other: what a kill half-way leaves is still there, and the same command goes on.
async fn resolve_all(
    config: &Config,
    bench: &Bench,
    worker: &str,
    which: &Which,
    how: Resolution,
    reason: &str,
) -> anyhow::Result<usize> {
    let letters = letters(bench, worker).await?;
    let chosen = chosen(&letters, worker, which)?;
    for id in &chosen {
        one(config, bench, wish_of(worker, id, how, reason)).await?;
    }
    Ok(chosen.len())
}

fn chosen(letters: &[DeadLetter], worker: &str, which: &Which) -> anyhow::Result<Vec<String>> {
    let ids = |keep: &dyn Fn(&&DeadLetter) -> bool| -> Vec<String> {
        letters.iter().filter(keep).map(|letter| letter.id.clone()).collect()
    };
    match which {
        Which { id: Some(id), .. } => Ok(vec![id.clone()]),
        Which { cause: Some(cause), .. } => {
            let wanted = cause::of(cause);
            let of_it = ids(&|letter| cause::of(&letter.reason).contains(&wanted));
            ensure!(!of_it.is_empty(), "{worker} has no dead letter whose cause holds `{cause}`");
            Ok(of_it)
        }
        _ => Ok(ids(&|_| true)),
    }
}

async fn letters(bench: &Bench, worker: &str) -> anyhow::Result<Vec<DeadLetter>> {
    if !WORKERS.iter().any(|known| known.name == worker) {
        let known: Vec<&str> = WORKERS.iter().map(|known| known.name).collect();
        bail!("no worker is named {worker}; there are {}", known.join(", "));
    }
    Ok(match bench {
        Bench::File(file) => file.dead_letters(worker, LETTERS_MAX)?,
        Bench::Server(broker) => broker.dead_letters(worker, LETTERS_MAX).await?,
    })
}

async fn list(worker: Option<&str>, json: bool, bench: &Bench) -> anyhow::Result<()> {
    let mut total = 0;
    for name in WORKERS.iter().map(|known| known.name).filter(|name| worker.is_none_or(|only| only == *name))
    {
        let letters = letters(bench, name).await?;
        total += letters.len();
        for (cause, letters) in by_cause(&letters) {
            if json {
                letters.iter().for_each(|letter| say::line(as_json(name, letter)));
            } else {
                print(name, &cause, &letters);
            }
        }
    }
    if !json && total == 0 {
        say::line("no dead letters");
    }
    Ok(())
}

/// The most frequent cause first.
fn by_cause(letters: &[DeadLetter]) -> Vec<(String, Vec<&DeadLetter>)> {
    let mut causes: BTreeMap<String, Vec<&DeadLetter>> = BTreeMap::new();
    for letter in letters {
        causes.entry(cause::of(&letter.reason)).or_default().push(letter);
    }
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(_, letters)| std::cmp::Reverse(letters.len()));
    causes
}

/// Letters of one cause stand below it, the newest reason in full.
fn print(worker: &str, cause: &str, letters: &[&DeadLetter]) {
    say::line(format_args!("{worker}: {} × {}", letters.len(), say::toned(Tone::Bad, cause)));
    for letter in letters {
        let about = match &letter.event {
            Ok(event) => format!("{} of {}", words::short(event.ty()), event.subject().unwrap_or("nothing")),
            Err(unreadable) => format!("no event: {}", unreadable.reason),
        };
        let at = letter.at.map(|at| at.format("%Y-%m-%d %H:%M:%S ").to_string()).unwrap_or_default();
        say::line(format_args!("  {}  {at}{about}, attempts {}", letter.id, letter.attempts));
    }
    if let Some(last) = letters.last().filter(|last| last.reason != cause) {
        say::line(say::toned(Tone::Faint, &format!("  last: {}", last.reason)));
    }
}

fn find<'a>(letters: &'a [DeadLetter], worker: &str, id: &str) -> anyhow::Result<&'a DeadLetter> {
    let letter = letters.iter().find(|letter| letter.id == id);
    letter.with_context(|| format!("{worker} has no dead letter {id}"))
}

fn show(letters: &[DeadLetter], worker: &str, id: &str) -> anyhow::Result<()> {
    let letter = find(letters, worker, id)?;
    say::line(serde_json::to_string_pretty(&as_json(worker, letter))?);
    Ok(())
}

fn as_json(worker: &str, letter: &DeadLetter) -> Value {
    let event = match &letter.event {
        Ok(event) => json!(event),
        Err(unreadable) => json!({ "unreadable": unreadable.reason, "bytes": unreadable.bytes.len() }),
    };
    json!({
        "worker": worker,
        "id": letter.id,
        "cause": cause::of(&letter.reason),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "at": letter.at,
        "event": event,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use interlock_runtime::ports::broker::Unreadable;

    use super::*;

    fn letters() -> Vec<DeadLetter> {
        let reasons = ["CHG1 is gone (404)", "no group", "CHG2 is gone (404)"];
        let letter = |(id, reason): (usize, &&str)| DeadLetter {
            id: id.to_string(),
            event: Err(Unreadable { bytes: Bytes::new(), reason: "x".into() }),
            reason: (*reason).to_owned(),
            attempts: 1,
            at: None,
        };
        reasons.iter().enumerate().map(letter).collect()
    }

    #[test]
    fn letters_are_grouped_by_cause_the_most_frequent_first() {
        let letters = letters();
        let causes = by_cause(&letters);
        let counts: Vec<_> = causes.iter().map(|(cause, of_it)| (cause.as_str(), of_it.len())).collect();
        assert_eq!(counts, [("# is gone (#)", 2), ("no group", 1)]);
    }

    #[test]
    fn a_cause_is_chosen_by_its_own_words_or_by_one_reason_of_it() {
        let choose = |cause: &str| {
            let which = Which { id: None, all: false, cause: Some(cause.to_owned()) };
            chosen(&letters(), "change-worker", &which).ok()
        };
        for cause in ["# is gone (#)", "CHG7 is gone (404)", "is gone"] {
            assert_eq!(choose(cause).unwrap(), ["0", "2"], "{cause}");
        }
        assert_eq!(choose("nothing like it"), None);
        let all = Which { id: None, all: true, cause: None };
        assert_eq!(chosen(&letters(), "change-worker", &all).unwrap().len(), 3);
    }
}
