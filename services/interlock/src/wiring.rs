//! A role's parts put together: ports, connections, policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use interlock_platforms::Platform;
use interlock_rules::Policies;
use interlock_runtime::config::{Config, Faults};
use interlock_runtime::health::Health;
use interlock_runtime::ports::broker::Broker;
use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::http::Http;
use interlock_runtime::ports::spool::Spool;
use interlock_runtime::ports::store::Store;
use interlock_runtime::worker::Context;
use interlock_servicenow::ServiceNow;

use crate::check;

/// Everything that the roles of one process share.
pub struct Wiring {
    /// Ports and limits.
    pub context: Context,
    /// ServiceNow instances by connection.
    pub service_now: BTreeMap<String, Arc<ServiceNow>>,
    /// Platforms by connection.
    pub platforms: BTreeMap<String, Arc<dyn Platform>>,
    /// Policies in order.
    pub policies: Policies,
    /// All else.
    pub config: Config,
}

/// The ports of one process.
pub struct Ports {
    /// What happened and what is to do.
    pub broker: Arc<dyn Broker>,
    /// What can be rebuilt.
    pub store: Arc<dyn Store>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// The outside.
    pub http: Arc<dyn Http>,
}

impl Wiring {
    /// Builds the connections of a configuration on `ports`.
    pub fn new(config: Config, ports: Ports, health: Health) -> Result<Self, Faults> {
        let Ports { broker, store, clock, http } = ports;
        let service_now = interlock_servicenow::connections(&config, &http, &clock, &store)?;
        let platforms = interlock_platforms::platforms(&config, &http, &clock, Some(&store))?;
        let policies = check::policies(&config);
        let context = Context {
            broker,
            store,
            clock,
            http,
            health,
            concurrency: u16::try_from(config.worker.concurrency).unwrap_or(u16::MAX),
            drain: config.timing.drain,
        };
        Ok(Self { context, service_now, platforms, policies, config })
    }

    /// What ingress works with: everything that may send webhooks, by connection.
    pub fn ingress(&self, spool: Option<Arc<dyn Spool>>) -> Result<ingress::Parts, Faults> {
        let mut sources = interlock_servicenow::webhook_sources(&self.config)?;
        for (name, platform) in &self.platforms {
            sources.insert(name.clone(), platform.clone());
        }
        let limits = ingress::Limits {
            body_bytes: self.config.ingress.body_limit_bytes,
            in_flight: self.config.ingress.in_flight_max,
        };
        let context = &self.context;
        Ok(ingress::Parts {
            sources,
            broker: context.broker.clone(),
            spool,
            store: context.store.clone(),
            clock: context.clock.clone(),
            limits,
            health: context.health.clone(),
        })
    }

    /// What change-worker works with.
    pub fn change_desk(&self) -> change_worker::Desk {
        change_worker::Desk {
            context: self.context.clone(),
            service_now: self.service_now.clone(),
            platforms: self.platforms.clone(),
            policies: self.policies.clone(),
            settle: self.config.timing.settle,
        }
    }

    /// What approval-worker works with.
    pub fn approval_desk(&self) -> approval_worker::Desk {
        approval_worker::Desk {
            context: self.context.clone(),
            service_now: self.service_now.clone(),
            platforms: self.platforms.clone(),
            policies: self.policies.clone(),
            settle: self.config.timing.settle,
            poll: self.config.timing.poll,
            sweep: self.config.timing.sweep,
        }
    }
}
