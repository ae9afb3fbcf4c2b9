//! What a person does to the instance, for tests and the control plane alike.

use serde_json::{Value, json};

use super::api::Actor;
use super::control::ControlError;
use super::record::Record;
use super::world::World;
use super::{Account, ServiceNow, approvals, auth, change_api, change_tasks, changes, dictionary, seed};

const ACCOUNTS_MAX: usize = 10_000;

impl ServiceNow {
    /// Every change, all fields as stored.
    pub fn changes(&self) -> Vec<Value> {
        let world = self.lock();
        world.rows("change_request").map(|(_, row)| plain(row)).collect()
    }

    /// A change by number or sys_id, all fields as stored.
    pub fn change(&self, name: &str) -> Option<Value> {
        self.lock().change_named(name).map(plain)
    }

    /// Every record of a table, all fields as stored.
    pub fn records(&self, table: &str) -> Vec<Value> {
        self.lock().rows(table).map(|(_, row)| plain(row)).collect()
    }

    /// Answers yes as a user, or as whoever is asked. One level only.
    pub fn approve(&self, change: &str, user: Option<&str>) -> Result<(), ControlError> {
        self.with_world(|world| answer(world, change, user, "approved", ""))
    }

    /// Answers yes on every level that is asked.
    pub fn approve_all(&self, change: &str) -> Result<(), ControlError> {
        self.with_world(|world| {
            answer(world, change, None, "approved", "")?;
            while let Some(row) = world.change_named(change) {
                let sys_id = row.get("sys_id").to_owned();
                if approvals::open_rows(world, &sys_id).is_empty() {
                    break;
                }
                answer(world, change, None, "approved", "")?;
            }
            Ok(())
        })
    }

    /// Answers no as a user, or as whoever is asked.
    pub fn reject(&self, change: &str, user: Option<&str>, comments: &str) -> Result<(), ControlError> {
        self.with_world(|world| answer(world, change, user, "rejected", comments))
    }

    /// Takes a given approval back: the change waits on its first level again.
    pub fn revoke(&self, change: &str) -> Result<(), ControlError> {
        self.with_world(|world| {
            let sys_id = sys_id_of(world, change)?;
            approvals::revoke(world, &sys_id);
            Ok(())
        })
    }

    /// Submits a change for approval as a person, for the first time or again; earlier answers stay in its approvals.
    pub fn submit(&self, change: &str) -> Result<(), ControlError> {
        self.with_world(|world| {
            let sys_id = sys_id_of(world, change)?;
            approvals::submit(world, &sys_id);
            Ok(())
        })
    }

    /// Writes fields of a change as a person with every right, past the state model.
    pub fn set(&self, change: &str, fields: &[(&str, &str)]) -> Result<(), ControlError> {
        self.with_world(|world| {
            let sys_id = sys_id_of(world, change)?;
            let before = world.row("change_request", &sys_id).cloned().unwrap_or_default();
            let mut written = Record::of(fields);
            change_api::reset_conflicts(world, &before, &mut written);
            world.save("change_request", &sys_id, written, "person");
            if let Some((_, to)) = fields.iter().find(|(field, _)| *field == "state") {
                changes::note_move(world, &sys_id, before.get("state"), to);
                change_tasks::moved(world, &sys_id, to);
            }
            Ok(())
        })
    }

    /// Checks a change for conflicts, as a person does who opens it.
    pub fn check_conflicts(&self, change: &str) -> Result<(), ControlError> {
        self.with_world(|world| {
            let sys_id = sys_id_of(world, change)?;
            let started = change_api::start_conflict_check(world, &sys_id, "person");
            started.map(|_| ()).map_err(|error| ControlError::Refused(error.message))
        })
    }

    /// Adds a user who can log in and who is a member of these groups (sys_ids). Gives the user's sys_id.
    pub fn add_user(&self, account: Account, groups: &[&str]) -> Result<String, ControlError> {
        self.with_world(|world| {
            if world.accounts.len() >= ACCOUNTS_MAX {
                return Err(ControlError::TooMany("users"));
            }
            let user = seed::user(world, account);
            for group in groups {
                let member = Record::of(&[("group", group), ("user", &user)]);
                let added = world.add("sys_user_grmember", member, "admin");
                added.map_err(|error| ControlError::Refused(error.message))?;
            }
            Ok(user)
        })
    }

    /// Writes fields of a record of any table, as they are.
    pub fn update(&self, table: &str, sys_id: &str, fields: &[(&str, &str)]) -> Result<(), ControlError> {
        self.with_world(|world| {
            if world.row(table, sys_id).is_none() {
                return Err(ControlError::Refused(format!("no record {sys_id} in {table}")));
            }
            world.save(table, sys_id, Record::of(fields), "admin");
            Ok(())
        })
    }

    /// Adds a record to any table, as it is.
    pub fn insert(&self, table: &str, fields: &[(&str, &str)]) -> Result<String, ControlError> {
        if !dictionary::has_table(table) {
            return Err(ControlError::Refused(format!("no table {table}")));
        }
        self.with_world(|world| {
            let added = world.add(table, Record::of(fields), "admin");
            added.map_err(|error| ControlError::Refused(error.message))
        })
    }
}

fn plain(row: &Record) -> Value {
    row.iter().map(|(field, value)| (field.to_owned(), json!(value))).collect()
}

fn sys_id_of(world: &World, change: &str) -> Result<String, ControlError> {
    world
        .change_named(change)
        .map(|row| row.get("sys_id").to_owned())
        .ok_or_else(|| ControlError::NoSuchChange(change.to_owned()))
}

/// Answers the approval that waits for this user, or the first that waits for anybody.
pub(super) fn answer(
    world: &mut World,
    change: &str,
    user: Option<&str>,
    state: &str,
    comments: &str,
) -> Result<(), ControlError> {
    let sys_id = sys_id_of(world, change)?;
    let user = user
        .map(|name| {
            let known = auth::user_named(world, name);
            known.ok_or_else(|| ControlError::NoSuchUser(name.to_owned()))
        })
        .transpose()?;
    let (row, approver) = approvals::open_rows(world, &sys_id)
        .into_iter()
        .find(|(_, approver)| user.as_ref().is_none_or(|user| user.sys_id == *approver))
        .ok_or_else(|| ControlError::NobodyAsked(change.to_owned()))?;
    let name = world.row("sys_user", &approver).map(|row| row.get("user_name").to_owned());
    let actor =
        user.unwrap_or(Actor { user_name: name.unwrap_or_default(), sys_id: approver, roles: Vec::new() });
    let verdict = Record::of(&[("state", state), ("comments", comments)]);
    approvals::answer(world, &row, verdict, &actor).map_err(|error| ControlError::Refused(error.message))
}
