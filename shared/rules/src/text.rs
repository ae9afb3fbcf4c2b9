//! Templates: Jinja, bounded in work and in output.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::{Value, json};

use interlock_events::{ChangeRef, Deployment, DeploymentRequested, Outcome};

use crate::separation::Person;

/// Instructions that one template may take.
const FUEL: u64 = 10_000;
/// Longest text that a template may give.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;
/// Longest template.
const TEMPLATE_BYTES_MAX: usize = 16 * 1024;

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template cannot be used: {0}")]
pub struct TemplateFault(String);

/// Renders `template` for a deployment. It knows `project.name`, `project.url`, `environment`, `sha`,
/// `reference`, `actor`, `run.id`, `run.attempt`, `run.url`, `key`, and `outcome` once there is one.
///
/// # Errors
/// [`TemplateFault`]: syntax, too much work, too long.
pub fn render(
    template: &str,
    deployment: &Deployment,
    outcome: Option<Outcome>,
) -> Result<String, TemplateFault> {
    fill(template, knows(deployment, outcome, None, None))
}

/// The same of a request: it also knows `requested_at`, as RFC 3339, and `plus` moves such a time on; and
/// `failed.number`, of the change that a rollback takes back.
///
/// # Errors
/// [`TemplateFault`].
pub fn render_request(
    template: &str,
    request: &DeploymentRequested,
    failed: Option<&ChangeRef>,
) -> Result<String, TemplateFault> {
    fill(template, knows(&request.deployment, None, Some(request.requested_at), failed))
}

/// Renders `template` for a configuration item: it also knows `change.number` and `finished_at`, as the instance stores
/// a time.
pub(crate) fn render_item(
    template: &str,
    deployment: &Deployment,
    change: &str,
    finished_at: DateTime<Utc>,
) -> Result<String, TemplateFault> {
    let mut context = knows(deployment, Some(Outcome::Succeeded), None, None);
    context["change"] = json!({ "number": change });
    context["finished_at"] = finished_at.format("%Y-%m-%d %H:%M:%S").to_string().into();
    fill(template, context)
}

/// Renders `template` for a person: it knows `login`, `name` and `email`.
pub(crate) fn render_person(template: &str, person: &Person) -> Result<String, TemplateFault> {
    fill(template, json!({ "login": person.login, "name": person.name, "email": person.email }))
}

fn knows(
    deployment: &Deployment,
    outcome: Option<Outcome>,
    requested_at: Option<DateTime<Utc>>,
    failed: Option<&ChangeRef>,
) -> Value {
    json!({
        "project": deployment.project,
        "environment": deployment.key.environment,
        "sha": deployment.sha,
        "reference": deployment.reference.as_deref().unwrap_or_default(),
        "actor": deployment.actor.as_deref().unwrap_or_default(),
        "run": deployment.run,
        "key": deployment.key.hash(),
        "outcome": outcome.map(Outcome::as_str).unwrap_or_default(),
        "failed": { "number": failed.map(|failed| &*failed.number).unwrap_or_default() },
        "requested_at": requested_at.map(written).unwrap_or_default(),
    })
}

fn fill(template: &str, context: Value) -> Result<String, TemplateFault> {
    if template.len() > TEMPLATE_BYTES_MAX {
        return Err(TemplateFault(format!("it is longer than {TEMPLATE_BYTES_MAX} bytes")));
    }
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.add_filter("plus", plus);
    let text = environment
        .render_str(template, minijinja::value::Serde(context))
        .map_err(|fault| TemplateFault(fault.to_string()))?;
    if text.len() > OUTPUT_BYTES_MAX {
        return Err(TemplateFault(format!("it gives more than {OUTPUT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// `{{ requested_at | plus(hours=1, minutes=30) }}`
fn plus(time: &str, by: Kwargs) -> Result<String, Error> {
    let fault = |what: &str| Error::new(ErrorKind::InvalidOperation, what.to_owned());
    let time =
        DateTime::parse_from_rfc3339(time.trim()).map_err(|_| fault("plus wants a time by RFC 3339"))?;
    let mut seconds = 0_i64;
    for (unit, length) in [("minutes", 60), ("hours", 3600), ("days", 86_400)] {
        seconds = seconds.saturating_add(by.get::<Option<i64>>(unit)?.unwrap_or(0).saturating_mul(length));
    }
    by.assert_all_used()?;
    let moved = TimeDelta::try_seconds(seconds).and_then(|by| time.to_utc().checked_add_signed(by));
    moved.map(written).ok_or_else(|| fault("plus leads beyond all times"))
}

fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Says what is wrong with a template, without a deployment at hand.
///
/// # Errors
/// [`TemplateFault`].
pub fn check_template(template: &str) -> Result<(), TemplateFault> {
    Environment::new()
        .template_from_str(template)
        .map(|_| ())
        .map_err(|fault| TemplateFault(fault.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{deployment, terms};

    #[test]
    fn the_default_texts_read_well() {
        let change = terms().change;
        insta::assert_snapshot!(render(&change.short_description, &deployment(), None).unwrap(), @"Deploy acme/payments-api 4f0c2a9be1d7 to production");
        insta::assert_snapshot!(render(&change.description, &deployment(), None).unwrap(), @r"
        Interlock holds this deployment until this change is approved.

        Project: acme/payments-api
        Environment: production
        Commit: 4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31
        Reference: main
        Triggered by: dana-dev
        ");
        let notes = render(&terms().close.notes, &deployment(), Some(Outcome::Succeeded)).unwrap();
        insta::assert_snapshot!(notes, @"Deployment of acme/payments-api 4f0c2a9be1d7 to production: succeeded.");
    }

    #[test]
    fn a_template_that_never_ends_is_stopped() {
        let endless = "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}";
        assert!(render(endless, &deployment(), None).is_err());
    }

    #[test]
    fn a_time_is_moved_on_and_never_beyond_all_times() {
        let at = "2026-02-28T23:30:00Z".parse().unwrap();
        let request =
            DeploymentRequested { deployment: deployment(), gate: None, place: None, requested_at: at };
        let text = |template: &str| render_request(template, &request, None);
        assert_eq!(text("{{ requested_at }}").unwrap(), "2026-02-28T23:30:00Z");
        assert_eq!(text("{{ requested_at | plus(hours=1) }}").unwrap(), "2026-03-01T00:30:00Z");
        assert_eq!(text("{{ requested_at | plus(days=1, minutes=-30) }}").unwrap(), "2026-03-01T23:00:00Z");
        for wrong in ["plus(weeks=1)", "plus(days=9223372036854775807)", "plus(hours='x')"] {
            assert!(text(&format!("{{{{ requested_at | {wrong} }}}}")).is_err(), "{wrong}");
        }
        assert!(text("{{ sha | plus(hours=1) }}").is_err());
    }

    #[test]
    fn a_broken_template_is_named() {
        assert!(check_template("{{ sha").unwrap_err().to_string().contains("template cannot be used"));
        assert!(check_template("{{ sha }}").is_ok());
    }
}
