//! The order of questions: each later one makes sense only if those before it were answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use interlock_runtime::config::{Config, Faults};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::Http;

use super::ask::Asker;
use super::finding::{Check, Examination, Verdict};
use super::readings::{Heard, Readings, Wishes, field};
use super::{judge, questions, written};
use crate::connections;
use crate::query::Address;
use crate::settings::{Auth, Settings};

/// Examines one connection.
pub struct Doctor {
    name: String,
    settings: Settings,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
}

/// Is told what is looked at next.
pub type Progress<'a> = &'a mut (dyn FnMut(Check) + Send);

impl Doctor {
    /// Of the connection `name`.
    #[must_use]
    pub fn new(name: &str, settings: Settings, http: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Self {
        Self { name: name.to_owned(), settings, http, clock }
    }

    /// One for each connection of kind `servicenow`.
    ///
    /// # Errors
    /// Every fault in these connections' sections.
    pub fn all(config: &Config, http: &Arc<dyn Http>, clock: &Arc<dyn Clock>) -> Result<Vec<Self>, Faults> {
        let sections = connections::sections(config)?.into_iter();
        let doctor =
            |(name, settings): (String, Settings)| Self::new(&name, settings, http.clone(), clock.clone());
        Ok(sections.map(|(connection, settings)| (connection.name.clone(), settings)).map(doctor).collect())
    }

    /// Name of the connection.
    #[must_use]
    pub fn connection(&self) -> &str {
        &self.name
    }

    /// What can be known without a call: whom we say we are, where two of the same share their rights.
    #[must_use]
    pub fn identity(&self) -> (String, String) {
        let who = match &self.settings.auth {
            Auth::Basic { username, .. } => format!("user {username}"),
            Auth::Oauth { client_id, .. } => format!("client {client_id}"),
            Auth::ApiKey { key } => format!("key {key}"),
        };
        (self.settings.base_url.authority().to_owned(), who)
    }

    /// Examines it for what the policies want of it. With `write` it also opens a change that is a test by
    /// its name, reads it back and cancels it.
    pub async fn examine(&self, wishes: &Wishes, write: bool, progress: Progress<'_>) -> Examination {
        let mut asker = Asker::new(&self.settings, self.http.clone(), self.clock.clone());
        let mut verdicts = Vec::new();
        let mut user = None;
        if let Some(heard) = self.let_in(&mut asker, &mut verdicts, progress).await {
            user = heard.first().map(|row| field(row, "user_name")).filter(|name| !name.is_empty());
            let readings = self.read(&mut asker, heard, wishes, progress).await;
            verdicts.extend(judge::all(&readings, wishes));
            if write {
                progress(Check::TestChange);
                let ids = resolved(&readings, wishes);
                let written = written::write(&mut asker, &*self.clock, wishes, ids, &self.settings).await;
                verdicts.push(judge::written(&written, &self.settings));
            }
            verdicts.push(judge::clock(&asker.habits));
            verdicts.push(judge::limits(&asker.habits));
        }
        let instance = self.settings.base_url.as_str().to_owned();
        Examination { connection: self.name.clone(), instance, user, calls: asker.calls, verdicts }
    }

    /// Whether the API answers and knows us; what it shows of us.
    async fn let_in(
        &self,
        asker: &mut Asker,
        verdicts: &mut Vec<Verdict>,
        progress: Progress<'_>,
    ) -> Option<Heard> {
        progress(Check::Reach);
        let reach = judge::reach(&asker.anybody(&questions::anybody()).await);
        let reached = reach.findings.is_empty();
        verdicts.push(reach);
        if !reached {
            return None;
        }
        progress(Check::LogIn);
        let token = asker.log_in().await;
        let heard = match &token {
            Ok(_) => asker.get(&questions::user(self.user_name())).await,
            Err(_) => Heard::NotAsked("there is no access token".to_owned()),
        };
        let log_in = judge::log_in(token.err().as_ref(), &heard, &self.settings.auth);
        let known = log_in.findings.is_empty();
        verdicts.push(log_in);
        known.then_some(heard)
    }

    fn user_name(&self) -> Option<&str> {
        match &self.settings.auth {
            Auth::Basic { username, .. } => Some(username),
            _ => None,
        }
    }

    async fn read(
        &self,
        asker: &mut Asker,
        user: Heard,
        wishes: &Wishes,
        progress: Progress<'_>,
    ) -> Readings {
        let mut readings = Readings::unasked(&self.settings, user);
        self.read_records(asker, &mut readings, progress).await;
        read_demands(asker, &mut readings, wishes, progress).await;
        progress(Check::Groups);
        readings.groups = names(asker, wishes, "sys_user_group", |policy| policy.group.as_deref()).await;
        readings.items = names(asker, wishes, "cmdb_ci", |policy| policy.item.as_deref()).await;
        readings.templates =
            names(asker, wishes, "std_change_record_producer", |policy| policy.template.as_deref()).await;
        if readings.has_webhook {
            progress(Check::Webhook);
            readings.any_script = asker.get(&questions::any_script()).await;
            readings.scripts = asker.get(&questions::scripts()).await;
        }
        readings
    }

    async fn read_records(&self, asker: &mut Asker, readings: &mut Readings, progress: Progress<'_>) {
        progress(Check::Roles);
        let own = match readings.user.rows() {
            [row] => Some(field(row, "sys_id")).filter(|id| crate::query::is_sys_id(id)),
            _ => None,
        };
        readings.roles = match own {
            Some(id) => asker.get(&questions::roles(&id)).await,
            None => Heard::NotAsked("the instance does not show us our own user".to_owned()),
        };
        progress(Check::Changes);
        readings.changes = asker.get(&questions::changes()).await;
        progress(Check::ChangeApi);
        readings.change_api = asker.get(&questions::change_api()).await;
        progress(Check::Approvals);
        readings.approvers = asker.get(&questions::approvers()).await;
        (readings.waiting, readings.approvers_of_waiting) = self.waiting(asker, &readings.approvers).await;
        progress(Check::WorkNotes);
        readings.journal = asker.get(&questions::journal()).await;
    }

    /// Only where no approver row is shown: are there changes that must have some?
    async fn waiting(&self, asker: &mut Asker, approvers: &Heard) -> (Heard, Heard) {
        let unasked = || Heard::NotAsked("no change is shown that waits for its approval".to_owned());
        if !approvers.rows().is_empty() {
            return (unasked(), unasked());
        }
        let waiting = asker.get(&questions::waiting()).await;
        match ids(&waiting).as_slice() {
            [] => (waiting, unasked()),
            ids => {
                let approvers = asker.get(&questions::approvers_of(ids)).await;
                (waiting, approvers)
            }
        }
    }
}

/// What the instance demands of a change, and which values it knows.
async fn read_demands(asker: &mut Asker, readings: &mut Readings, wishes: &Wishes, progress: Progress<'_>) {
    progress(Check::Mandatory);
    readings.dictionary = asker.get(&questions::dictionary()).await;
    readings.data_policies = asker.get(&questions::data_policies()).await;
    let policies = ids(&readings.data_policies);
    if !policies.is_empty() {
        readings.data_policy_rules = asker.get(&questions::data_policy_rules(&policies)).await;
    }
    progress(Check::Choices);
    let fields: BTreeSet<&str> =
        wishes.policies.iter().flat_map(|policy| policy.values()).map(|(field, _)| field).collect();
    let fields: Vec<&str> = ["state"].into_iter().chain(fields).collect();
    readings.choices = asker.get(&questions::choices(&fields)).await;
}

fn ids(heard: &Heard) -> Vec<String> {
    let ids = heard.rows().iter().map(|row| field(row, "sys_id"));
    ids.filter(|id| crate::query::is_sys_id(id)).collect()
}

async fn names<'w>(
    asker: &mut Asker,
    wishes: &'w Wishes,
    table: &str,
    of: impl Fn(&'w super::readings::PolicyWishes) -> Option<&'w str>,
) -> BTreeMap<String, Heard> {
    let wanted: BTreeSet<&str> = wishes.policies.iter().filter_map(of).collect();
    let mut heard = BTreeMap::new();
    for name in wanted {
        let address: Option<Address> = questions::named(table, name, "sys_id,name,active,retired");
        let found = match address {
            Some(address) => asker.get(&address).await,
            None => Heard::NotAsked("the name cannot stand in a query".to_owned()),
        };
        heard.insert(name.to_owned(), found);
    }
    heard
}

/// The sys_ids of the first policy's group and configuration item, for the test change.
fn resolved(readings: &Readings, wishes: &Wishes) -> BTreeMap<&'static str, String> {
    let Some(policy) = wishes.policies.first() else { return BTreeMap::new() };
    let one = |name: &Option<String>, heard: &BTreeMap<String, Heard>| -> Option<String> {
        let found = judge::of_name(heard.get(name.as_deref()?)?, name.as_deref()?);
        match found.as_slice() {
            [row] => Some(field(row, "sys_id")),
            _ => None,
        }
    };
    let group = one(&policy.group, &readings.groups).map(|id| ("assignment_group", id));
    let item = one(&policy.item, &readings.items).map(|id| ("cmdb_ci", id));
    group.into_iter().chain(item).collect()
}
