//! What has changed since, and whether what was read is still all there is.

use chrono::Utc;
use interlock_events::RecordChanged;
use interlock_rules::ChangeState;
use interlock_servicenow::{Known, Lane, Mark};
use interlock_simulators::servicenow::{Effect, Fault};
use std::time::Duration;

use crate::world::{World, key};

#[tokio::test]
async fn what_was_written_since_is_found_page_by_page_and_once_more_a_minute_long() {
    let world = World::new();
    for number in 0..1_201 {
        let id = format!("il1.aaaaaaaaaaaaaaaaaaaaaaaaaa.{number}");
        let ours = [("correlation_id", id.as_str()), ("correlation_display", "Interlock")];
        world.sim.insert("change_request", &ours).unwrap();
    }
    world
        .sim
        .insert("change_request", &[("correlation_id", "JIRA-12"), ("correlation_display", "Exalate")])
        .unwrap();
    let changed = world.client.changed_since(&Mark::before(Utc::now())).await.unwrap();
    let mut ids: Vec<_> = changed.rows.iter().map(|row| row.sys_id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), changed.rows.len(), changed.whole), (1_201, 1_201, true), "each of ours once");
    assert_eq!(world.asked("GET", "/api/now/table/change_request"), 3);
    let again = world.client.changed_since(&changed.mark).await.unwrap();
    assert_eq!(again.rows.len(), 1_201, "a row may be committed later than its time says");
}

#[tokio::test]
async fn a_flood_is_read_in_bounded_pieces_that_go_on_where_the_last_one_ended() {
    let world = World::new();
    for number in 0..4_100 {
        let id = format!("il1.aaaaaaaaaaaaaaaaaaaaaaaaaa.{number}");
        let ours = [("correlation_id", id.as_str()), ("correlation_display", "Interlock")];
        world.sim.insert("change_request", &ours).unwrap();
    }
    let first = world.client.changed_since(&Mark::before(Utc::now())).await.unwrap();
    assert_eq!((first.rows.len(), first.whole), (4_000, false));
    let second = world.client.changed_since(&first.mark).await.unwrap();
    assert_eq!((second.rows.len(), second.whole), (100, true));
    assert!(first.rows.iter().all(|row| !second.rows.contains(row)));
}

#[tokio::test]
async fn what_is_written_by_a_clock_that_is_behind_ours_is_found() {
    let world = World::new();
    world.sim.clock().set_skew(chrono::Duration::seconds(-1_800));
    let mut mark = Mark::before(Utc::now());
    mark = world.client.changed_since(&mark).await.unwrap().mark;
    world.created().await;
    assert_eq!(world.client.changed_since(&mark).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_decision_is_found_with_the_change_that_it_is_about() {
    let world = World::new();
    let change = world.created().await;
    world.client.move_to(&change.sys_id, ChangeState::Assess, &Default::default()).await.unwrap();
    let mark = Mark::before(Utc::now());
    assert_eq!(world.client.decided_since(&mark).await.unwrap().rows, [], "asking is no decision");
    world.sim.reject(&change.number, None, "not today").unwrap();
    let decided = world.client.decided_since(&mark).await.unwrap();
    let [decision] = &decided.rows[..] else { panic!("{decided:?}") };
    assert_eq!((decision.change.as_str(), &decision.key), (change.sys_id.as_str(), &Some(key().hash())));
    assert_eq!(
        (decision.approver.by.as_str(), decision.approver.state.as_str()),
        ("alice.approver", "rejected")
    );
}

#[tokio::test]
async fn a_hundred_changes_are_asked_for_by_their_numbers_in_one_short_address() {
    let world = World::new();
    let change = world.created().await;
    let mut numbers: Vec<String> = (0..150).map(|number| format!("CHG{number:07}")).collect();
    numbers[70].clone_from(&change.number);
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    world.sim.requests().clear();
    let rows = world.client.numbered(&numbers).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.sys_id.as_str()).collect::<Vec<_>>(), [change.sys_id.as_str()]);
    let asked = world.sim.requests().find(&Default::default());
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked.query.len() + 60 < 2_000), "{asked:?}");
    world.client.numbered(&["CHG1^ORactive=true"]).await.unwrap_err();
}

