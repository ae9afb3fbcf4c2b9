//! Creates with a `sys_id` of our choice: an instance may honour, ignore or refuse it.

use interlock_servicenow::{Class, Lane, NewChange, NewKind};
use interlock_simulators::servicenow::{Effect, Fault};

use crate::world::{World, key, new_change};

/// Any way in which an insert with an id that is taken may be refused.
const REFUSALS: [u16; 4] = [400, 403, 409, 500];

#[tokio::test]
async fn an_instance_that_honours_the_id_keeps_it_and_has_nothing_to_tell() {
    let world = World::choosing(|_| {});
    let created = world.client.create(&new_change()).await.unwrap();
    assert_eq!((created.row.sys_id, created.ignored), (key().chosen_sys_id(), vec![]));
}

#[tokio::test]
async fn one_that_gives_an_id_of_its_own_creates_the_change_all_the_same_and_that_is_told() {
    let world = World::choosing(|knobs| knobs.honour_chosen_sys_id = false);
    let created = world.client.create(&new_change()).await.unwrap();
    assert_ne!(created.row.sys_id, key().chosen_sys_id());
    assert_eq!(created.ignored, ["sys_id"]);
}

#[tokio::test]
async fn a_second_create_of_the_key_is_refused_by_the_instance_and_leads_to_the_first() {
    for status in REFUSALS {
        let world = World::choosing(|knobs| knobs.duplicate_sys_id_status = status);
        let first = world.client.create(&new_change()).await.unwrap().row;
        let error = world.client.create(&new_change()).await.unwrap_err();
        assert_eq!(error.class(), Class::UnknownOutcome, "{status}: {error}");
        assert!(error.to_string().contains(&first.number), "{status}: {error}");
        assert_eq!(world.sim.changes().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_create_that_was_carried_out_and_refused_is_not_taken_for_a_refusal() {
    let world = World::choosing(|_| {});
    world.sim.fault(Fault::once(Effect::CreateThen403).on_path("/change/normal")).unwrap();
    let error = world.client.create(&new_change()).await.unwrap_err();
    assert_eq!(error.class(), Class::UnknownOutcome, "{error}");
    let found = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    assert_eq!(found.rows.len(), 1);
}

#[tokio::test]
async fn an_id_that_was_given_to_another_deployment_is_not_waited_for() {
    for status in REFUSALS {
        let world = World::choosing(|knobs| knobs.duplicate_sys_id_status = status);
        let first = world.client.create(&new_change()).await.unwrap().row;
        world.sim.set(&first.number, &[("correlation_id", "il1.of-another")]).unwrap();
        let created = world.client.create(&new_change()).await.unwrap();
        assert_ne!(created.row.sys_id, key().chosen_sys_id(), "{status}");
        assert_eq!(created.row.correlation_id, new_change().correlation_id.as_str(), "{status}");
    }
}

#[tokio::test]
async fn a_refusal_of_something_else_stays_a_refusal() {
    let world = World::choosing(|_| {});
    world.sim.fault(Fault::once(Effect::Status { code: 400, body: None }).on_path("/change/normal")).unwrap();
    let error = world.client.create(&new_change()).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent, "{error}");
    assert_eq!(world.sim.changes().len(), 0);
}

#[tokio::test]
async fn a_standard_change_and_a_connection_that_does_not_choose_send_no_id() {
    let world = World::choosing(|_| {});
    let kind = NewKind::Standard { template: "Clear BGP sessions on a Cisco router".into() };
    let standard = NewChange { kind, assignment_group: None, ..new_change() };
    assert_ne!(world.client.create(&standard).await.unwrap().row.sys_id, key().chosen_sys_id());
    let world = World::new();
    assert_ne!(world.client.create(&new_change()).await.unwrap().row.sys_id, key().chosen_sys_id());
}
