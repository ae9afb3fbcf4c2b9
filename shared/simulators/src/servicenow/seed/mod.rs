//! What a fresh instance holds: users, groups, a CI and a standard template, with the sys_ids of the
//! vendor's demo data where other clients expect them.

mod platform;

pub use platform::MODELS;

use super::approvals::CAB;
use super::options::Account;
use super::record::Record;
use super::world::World;

/// Sys_id of the group "Change Management".
pub const CHANGE_MANAGEMENT: &str = "a715cd759f2002002920bde8132e7018";
/// Sys_id of the group "Network".
pub const NETWORK: &str = "287ebd7da9fe198100f92cc8d1d2154e";
/// Sys_id of the group "CAB Approval".
pub const CAB_APPROVAL: &str = "b85d44954a3623120004689b2d5dd60a";
/// Sys_id of the CI "payments-api".
pub const PAYMENTS_API: &str = "3a290cc60a0a0bb400000bdb386af1cf";
/// Sys_id of the standard template.
pub const TEMPLATE: &str = "508e02ec47410200e90d87e8dee49058";
/// Sys_id of the current version of the standard template.
pub const TEMPLATE_VERSION: &str = "16c2273c47010200e90d87e8dee49006";

/// Fills an empty world.
pub(super) fn fill(world: &mut World, accounts: &[Account]) {
    users(world, accounts);
    let groups = [
        (CHANGE_MANAGEMENT, "Change Management", Some("alice.approver")),
        (CAB_APPROVAL, CAB, Some("bob.cab")),
        (NETWORK, "Network", None),
    ];
    for (sys_id, name, member) in groups {
        group(world, sys_id, name, member);
    }
    put(world, "cmdb_ci", &[("sys_id", PAYMENTS_API), ("name", "payments-api"), ("install_status", "1")]);
    template(world);
    platform::fill(world);
}

fn users(world: &mut World, accounts: &[Account]) {
    for account in accounts {
        user(world, account.clone());
    }
}

/// Adds an account and its record; gives its sys_id.
pub(super) fn user(world: &mut World, mut account: Account) -> String {
    if account.sys_id.is_empty() {
        account.sys_id = world.new_id();
    }
    let email = format!("{}@example.com", account.user_name);
    let zone = world.knobs.user_time_zone.clone().unwrap_or_else(|| "GMT".to_owned());
    let fields = [
        ("sys_id", account.sys_id.as_str()),
        ("user_name", &account.user_name),
        ("name", &account.name),
        ("email", &email),
        ("active", "true"),
        ("locked_out", "false"),
        ("time_zone", &zone),
        ("user_password", super::shapes::STARS),
    ];
    put(world, "sys_user", &fields);
    let sys_id = account.sys_id.clone();
    world.accounts.push(account);
    sys_id
}

fn group(world: &mut World, sys_id: &str, name: &str, member: Option<&str>) {
    put(world, "sys_user_group", &[("sys_id", sys_id), ("name", name), ("active", "true")]);
    let account = world.accounts.iter().find(|known| Some(known.user_name.as_str()) == member);
    if let Some(user) = account.map(|known| known.sys_id.clone()) {
        put(world, "sys_user_grmember", &[("group", sys_id), ("user", &user)]);
    }
}

fn template(world: &mut World) {
    let name = "Clear BGP sessions on a Cisco router";
    put(
        world,
        "std_change_record_producer",
        &[
            ("sys_id", TEMPLATE),
            ("name", name),
            ("short_description", name),
            ("description", "Clears the sessions of one router"),
            ("implementation_plan", "Clear the sessions, one after another"),
            ("backout_plan", "None needed"),
            ("test_plan", "Look at the routing table"),
            ("assignment_group", NETWORK),
            ("current_version", TEMPLATE_VERSION),
            ("active", "true"),
        ],
    );
    let version = format!("{name} - 1");
    put(
        world,
        "std_change_producer_version",
        &[("sys_id", TEMPLATE_VERSION), ("name", &version), ("std_change_producer", TEMPLATE)],
    );
}

fn put(world: &mut World, table: &str, fields: &[(&str, &str)]) {
    if world.add(table, Record::of(fields), "system").is_err() {
        tracing::warn!(table, "two seeded records share a sys_id, the second is left out");
    }
}