#[tokio::test]
async fn what_was_read_is_all_there_is_until_something_moves_or_the_store_forgets() {
    let world = World::new();
    let (client, hash) = (&world.client, key().hash());
    let change = world.created().await;
    let read = async || Known::of(&client.changes_of(&hash, Lane::Gate).await.unwrap()).unwrap();
    let keys = [hash.clone()];
    let began = Utc::now();
    let known = read().await;
    assert!(!client.is_as_read(&keys, &known).await, "nobody follows the changes");
    client.note_followed(began, "0", Duration::from_secs(60)).await;
    assert!(client.is_as_read(&keys, &known).await);
    let moved = client.move_to(&change.sys_id, ChangeState::Assess, &Default::default()).await;
    moved.unwrap();
    let changed = client.changed_since(&Mark::before(began)).await.unwrap();
    for row in &changed.rows {
        assert!(client.note_moved(&hash, row).await);
    }
    assert!(!client.is_as_read(&keys, &known).await, "it moved");
    let known = read().await;
    assert!(client.is_as_read(&keys, &known).await, "and was read since");
    client.note_decided(&hash, Utc::now()).await;
    assert!(!client.is_as_read(&keys, &known).await, "somebody decided");
    let to_write = Known::to_write(&client.changes_to_write(&keys, Lane::Gate).await.unwrap()).unwrap();
    assert!(client.is_as_read(&keys, &to_write).await, "which is nothing to who writes the change alone");
    world.store.flush();
    client.note_followed(began, "0", Duration::from_secs(60)).await;
    assert!(!client.is_as_read(&keys, &known).await, "what was written before the flush proves nothing");
    client.note_followed(Utc::now(), "1", Duration::from_secs(60)).await;
    assert!(!client.is_as_read(&keys, &known).await, "followed since, but read before");
    assert!(client.is_as_read(&keys, &read().await).await);
}

#[tokio::test]
async fn a_state_that_nobody_knows_and_a_clock_that_is_off_are_no_good_for_waiting() {
    for skewed in [false, true] {
        let world = World::new();
        world.created().await;
        match skewed {
            true => world.sim.clock().set_skew(chrono::Duration::seconds(-90)),
            false => world.sim.fault(Fault::forever(Effect::UnknownState { value: "7".into() })).unwrap(),
        }
        world
            .client
            .note_followed(Utc::now() - chrono::Duration::seconds(5), "0", Duration::from_secs(60))
            .await;
        let reading = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
        let known = Known::of(&reading).unwrap();
        assert!(!world.client.is_as_read(&[key().hash()], &known).await);
    }
}

#[tokio::test]
async fn a_hint_of_what_was_read_since_tells_nothing_and_one_without_a_version_always_may() {
    let world = World::new();
    let change = world.created().await;
    world.client.move_to(&change.sys_id, ChangeState::Assess, &Default::default()).await.unwrap();
    world.sim.approve(&change.number, None).unwrap();
    let reading = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    let (known, row) = (Known::of(&reading).unwrap(), &reading.rows[0]);
    let read: u64 = row.mod_count.parse().unwrap();
    let hint = |mod_count: &str| RecordChanged {
        connection: "servicenow".into(),
        table: "change_request".into(),
        sys_id: row.sys_id.clone(),
        mod_count: mod_count.into(),
        change_sys_id: row.sys_id.clone(),
        key_hash: None,
        state: None,
        updated: None,
    };
    assert!(known.tells(&hint(&read.to_string())) && known.tells(&hint("0")));
    assert!(!known.tells(&hint(&(read + 1).to_string())), "it is news");
    for odd in ["", "x", "2026-03-01 09:00:00", "2026-03-01T09:00:00+00:00"] {
        assert!(!known.tells(&hint(odd)), "{odd}");
    }
    let decided = row.approvers[0].at.unwrap();
    let approval = |updated| RecordChanged {
        table: "sysapproval_approver".into(),
        sys_id: row.approvers[0].sys_id.clone(),
        updated,
        ..hint("1")
    };
    assert!(known.tells(&approval(Some(decided))));
    let later = decided + chrono::Duration::seconds(1);
    assert!(!known.tells(&approval(Some(later))) && !known.tells(&approval(None)));
    let other = RecordChanged { sys_id: "0".repeat(32), change_sys_id: "0".repeat(32), ..hint("0") };
    assert!(!known.tells(&other), "it is another change");
}
