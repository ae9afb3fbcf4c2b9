//! Emergency and standard changes: each by its own path, a standard one by its template.

use std::collections::BTreeMap;

use interlock_rules::{ChangeState, ChangeType};
use interlock_servicenow::{Class, Lane, NewChange, NewKind};
use interlock_simulators::servicenow::seed::TEMPLATE;

use crate::world::{World, key, new_change};

const NAME: &str = "Clear BGP sessions on a Cisco router";

fn standard(template: &str) -> NewChange {
    NewChange {
        kind: NewKind::Standard { template: template.into() },
        assignment_group: None,
        ..new_change()
    }
}

async fn refused(world: &World, template: &str) -> String {
    let error = world.client.create(&standard(template)).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent, "{error}");
    assert!(error.is_of_our_input(), "it is not tried again: {error}");
    assert_eq!(world.sim.changes().len(), 0, "nothing was created");
    error.to_string()
}

#[tokio::test]
async fn an_emergency_change_is_one_and_goes_to_authorize_at_once() {
    let world = World::new();
    let change = NewChange { kind: NewKind::Emergency, ..new_change() };
    let row = world.client.create(&change).await.unwrap().row;
    assert_eq!(row.change_type, Some(ChangeType::Emergency));
    assert_eq!(world.asked("POST", "/api/sn_chg_rest/change/emergency"), 1);
    let moved = world.client.move_to(&row.sys_id, ChangeState::Authorize, &BTreeMap::new()).await.unwrap();
    assert_eq!(moved.state, Some(ChangeState::Authorize));
}

#[tokio::test]
async fn a_standard_change_is_made_from_its_template_by_name_or_id_and_shows_it() {
    let world = World::new();
    for template in [NAME, TEMPLATE] {
        let created = world.client.create(&standard(template)).await.unwrap();
        assert_eq!(created.ignored, [] as [&str; 0], "what the template owns is not sent");
        assert_eq!(created.row.change_type, Some(ChangeType::Standard));
    }
    let read = world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
    assert!(read.rows.iter().all(|row| row.template.as_deref() == Some(TEMPLATE)), "{read:?}");
    assert_eq!(world.asked("GET", "/api/sn_chg_rest/change/standard/template"), 1, "the id needs no look-up");
    let description = new_change().description;
    assert!(world.sim.changes().iter().all(|change| change["description"] != description.as_str()));
    assert!(world.client.has_note(&read.rows[0].sys_id, &description).await.unwrap(), "people still read it");
}

#[tokio::test]
async fn a_template_is_looked_up_once_by_its_name() {
    let world = World::new();
    for _ in 0..3 {
        assert_eq!(world.client.template_id(NAME).await.unwrap(), TEMPLATE);
    }
    assert_eq!(world.asked("GET", "/api/sn_chg_rest/change/standard/template"), 1);
}

#[tokio::test]
async fn a_template_that_is_absent_ambiguous_or_not_published_is_refused_with_the_cure() {
    let world = World::new();
    let said = refused(&world, "Clear nothing").await;
    assert!(
        said.contains("no standard change template named `Clear nothing`")
            && said.contains("correct the policy"),
        "{said}"
    );
    let said = refused(&world, &"0".repeat(32)).await;
    assert!(said.contains(&"0".repeat(32)) && said.contains("publish it, correct the policy"), "{said}");
    world.sim.insert("std_change_record_producer", &[("name", NAME), ("active", "true")]).unwrap();
    let said = refused(&world, NAME).await;
    assert!(
        said.contains("more than one standard change template") && said.contains("put the sys_id"),
        "{said}"
    );
    let said = refused(&world, "a^ORactive=true").await;
    assert!(said.contains("`^`"), "{said}");
}

#[tokio::test]
async fn a_change_that_does_not_show_its_template_shows_none() {
    let world = World::new();
    let sys_id = world.created().await.sys_id;
    let read = world.client.change(&sys_id, Lane::Gate).await.unwrap().unwrap();
    assert_eq!((read.change_type, &read.template), (Some(ChangeType::Normal), &None));
}
