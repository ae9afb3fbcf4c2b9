//! What people, pipelines and faults do, step by step of the script; and how people tidy up afterwards.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use interlock_simulators::github::{DeploymentView, Fault as AtGitHub, FaultKind, Outcome, StartDeployment};
use interlock_simulators::servicenow::{Effect, Fault as AtServiceNow};
use serde_json::Value;
use tokio::time::sleep;

use crate::script::{Fault, GitHubFault, ServiceNowCall, ServiceNowFault, What};
use crate::world::World;

/// What cannot be done yet is tried again so often, so many times.
const PATIENCE: (Duration, u32) = (Duration::from_secs(3), 30);
/// When a write that timed out commits after all.
const LATE_MS: u64 = 14_000;
/// Later than anybody waits for.
const VERY_LATE_MS: u64 = 120_000;
const HANG_MS: u64 = 16_000;
const ENVIRONMENT: &str = "production";

impl World {
    /// Does a step: at once, or as soon as it can be done.
    pub fn perform(self: &Arc<Self>, what: &What) {
        self.tale.step("script", &format!("{what:?}"));
        if let What::Fault(fault) = what {
            return self.break_something(fault);
        }
        let (world, what) = (self.clone(), what.clone());
        tokio::spawn(async move {
            for _ in 0..PATIENCE.1 {
                if world.try_to(&what) {
                    world.tale.step("script", &format!("done: {what:?}"));
                    world.net.bell.notify_one();
                    return;
                }
                sleep(PATIENCE.0).await;
            }
        });
    }

    fn try_to(&self, what: &What) -> bool {
        match *what {
            What::Start { deployment, repository } => {
                let wish = StartDeployment::new(format!("acme/service-{repository}"), ENVIRONMENT);
                self.github.start_deployment(&wish).map(|started| self.set_place(deployment, started)).is_ok()
            }
            What::Matrix { deployment, repository, jobs } => {
                let wish = StartDeployment {
                    matrix: Some(jobs),
                    ..StartDeployment::new(format!("acme/service-{repository}"), ENVIRONMENT)
                };
                self.github.start_deployment(&wish).map(|started| self.set_place(deployment, started)).is_ok()
            }
            What::Approve(place) => {
                self.to_change(place, |number, _| self.service_now.approve_all(number).is_ok())
            }
            What::Reject(place) => {
                self.to_change(place, |number, _| self.service_now.reject(number, None, "no").is_ok())
            }
            What::Revoke(place) => self.to_change(place, |number, state| {
                matches!(state, "-2" | "-1") && self.service_now.revoke(number).is_ok()
            }),
            What::Hold(place) => self.to_change(place, |number, state| {
                let fields = [("on_hold", "true"), ("on_hold_reason", "freeze")];
                matches!(state, "-4" | "-3" | "-2" | "-1") && self.service_now.set(number, &fields).is_ok()
            }),
            What::Unhold(place) => self.to_change(place, |number, _| self.unhold(number)),
            What::Window(place, start, end) => self.to_change(place, |number, _| {
                let at = |seconds| {
                    (self.now() + TimeDelta::seconds(seconds)).format("%Y-%m-%d %H:%M:%S").to_string()
                };
                self.service_now.set(number, &[("start_date", &at(start)), ("end_date", &at(end))]).is_ok()
            }),
            What::CancelRun(place) => {
                self.place(place).is_some_and(|at| self.github.cancel(at.run_id, "olga-ops").is_ok())
            }
            What::Bypass(place) => {
                self.place(place).is_some_and(|at| self.github.bypass(at.deployments[0], "olga-ops").is_ok())
            }
            What::Rerun(place, new) => self.place(place).is_some_and(|at| {
                self.github.rerun(at.run_id).map(|started| self.set_place(new, started)).is_ok()
            }),
            What::Finish(place, well) => {
                // Of a matrix one job may fail.
                let end = |(nth, id): (usize, &u64)| self.finish(*id, well || nth > 0);
                self.place(place).is_some_and(|at| at.deployments.iter().enumerate().all(end))
            }
            What::Fault(_) => true,
        }
    }

    /// Does something to the live changes of a place, until one takes it.
    fn to_change(&self, place: usize, act: impl Fn(&str, &str) -> bool) -> bool {
        let Some(started) = self.place(place) else { return false };
        let views = started.deployments.iter().filter_map(|id| self.github.deployment(*id));
        views.flat_map(|view| self.changes_of(&view)).any(|change| {
            let (number, state) = (text(&change, "number"), text(&change, "state"));
            !matches!(state, "3" | "4") && act(number, state)
        })
    }

    /// All changes of a deployment.
    #[must_use]
    pub fn changes_of(&self, view: &DeploymentView) -> Vec<Value> {
        let prefix = Self::key(view.repository_id, &view.environment, view.id).correlation_prefix();
        let mut changes = self.service_now.changes();
        changes.retain(|change| text(change, "correlation_id").starts_with(&prefix));
        changes
    }

    fn finish(&self, deployment: u64, well: bool) -> bool {
        let outcome = if well { Outcome::Success } else { Outcome::Failure };
        let runs = self.github.deployment(deployment).is_some_and(|view| view.job == "in_progress");
        runs && self.github.finish(deployment, outcome).is_ok()
    }

    fn unhold(&self, number: &str) -> bool {
        self.service_now.set(number, &[("on_hold", "false"), ("on_hold_reason", "")]).is_ok()
    }

