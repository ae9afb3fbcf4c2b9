use cloudevents::AttributesReader as _;
use interlock_runtime::ports::clock::SystemClock;
use serde_json::json;
use tempfile::TempDir;

use super::*;

const WIDE: Bounds = Bounds { entries: 1_000, bytes: 1_000_000 };

fn event(id: &str) -> Event {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": "io.interlock.record.changed.v1",
        "datacontenttype": "application/json", "data": { "id": id },
    });
    serde_json::from_value(event).unwrap()
}

fn open(directory: &TempDir, bounds: Bounds) -> Arc<FileSpool> {
    FileSpool::open(directory.path(), bounds, Arc::new(SystemClock)).unwrap()
}

/// What a process that was killed now would leave behind, opened by its successor.
fn after_a_crash(directory: &TempDir) -> (TempDir, Arc<FileSpool>) {
    let copy = tempfile::tempdir().unwrap();
    for file in ["spool.sqlite3", "spool.sqlite3-wal"] {
        std::fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
    }
    let spool = open(&copy, WIDE);
    (copy, spool)
}

async fn ids(spool: &FileSpool) -> Vec<String> {
    let entries = spool.oldest(100).await.unwrap();
    entries
        .iter()
        .flat_map(|entry| entry.events.as_ref().unwrap())
        .map(|event| event.id().to_owned())
        .collect()
}

#[tokio::test]
async fn what_was_kept_outlives_a_crash_in_the_order_of_its_arrival() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, WIDE);
    spool.keep(&[event("a"), event("b")]).await.unwrap();
    spool.keep(&[event("c")]).await.unwrap();
    let (_copy, later) = after_a_crash(&directory);
    assert_eq!(ids(&later).await, ["a", "b", "c"]);
    assert_eq!((later.fill().entries, later.fill().bytes), (2, spool.fill().bytes));
    assert!(later.fill().oldest.is_some());
}

#[tokio::test]
async fn only_what_was_forgotten_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, WIDE);
    for id in ["a", "b", "c"] {
        spool.keep(&[event(id)]).await.unwrap();
    }
    let first = spool.oldest(2).await.unwrap();
    spool.forget(&[first[0].id, first[1].id]).await.unwrap();
    assert_eq!(ids(&spool).await, ["c"]);
    spool.forget(&[spool.oldest(1).await.unwrap()[0].id]).await.unwrap();
    assert_eq!(spool.fill(), Fill { has_room: true, ..Fill::default() });
}

#[tokio::test]
async fn neither_bound_is_crossed_and_there_is_room_again_afterwards() {
    let one = serde_json::to_vec(&[event("a")]).unwrap().len() as u64;
    for bounds in [Bounds { entries: 2, ..WIDE }, Bounds { bytes: 2 * one, ..WIDE }] {
        let directory = tempfile::tempdir().unwrap();
        let spool = open(&directory, bounds);
        spool.keep(&[event("a")]).await.unwrap();
        assert!(spool.fill().has_room);
        spool.keep(&[event("b")]).await.unwrap();
        assert!(!spool.fill().has_room);
        let full = spool.keep(&[event("c")]).await.unwrap_err();
        assert_eq!(full, SpoolError::Full { entries: 2, bytes: 2 * one });
        spool.forget(&[spool.oldest(1).await.unwrap()[0].id]).await.unwrap();
        spool.keep(&[event("c")]).await.unwrap();
        assert_eq!(ids(&spool).await, ["b", "c"]);
    }
}

#[tokio::test]
async fn what_is_set_aside_is_kept_and_tried_again_by_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, WIDE);
    spool.keep(&[event("a")]).await.unwrap();
    spool.keep(&[event("b")]).await.unwrap();
    spool.set_aside(spool.oldest(1).await.unwrap()[0].id, "too strange").await.unwrap();
    assert_eq!(ids(&spool).await, ["b"]);
    assert_eq!((spool.fill().entries, spool.fill().aside), (2, 1));
    let (_copy, later) = after_a_crash(&directory);
    assert_eq!(ids(&later).await, ["a", "b"]);
    assert_eq!(later.fill().aside, 0);
}

#[tokio::test]
async fn an_entry_that_is_no_event_says_so_and_hides_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, WIDE);
    spool.keep(&[event("a")]).await.unwrap();
    let garbage = "INSERT INTO entry (at, events) VALUES (1, x'7b')";
    spool.change(|file| Ok(file.execute_batch(garbage)?)).await.unwrap();
    spool.keep(&[event("b")]).await.unwrap();
    let entries = spool.oldest(10).await.unwrap();
    let readable: Vec<_> = entries.iter().map(|entry| entry.events.is_ok()).collect();
    assert_eq!(readable, [true, false, true]);
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(&directory, WIDE);
    let refused = FileSpool::open(directory.path(), WIDE, Arc::new(SystemClock)).err().unwrap().to_string();
    assert!(refused.contains(&format!("held by process {}", std::process::id())), "{refused}");
    assert!(refused.contains("a folder of its own"), "{refused}");
}

#[tokio::test]
async fn many_that_come_at_once_are_all_kept() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, WIDE);
    let all = (0..200).map(|number| {
        let spool = spool.clone();
        tokio::spawn(async move { spool.keep(&[event(&number.to_string())]).await })
    });
    for kept in all.collect::<Vec<_>>() {
        kept.await.unwrap().unwrap();
    }
    assert_eq!(spool.fill().entries, 200);
}
