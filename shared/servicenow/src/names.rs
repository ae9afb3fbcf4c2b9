//! Groups, configuration items and templates by name: ids differ between instances, so the configuration names them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::budget::Lane;
use crate::client::ServiceNow;
use crate::error::{Fault, ServiceNowError, What};
use crate::query::{self, Address};
use crate::row::Row;

/// An instance may be cloned over; names are resolved anew after this.
const TTL: Duration = Duration::from_secs(600);
/// More names than this are not remembered at once.
const NAMES_MAX: usize = 10_000;

/// Users of one name or e-mail; as many may be more.
const USERS_MAX: usize = 20;

/// A table whose rows are referred to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Named {
    Group,
    ConfigurationItem,
    /// Of a standard change.
    Template,
    /// By user name or e-mail.
    User,
}

impl Named {
    fn table(self) -> &'static str {
        match self {
            Self::Group => "sys_user_group",
            Self::ConfigurationItem => "cmdb_ci",
            Self::Template => "std_change_record_producer",
            Self::User => "sys_user",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Group => "assignment group",
            Self::ConfigurationItem => "configuration item",
            Self::Template => "standard change template",
            Self::User => "user",
        }
    }

    /// At most two rows that bear the name. Templates are listed by the API that makes changes from them: what a
    /// name means there is what a create would take (ServiceNow docs, "Change Management API").
    fn address(self, name: &str) -> Address {
        match self {
            Self::Group | Self::ConfigurationItem => {
                Address::list(self.table(), &format!("name={name}^ORDERBYsys_id"), "sys_id,name", 2)
            }
            Self::Template => Address::new("/api/sn_chg_rest/change/standard/template")
                .with("sysparm_query", &format!("active=true^name={name}"))
                .with("sysparm_limit", "2"),
            // `^OR` binds to the condition before it (ServiceNow docs, "Encoded query strings").
            Self::User => Address::list(
                self.table(),
                &format!("user_name={name}^ORemail={name}^ORDERBYsys_id"),
                "sys_id,user_name,email",
                USERS_MAX,
            ),
        }
    }
}

#[derive(Default)]
pub(crate) struct Names(Mutex<HashMap<(Named, String), (String, Instant)>>);

impl Names {
    fn known(&self, named: Named, name: &str, now: Instant) -> Option<String> {
        let names = self.lock();
        let (sys_id, until) = names.get(&(named, name.to_owned()))?;
        (now < *until).then(|| sys_id.clone())
    }

    fn keep(&self, named: Named, name: &str, sys_id: &str, now: Instant) {
        let mut names = self.lock();
        if names.len() >= NAMES_MAX {
            names.retain(|_, (_, until)| now < *until);
        }
        if names.len() < NAMES_MAX {
            names.insert((named, name.to_owned()), (sys_id.to_owned(), now + TTL));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Named, String), (String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServiceNow {
    /// The sys_ids of all users of that name or e-mail, remembered for ten minutes; nobody, if the instance shows us
    /// none, or too many to tell.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn users_of(&self, name: &str) -> Result<Vec<String>, ServiceNowError> {
        let Ok(value) = query::value(name) else { return Ok(Vec::new()) };
        let now = self.shared.clock.instant();
        if let Some(known) = self.shared.names.known(Named::User, name, now) {
            return Ok(known.split(' ').map(str::to_owned).collect());
        }
        let answer = self.get(What::Name, Lane::Gate, Named::User.address(value)).await?;
        let rows = Row::list(&answer.result);
        let is =
            |row: &Row<'_>, field: &str| row.text(field).is_some_and(|its| its.eq_ignore_ascii_case(name));
        let same = rows.iter().filter(|row| is(row, "user_name") || is(row, "email"));
        let users: Vec<String> = same.filter_map(|row| row.text("sys_id")).collect();
        if users.is_empty() || users.len() >= USERS_MAX {
            return Ok(Vec::new());
        }
        self.shared.names.keep(Named::User, name, &users.join(" "), now);
        Ok(users)
    }

    /// The sys_id of a template of standard changes, by its name or as it stands; a name is remembered for ten minutes.
    ///
    /// # Errors
    /// [`ServiceNowError`]: nobody or more than one bears the name.
    pub async fn template_id(&self, template: &str) -> Result<String, ServiceNowError> {
        self.resolve(Named::Template, template).await
    }

    /// The sys_id of what the configuration names; 32 hexadecimal digits are one as they stand.
    pub(crate) async fn resolve(&self, named: Named, name: &str) -> Result<String, ServiceNowError> {
        if query::is_sys_id(name) {
            return Ok(name.to_owned());
        }
        let now = self.shared.clock.instant();
        if let Some(sys_id) = self.shared.names.known(named, name, now) {
            return Ok(sys_id);
        }
        let found = self.ids_of(named, name).await?;
        let sys_id = only(named, name, &found).map_err(|fault| self.error(What::Name, fault))?;
        self.shared.names.keep(named, name, &sys_id, now);
        Ok(sys_id)
    }

    /// The ids of at most two rows that bear the name; two are as bad as ten.
    async fn ids_of(&self, named: Named, name: &str) -> Result<Vec<String>, ServiceNowError> {
        let value = query::value(name).map_err(|fault| self.error(What::Name, fault))?;
        let answer = self.get(What::Name, Lane::Gate, named.address(value)).await?;
        // An instance ignores what it does not understand of a query, so the name is compared again.
        let rows = Row::list(&answer.result).into_iter();
        let same = rows.filter(|row| row.text("name").is_some_and(|found| found.eq_ignore_ascii_case(name)));
        Ok(same.filter_map(|row| row.text("sys_id")).collect())
    }
}

fn only(named: Named, name: &str, found: &[String]) -> Result<String, Fault> {
    let title = named.title();
    match found {
        [sys_id] => Ok(sys_id.clone()),
        [] => Err(Fault::Input(format!(
            "the instance shows us no {title} named `{name}`: correct the policy, or let the integration user read {}",
            named.table()
        ))),
        _ => Err(Fault::Input(format!(
            "more than one {title} is named `{name}`: put the sys_id of the right one into the policy"
        ))),
    }
}
