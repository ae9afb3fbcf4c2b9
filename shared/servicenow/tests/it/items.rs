//! Configuration items, on the wire.

use std::collections::BTreeMap;

use interlock_servicenow::Class;
use interlock_simulators::servicenow::seed::PAYMENTS_API;
use interlock_simulators::servicenow::{Effect, Fault};

use crate::world::World;

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn an_item_is_written_in_the_table_of_its_class_and_left_alone_where_it_says_so_already() {
    let world = World::new();
    let item = world.sim.insert("cmdb_ci_appl", &[("name", "router-tools")]).unwrap();
    let wanted = fields(&[("version", "7"), ("install_directory", "/opt/7")]);
    let updated = world.client.update_item(&item, &wanted).await.unwrap();
    assert_eq!((updated.class.as_str(), updated.name.as_str()), ("cmdb_ci_appl", "router-tools"));
    assert!(updated.written && updated.ignored.is_empty(), "{updated:?}");
    let row = world.sim.records("cmdb_ci_appl").remove(0);
    assert_eq!((&row["version"], &row["install_directory"]), (&"7".into(), &"/opt/7".into()));
    let again = world.client.update_item(&item, &fields(&[("version", "7")])).await.unwrap();
    assert!(!again.written);
    assert_eq!(world.asked("PATCH", "/api/now/table/cmdb_ci_appl"), 1);
}

#[tokio::test]
async fn what_the_instance_does_not_take_of_an_item_is_named() {
    let world = World::new();
    world.sim.fault(Fault::forever(Effect::AclIgnoreWrite { field: "u_commit".into() })).unwrap();
    let wanted = fields(&[("version", "7"), ("u_commit", "abc"), ("no_such_field", "x")]);
    let updated = world.client.update_item(PAYMENTS_API, &wanted).await.unwrap();
    assert_eq!(updated.ignored, ["no_such_field", "u_commit"]);
}

#[tokio::test]
async fn an_item_that_is_not_shown_is_told_with_the_cure() {
    let world = World::new();
    let error = world.client.update_item(&"e".repeat(32), &fields(&[("version", "7")])).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.to_string().contains("let the integration user read cmdb_ci"), "{error}");
}
