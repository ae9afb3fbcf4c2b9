//! Mending a dead letter's event: its data may change, what it is and whom it is about may not.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use interlock_broker::topology::WORKERS;
use interlock_events::{AttributesReader, Event, catalogue};
use interlock_runtime::ports::broker::DeadLetter;
use serde_json::Value;

/// As many changes are recorded, each cut to so many characters.
const CHANGES_MAX: usize = 20;
const CHANGE_CHARS_MAX: usize = 200;

/// A mended event, and what differs.
#[derive(Debug)]
pub struct Mended {
    /// The event.
    pub event: Event,
    /// `path: old → new`.
    pub changed: Vec<String>,
}

/// The letter's event with these `path=json` set in its data.
pub fn set(worker: &str, letter: &DeadLetter, assignments: &[String]) -> anyhow::Result<Mended> {
    let Ok(event) = &letter.event else { bail!("it is no event: give a whole one with --file") };
    let mut whole = serde_json::to_value(event)?;
    let mut pointers = Vec::new();
    for assignment in assignments {
        let (path, value) = assignment.split_once('=').context("write --set path=json")?;
        let pointer = format!("/data/{}", path.trim_matches('/').replace('.', "/"));
        assign(&mut whole, &pointer, json_or_text(value))?;
        pointers.push(pointer);
    }
    let mended = check(worker, letter, whole.clone())?;
    let known = known_data(&mended.event)?;
    for pointer in pointers {
        let within = pointer.trim_start_matches("/data");
        let is = known.pointer(within).unwrap_or(&Value::Null);
        let wanted = whole.pointer(&pointer).unwrap_or(&Value::Null);
        ensure!(is == wanted, "{} has no field {within}", mended.event.ty());
    }
    Ok(mended)
}

/// The letter's event as a file has it.
pub fn from_file(worker: &str, letter: &DeadLetter, file: &Path) -> anyhow::Result<Mended> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let whole = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    check(worker, letter, whole)
}

/// The letter's event as a person leaves it in `$EDITOR`.
pub fn by_hand(worker: &str, letter: &DeadLetter) -> anyhow::Result<Mended> {
    let editor = std::env::var("EDITOR").ok().filter(|editor| !editor.trim().is_empty());
    let editor = editor.context("no EDITOR is set: set it, or use --file or --set")?;
    let mut file = tempfile::Builder::new().prefix("interlock-letter-").suffix(".json").tempfile()?;
    match &letter.event {
        Ok(event) => serde_json::to_writer_pretty(&mut file, event)?,
        Err(unreadable) => file.write_all(&unreadable.bytes)?,
    }
    file.flush()?;
    // EDITOR may hold arguments; the shell splits them (POSIX, "sh", environment variables).
    let command = format!("{editor} \"$1\"");
    let ended = std::process::Command::new("sh").args(["-c", &command, "sh"]).arg(file.path()).status();
    ensure!(ended.context("cannot run EDITOR")?.success(), "the editor failed: nothing was changed");
    from_file(worker, letter, file.path())
}

