//! The clients and webhook sources of a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use interlock_runtime::config::{Config, Connection, Faults};
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::Http;
use interlock_runtime::ports::store::Store;
use interlock_runtime::webhook::WebhookSource;

use crate::client::ServiceNow;
use crate::settings::{PERMITS_MAX, Settings};
use crate::webhook::RecordWebhooks;

/// The `kind` of a connection to ServiceNow.
pub const KIND: &str = "servicenow";

/// A client for each connection of kind `servicenow`, by its name.
///
/// # Errors
/// Every fault in these connections' sections.
pub fn connections(
    config: &Config,
    http: &Arc<dyn Http>,
    clock: &Arc<dyn Clock>,
    store: &Arc<dyn Store>,
) -> Result<BTreeMap<String, Arc<ServiceNow>>, Faults> {
    let client = |connection: &Connection, settings: Settings| {
        let client = ServiceNow::new(&connection.name, settings, http.clone(), clock.clone(), store.clone());
        (connection.name.clone(), Arc::new(client))
    };
    Ok(sections(config)?.into_iter().map(|(connection, settings)| client(connection, settings)).collect())
}

/// A source for each connection of kind `servicenow` that has a `webhook` section, by its name.
///
/// # Errors
/// Every fault in these connections' sections.
pub fn webhook_sources(config: &Config) -> Result<BTreeMap<String, Arc<dyn WebhookSource>>, Faults> {
    let mut sources: BTreeMap<String, Arc<dyn WebhookSource>> = BTreeMap::new();
    for (connection, settings) in sections(config)? {
        if let Some(webhook) = settings.webhook {
            let source = RecordWebhooks::new(&connection.name, &connection.tenant, webhook);
            sources.insert(connection.name.clone(), Arc::new(source));
        }
    }
    Ok(sources)
}

pub(crate) fn sections(config: &Config) -> Result<Vec<(&Connection, Settings)>, Faults> {
    let mut faults = Faults::default();
    let mut sections = Vec::new();
    for connection in config.connections().filter(|connection| connection.kind == KIND) {
        if let Some(settings) = faults.gather(section(connection)) {
            sections.push((connection, settings));
        }
    }
    faults.into_result().map(|()| sections)
}

fn section(connection: &Connection) -> Result<Settings, Faults> {
    let settings: Settings = connection.section()?;
    let mut faults = Faults::default();
    if !(1..=PERMITS_MAX).contains(&settings.permits) {
        let cure = Some(format!("from 1 to {PERMITS_MAX}"));
        faults.0.push(connection.fault("permits", format!("{} is out of range", settings.permits), cure));
    }
    if settings.webhook.as_ref().is_some_and(|webhook| webhook.secrets.is_empty()) {
        let cure = Some("name a secret, or take the section out".to_owned());
        faults.0.push(connection.fault("webhook", "no secret proves who sends".to_owned(), cure));
    }
    faults.into_result().map(|()| settings)
}

#[cfg(test)]
mod tests;
