//! Creating, moving, closing, canceling, noting.

use std::collections::BTreeMap;

use chrono::{TimeZone, Utc};
use interlock_rules::{CANCELED_MARK, ChangeState};
use interlock_servicenow::{Class, Fault, Lane, NewChange};
use interlock_simulators::servicenow::{ResultShape, ValueTypes};
use serde_json::{Value, json};

use crate::world::{World, canned, key, new_change, plain_row};

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

#[tokio::test]
async fn a_create_sends_this_body() {
    let (http, client) = canned();
    http.json(200, &json!({ "result": [{ "sys_id": "b".repeat(32), "name": "payments-api" }] }))
        .json(200, &json!({ "result": plain_row(&"a".repeat(32)) }));
    let change = NewChange {
        assignment_group: Some("c".repeat(32)),
        cmdb_ci: Some("payments-api".into()),
        start: Some(Utc.with_ymd_and_hms(2026, 3, 1, 22, 0, 0).unwrap()),
        end: Some(Utc.with_ymd_and_hms(2026, 3, 2, 0, 0, 0).unwrap()),
        fields: [("category", "Software"), ("state", "-1"), ("sys_id", "x"), ("correlation_id", "x")]
            .map(|(field, text)| (field.to_owned(), text.to_owned()))
            .into(),
        ..new_change()
    };
    client.create(&change).await.unwrap();
    let asked = http.asked.lock().unwrap();
    let create = asked.last().unwrap();
    assert_eq!(create.uri().path(), "/api/sn_chg_rest/change/normal");
    let body: Value = serde_json::from_slice(create.body()).unwrap();
    insta::assert_json_snapshot!(body, @r#"
    {
      "assignment_group": "cccccccccccccccccccccccccccccccc",
      "category": "Software",
      "cmdb_ci": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
      "correlation_display": "Interlock",
      "correlation_id": "il1.rwqddrjo7ueeassklnhqodg7se.4f0c2a9be1d7.acme/payments-api production",
      "description": "Interlock holds this deployment until this change is approved.",
      "end_date": "2026-03-02 00:00:00",
      "short_description": "Deploy acme/payments-api 4f0c2a9be1d7 to production",
      "start_date": "2026-03-01 22:00:00"
    }
    "#);
}

#[tokio::test]
async fn whatever_shape_and_types_the_answer_has_it_is_the_same_row() {
    for shape in [ResultShape::Object, ResultShape::Array] {
        for types in [ValueTypes::Number, ValueTypes::Float, ValueTypes::String] {
            let world = World::with(|knobs| {
                knobs.chg_result_shape = shape;
                knobs.chg_value_types = types;
            });
            let created = world.client.create(&new_change()).await.unwrap();
            assert_eq!(created.ignored, [] as [&str; 0], "{shape:?} {types:?}");
            assert_eq!(created.row.state, Some(ChangeState::New));
            assert!(!created.row.on_hold && created.row.belongs_to(&key().hash()));
            let read = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
            assert_eq!(read.rows, [created.row], "both APIs tell the same");
        }
    }
}

#[tokio::test]
async fn what_the_instance_did_not_take_is_named() {
    let world = World::new();
    let fields =
        [("no_such_field".to_owned(), "x".to_owned()), ("work_notes".to_owned(), "hello".to_owned())];
    let change = NewChange { short_description: "long ".repeat(60), fields: fields.into(), ..new_change() };
    let created = world.client.create(&change).await.unwrap();
    assert_eq!(created.ignored, ["no_such_field", "short_description"]);
}

#[tokio::test]
async fn a_change_that_does_not_keep_its_correlation_is_canceled_at_once() {
    let (http, client) = canned();
    let mut lost = plain_row(&"a".repeat(32));
    lost["correlation_id"] = json!("");
    let mut canceled = lost.clone();
    canceled["state"] = json!("4");
    http.json(200, &json!({ "result": lost })).json(200, &json!({ "result": canceled }));
    let change = NewChange { assignment_group: None, ..new_change() };
    let error = client.create(&change).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(
        error.to_string().contains("CHG0030001") && error.to_string().contains("it was canceled"),
        "{error}"
    );
    assert_eq!(http.asked()[1].0, "PATCH");
}

#[tokio::test]
async fn an_answer_that_holds_another_record_proves_nothing() {
    let (http, client) = canned();
    http.json(200, &json!({ "result": plain_row(&"b".repeat(32)) }));
    let error = client.close(&"a".repeat(32), "successful", "done").await.unwrap_err();
    assert_eq!(error.class(), Class::UnknownOutcome);
}

#[tokio::test]
async fn a_group_is_looked_up_once_by_its_name() {
    let world = World::new();
    world.created().await;
    world.created().await;
    assert_eq!(world.asked("GET", "/api/now/table/sys_user_group"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_name_means_is_asked_again_after_ten_minutes() {
    let world = World::in_paused_time(|_| {});
    world.created().await;
    tokio::time::advance(std::time::Duration::from_secs(599)).await;
    world.created().await;
    assert_eq!(world.asked("GET", "/api/now/table/sys_user_group"), 1);
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    world.created().await;
    assert_eq!(world.asked("GET", "/api/now/table/sys_user_group"), 2, "the instance may be another's copy");
}

#[tokio::test]
async fn a_name_that_nobody_or_more_than_one_bears_is_refused_and_nothing_created() {
    let world = World::new();
    world.sim.insert("sys_user_group", &[("name", "Network"), ("active", "true")]).unwrap();
    for (name, cure) in
        [("Nobody", "correct the policy"), ("Network", "put the sys_id"), ("a^ORactive=true", "`^`")]
    {
        let change = NewChange { assignment_group: Some(name.into()), ..new_change() };
        let error = world.client.create(&change).await.unwrap_err();
        assert_eq!(error.class(), Class::Permanent);
        assert!(error.to_string().contains(cure), "{error}");
    }
    assert_eq!(world.sim.changes().len(), 0);
}

#[tokio::test]
async fn a_change_walks_to_closed() {
    let world = World::new();
    let id = world.created().await.sys_id;
    let assess = world.client.move_to(&id, ChangeState::Assess, &none()).await.unwrap();
    assert_eq!(assess.state, Some(ChangeState::Assess));
    world.sim.approve_all(&id).unwrap();
    let notes = BTreeMap::from([("work_notes".to_owned(), "the gate was released".to_owned())]);
    world.client.move_to(&id, ChangeState::Implement, &notes).await.unwrap();
    world.client.move_to(&id, ChangeState::Review, &none()).await.unwrap();
    let closed = world.client.close(&id, "successful", "all went well").await.unwrap();
    assert_eq!(closed.state, Some(ChangeState::Closed));
    let record = world.sim.change(&id).unwrap();
    assert_eq!(
        (&record["close_code"], &record["close_notes"]),
        (&json!("successful"), &json!("all went well"))
    );
    assert!(world.client.has_note(&id, "the gate was released").await.unwrap());
}

#[tokio::test]
async fn an_approval_that_comes_at_once_moves_the_change_on_within_the_answer() {
    let world = World::with(|knobs| knobs.approval_levels = 0);
    let id = world.created().await.sys_id;
    let row = world.client.move_to(&id, ChangeState::Assess, &none()).await.unwrap();
    assert!(row.state >= Some(ChangeState::Assess));
}

#[tokio::test]
async fn a_refused_step_says_what_the_state_model_allows() {
    let world = World::new();
    let id = world.created().await.sys_id;
    let error = world.client.move_to(&id, ChangeState::Implement, &none()).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    let said = error.to_string();
    assert!(said.contains("Business Rule") && said.contains("allows only"), "{said}");
}

#[tokio::test]
async fn a_refused_step_names_the_condition_that_is_missing() {
    let world = World::new();
    let id = world.created().await.sys_id;
    world.client.move_to(&id, ChangeState::Assess, &none()).await.unwrap();
    world.sim.approve_all(&id).unwrap();
    world.sim.set(&id, &[("on_hold", "true"), ("on_hold_reason", "freeze")]).unwrap();
    let error = world.client.move_to(&id, ChangeState::Implement, &none()).await.unwrap_err();
    assert!(error.to_string().contains("missing: Not On hold"), "{error}");
}

#[tokio::test]
async fn a_data_policy_names_the_field_that_is_missing() {
    let world = World::new();
    let change = NewChange { assignment_group: None, ..new_change() };
    let id = world.client.create(&change).await.unwrap().row.sys_id;
    let error = world.client.move_to(&id, ChangeState::Assess, &none()).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.to_string().contains("Assignment group"), "{error}");
}

#[tokio::test]
async fn a_step_that_was_ignored_without_a_word_is_no_success() {
    let (http, client) = canned();
    let id = "a".repeat(32);
    http.json(200, &json!({ "result": plain_row(&id) })).json(
        404,
        &json!({ "error": { "message": "No Record found", "detail": null }, "status": "failure" }),
    );
    let error = client.move_to(&id, ChangeState::Assess, &none()).await.unwrap_err();
    assert!(matches!(error.fault, Fault::NotTaken(_)), "{error:?}");
    assert!(
        error.to_string().contains("is in Some(New)") || error.to_string().contains("is in New"),
        "{error}"
    );
}

#[tokio::test]
async fn canceling_writes_state_note_and_mark_at_once() {
    let world = World::new();
    let id = world.created().await.sys_id;
    let before = world.asked("PATCH", "/api/sn_chg_rest");
    world.client.cancel(&id, "superseded by CHG0030002").await.unwrap();
    assert_eq!(world.asked("PATCH", "/api/sn_chg_rest") - before, 1);
    let record = world.sim.change(&id).unwrap();
    assert_eq!(record["state"], "4");
    assert_eq!(record["close_notes"], format!("superseded by CHG0030002\n{CANCELED_MARK}"));
    assert!(world.client.has_note(&id, "superseded by CHG0030002").await.unwrap());
}

#[tokio::test]
async fn a_note_is_written_once() {
    let world = World::new();
    let id = world.created().await.sys_id;
    assert!(world.client.note(&id, "[interlock:gate-released]", "The gate was released.").await.unwrap());
    assert!(!world.client.note(&id, "[interlock:gate-released]", "The gate was released.").await.unwrap());
    assert!(world.client.note(&id, "[interlock:other]", "Something else.").await.unwrap());
    let notes = world.sim.records("sys_journal_field");
    assert_eq!(notes.len(), 2);
    assert_eq!(
        notes.iter().filter(|note| note["value"].as_str().unwrap().contains("gate-released")).count(),
        1
    );
}

#[tokio::test]
async fn next_states_are_told_with_their_conditions() {
    let world = World::new();
    let id = world.created().await.sys_id;
    let next = world.client.next_states(&id).await.unwrap();
    let assess = next.iter().find(|next| next.state == Some(ChangeState::Assess)).unwrap();
    assert!(assess.available && assess.missing.is_empty());
    assert!(next.iter().all(|next| next.state != Some(ChangeState::Implement)));
}