fn assign(whole: &mut Value, pointer: &str, value: Value) -> anyhow::Result<()> {
    if let Some(place) = whole.pointer_mut(pointer) {
        *place = value;
        return Ok(());
    }
    let (above, name) = pointer.rsplit_once('/').context("an empty path")?;
    let above = whole.pointer_mut(above).and_then(Value::as_object_mut);
    let above = above.with_context(|| format!("there is no {pointer}"))?;
    above.insert(name.to_owned(), value);
    Ok(())
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn check(worker: &str, letter: &DeadLetter, whole: Value) -> anyhow::Result<Mended> {
    let event: Event = serde_json::from_value(whole.clone()).context("this is no CloudEvent")?;
    let types = WORKERS.iter().find(|known| known.name == worker).map_or(&[][..], |known| known.types);
    ensure!(types.contains(&event.ty()), "{worker} does not handle {}", event.ty());
    let subject = checked(&event)?.subject;
    ensure!(
        event.subject() == Some(&*subject),
        "the data is about {subject}, the event about {}: a letter cannot become one of another deployment",
        event.subject().unwrap_or("nothing")
    );
    let Ok(original) = &letter.event else {
        return Ok(Mended { event, changed: vec!["it was no event".to_owned()] });
    };
    let before = serde_json::to_value(original)?;
    for attribute in ["specversion", "id", "source", "type", "subject"] {
        ensure!(before[attribute] == whole[attribute], "`{attribute}` must stay as it was");
    }
    let mut changed = Vec::new();
    differences("", &before["data"], &whole["data"], &mut changed);
    ensure!(!changed.is_empty(), "nothing was changed; `dead-letters replay` gives it back as it is");
    Ok(Mended { event, changed })
}

fn checked(event: &Event) -> anyhow::Result<interlock_events::Checked> {
    let entry = catalogue().into_iter().find(|entry| entry.ty == event.ty());
    Ok(entry.with_context(|| format!("there is no event type {}", event.ty()))?.check(event)?)
}

fn known_data(event: &Event) -> anyhow::Result<Value> {
    checked(event).map(|checked| checked.data)
}

fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    if before == after || found.len() >= CHANGES_MAX {
        return;
    }
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let value = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
            differences(&format!("{path}/{name}"), &value(old), &value(new), found);
        }
        return;
    }
    found.push(format!("{path}: {before} → {after}").chars().take(CHANGE_CHARS_MAX).collect());
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use interlock_events::{RecordChanged, event};
    use interlock_runtime::ports::broker::Unreadable;

    use super::*;

    const WORKER: &str = "approval-worker";

    fn letter() -> DeadLetter {
        let fact = RecordChanged {
            connection: "prod".into(),
            table: "change_request".into(),
            sys_id: "1".into(),
            mod_count: "7".into(),
            change_sys_id: "1".into(),
            key_hash: None,
            state: None,
            updated: None,
        };
        let event = Ok(event("/s", DateTime::UNIX_EPOCH, &fact));
        DeadLetter { id: "3".into(), event, reason: "broken".into(), attempts: 10, at: None }
    }

    fn said(assignments: &[&str]) -> String {
        let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
        format!("{:#}", set(WORKER, &letter(), &assignments).unwrap_err())
    }

    #[test]
    fn a_field_is_set_and_what_was_there_is_kept() {
        let assignments = ["change_sys_id=\"2\"".to_owned(), "/mod_count=nine".to_owned()];
        let mended = set(WORKER, &letter(), &assignments).unwrap();
        assert_eq!(mended.changed, [r#"/change_sys_id: "1" → "2""#, r#"/mod_count: "7" → "nine""#]);
        let original = letter().event.unwrap();
        assert_eq!(mended.event.id(), original.id(), "the same fact, mended");
    }

    #[test]
    fn what_does_not_fit_its_type_is_refused() {
        assert!(said(&["mod_count=9"]).contains("mod_count") || said(&["mod_count=9"]).contains("string"));
        assert!(said(&["mod_kount=\"9\""]).contains("has no field /mod_kount"));
        assert!(said(&["sys_id=\"other\""]).contains("another deployment"));
        assert!(said(&["mod_count=\"7\""]).contains("nothing was changed"));
        assert!(said(&["mod_count"]).contains("path=json"));
    }

    #[test]
    fn what_an_event_is_stays() {
        for (attribute, value) in [("id", "x"), ("type", "io.interlock.gate.lost.v1"), ("source", "/t")] {
            let mut whole = serde_json::to_value(letter().event.unwrap()).unwrap();
            whole[attribute] = value.into();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), whole.to_string()).unwrap();
            from_file(WORKER, &letter(), file.path()).unwrap_err();
        }
    }

    #[test]
    fn bytes_that_are_no_event_are_replaced_by_a_whole_one() {
        let bytes = bytes::Bytes::from_static(b"\xff");
        let event = Err(Unreadable { bytes, reason: "no JSON".into() });
        let poison = DeadLetter { event, ..letter() };
        assert!(set(WORKER, &poison, &["a=1".to_owned()]).is_err());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), serde_json::to_string(&letter().event.unwrap()).unwrap()).unwrap();
        assert_eq!(from_file(WORKER, &poison, file.path()).unwrap().event, letter().event.unwrap());
    }
}
