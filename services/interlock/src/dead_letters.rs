//! `dead-letters list | show | replay`: what could not be handled, with its reason.

mod replay;

use anyhow::{Context as _, bail};
use interlock_broker::topology::WORKERS;
use interlock_events::AttributesReader;
use interlock_runtime::config::Config;
use interlock_runtime::ports::broker::DeadLetter;
use serde_json::{Value, json};

use crate::arguments::DeadLetters;
use crate::ports::{self, Bench};
use crate::say::{self, Tone};
use crate::words;

/// So many letters of a worker are looked at.
const LETTERS_MAX: usize = 10_000;

/// Carries out one of the three.
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
        DeadLetters::Replay { worker, id: Some(id), .. } => {
            replay::one(config, bench, worker, id).await?;
            say::line(format_args!("{id} is with {worker} again"));
            Ok(())
        }
        DeadLetters::Replay { worker, id: None, .. } => {
            let letters = letters(bench, worker).await?;
            for letter in &letters {
                replay::one(config, bench, worker, &letter.id).await?;
            }
            say::line(format_args!("{} letters are with {worker} again", letters.len()));
            Ok(())
        }
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
        let mut letters = letters(bench, name).await?;
        total += letters.len();
        letters.sort_by(|a, b| a.reason.cmp(&b.reason));
        for (index, letter) in letters.iter().enumerate() {
            if json {
                say::line(as_json(name, letter));
            } else {
                let same_cause = index > 0 && letters[index - 1].reason == letter.reason;
                print(name, letter, same_cause);
            }
        }
    }
    if !json && total == 0 {
        say::line("no dead letters");
    }
    Ok(())
}

/// Letters of one cause stand below it.
fn print(worker: &str, letter: &DeadLetter, same_cause: bool) {
    if !same_cause {
        say::line(format_args!("{worker}: {}", say::toned(Tone::Bad, &letter.reason)));
    }
    let about = match &letter.event {
        Ok(event) => format!("{} of {}", words::short(event.ty()), event.subject().unwrap_or("nothing")),
        Err(unreadable) => format!("no event: {}", unreadable.reason),
    };
    let at = letter.at.map(|at| at.format("%Y-%m-%d %H:%M:%S ").to_string()).unwrap_or_default();
    say::line(format_args!("  {}  {at}{about}, attempts {}", letter.id, letter.attempts));
}

fn show(letters: &[DeadLetter], worker: &str, id: &str) -> anyhow::Result<()> {
    let letter = letters.iter().find(|letter| letter.id == id);
    let letter = letter.with_context(|| format!("{worker} has no dead letter {id}"))?;
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
        "reason": letter.reason,
        "attempts": letter.attempts,
        "at": letter.at,
        "event": event,
    })
}