    fn break_something(self: &Arc<Self>, fault: &Fault) {
        match *fault {
            Fault::Crash(number, after, restart) => {
                self.restart_after(number, restart);
                self.process(number).kill_after(after);
            }
            Fault::Freeze(number, how_long) => self.process(number).freeze(how_long),
            Fault::Flush => self.store.flush(),
            Fault::StoreAway(how_long) => self.store.away(how_long),
            Fault::Broker(trouble, how_long) => self.broker.trouble_for(trouble, how_long),
            Fault::Disconnect(number) => self.broker.end_sessions_of(&self.process(number)),
            Fault::Network(weather, how_long) => self.net.weather(weather, how_long),
            Fault::Webhooks(post, how_long) => self.courier.post(post, how_long),
            Fault::ServiceNow(kind, call, times) => self.break_service_now(kind, call, times),
            Fault::ServiceNowDown(how_long) => {
                let _ = self.service_now.fault(AtServiceNow::forever(Effect::Down { reset: false }));
                let world = self.clone();
                tokio::spawn(async move {
                    sleep(how_long).await;
                    world.service_now.clear_faults();
                });
            }
            Fault::GitHub(kind, only_answers, times) => self.break_github(kind, only_answers, times),
            Fault::GitHubDown(how_long) => {
                self.github.fault(AtGitHub::on("/", FaultKind::Down));
                let world = self.clone();
                tokio::spawn(async move {
                    sleep(how_long).await;
                    world.github.clear_faults();
                });
            }
        }
    }

    fn break_service_now(&self, kind: ServiceNowFault, call: ServiceNowCall, times: u32) {
        use ServiceNowFault as Kind;
        let effect = match kind {
            Kind::TimeoutAfterCommit => Effect::TimeoutAfterCommit { hang_ms: HANG_MS },
            Kind::TimeoutBeforeCommit => Effect::TimeoutBeforeCommit { hang_ms: HANG_MS },
            Kind::LateCommit => Effect::LateCommit { after_ms: LATE_MS, hang_ms: HANG_MS },
            Kind::VeryLateCommit => Effect::LateCommit { after_ms: VERY_LATE_MS, hang_ms: HANG_MS },
            Kind::ResetAfterCommit => Effect::ResetConnectionAfterCommit,
            Kind::CreateThen403 => Effect::CreateThen403,
            Kind::CreateThenEmpty201 => Effect::CreateThenEmpty201,
            Kind::Html200 => Effect::Html200,
            Kind::RateLimit => Effect::RateLimit429 { retry_after: None },
            Kind::ServerError => Effect::Status { code: 500, body: None },
            Kind::BrokenList => Effect::ErrorIn200Stream { cut: false },
        };
        let fault = AtServiceNow { times: Some(times), ..AtServiceNow::once(effect) };
        let _ = self.service_now.fault(match call {
            ServiceNowCall::Any => fault,
            ServiceNowCall::LookUp => fault.on_method("GET").on_table("change_request"),
            ServiceNowCall::Create => fault.on_method("POST").on_table("change_request"),
            ServiceNowCall::Move => fault.on_method("PATCH").on_table("change_request"),
        });
    }

    fn break_github(&self, kind: GitHubFault, only_answers: bool, times: u32) {
        use GitHubFault as Kind;
        let fault = match kind {
            Kind::TimeoutAfterCommit => FaultKind::TimeoutAfterCommit,
            Kind::ResetAfterCommit => FaultKind::ResetAfterCommit,
            Kind::ErrorAfterCommit => FaultKind::ErrorAfterCommit,
            Kind::ResetBeforeCommit => FaultKind::ResetBeforeCommit,
            Kind::ServerError => FaultKind::Status { code: 502, body: None },
            Kind::Html200 => FaultKind::Html200,
            Kind::RateLimit => FaultKind::RateLimit { retry_after: Some(20) },
            Kind::SecondaryLimit => FaultKind::SecondaryLimit { retry_after: Some(30) },
        };
        let path = if only_answers { "deployment_protection_rule" } else { "/" };
        self.github.fault(AtGitHub::on(path, fault).times(times));
    }

    /// What people do in the end: holds end, what runs is approved after the fact, and jobs end.
    pub fn tidy(&self) {
        for view in self.github.deployments() {
            let changes = self.changes_of(&view);
            let counting = changes.iter().filter(|change| text(change, "state") != "4").count();
            for change in changes {
                let number = text(&change, "number");
                if text(&change, "on_hold") == "true" && !matches!(text(&change, "state"), "3" | "4") {
                    self.unhold(number);
                }
                // What is one too many people leave alone.
                if counting == 1 && view.started_at.is_some() && matches!(text(&change, "state"), "-4" | "-3")
                {
                    let _ = self.service_now.approve_all(number);
                }
            }
            self.finish(view.id, true);
        }
        self.net.bell.notify_one();
    }

    /// Every job has ended, and every change of ours too, and nothing commits late any more.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let ended = self.github.deployments().iter().all(|view| view.job == "completed");
        let closed = |change: &Value| {
            matches!(text(change, "state"), "3" | "4")
                || text(change, "correlation_display") != interlock_events::CORRELATION_DISPLAY
        };
        self.service_now.next_due().is_none()
            && ended
            && self.service_now.changes().iter().all(closed)
            && self.door.is_at_rest()
    }
}

fn text<'a>(change: &'a Value, field: &str) -> &'a str {
    change[field].as_str().unwrap_or_default()
}
