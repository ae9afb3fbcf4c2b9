//! What people and pipelines do: deploy, approve, reject, and end jobs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use interlock_events::{DeploymentKey, KeyHash};
use interlock_simulators::github::{DeploymentView, GitHub, Outcome, StartDeployment};
use interlock_simulators::servicenow::ServiceNow;
use serde_json::Value;

use crate::dice::Dice;
use crate::plan::Plan;

const LOOK: Duration = Duration::from_millis(250);
const REJECTED_PERCENT: u64 = 15;
const FAILED_PERCENT: u64 = 15;

/// Everybody outside.
#[derive(Clone)]
pub struct People {
    /// Where they deploy.
    pub github: GitHub,
    /// Where they approve.
    pub service_now: ServiceNow,
    /// What they are like.
    pub seed: u64,
}

impl People {
    /// Starts so many deployments over the planned time.
    pub async fn deploy(self, deployments: u64, plan: Plan) {
        let pause = plan.begin_within / u32::try_from(deployments).unwrap_or(u32::MAX).max(1);
        let mut next = tokio::time::interval(pause);
        for number in 0..deployments {
            next.tick().await;
            let wish = StartDeployment::new(format!("acme/service-{number}"), "production");
            self.github.start_deployment(&wish).expect("the simulator has room");
        }
    }

    /// Answers whoever is asked and ends what runs, for as long as the future lives.
    pub async fn work(self) {
        let mut answered = BTreeSet::new();
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            let began = Instant::now();
            for change in self.service_now.changes() {
                let (number, state) = (text(&change, "number").to_owned(), text(&change, "state"));
                if state == "-4" || state == "-3" {
                    self.answer(&change, &number, &mut answered);
                }
            }
            for view in self.github.deployments().iter().filter(|view| view.job == "in_progress") {
                let failed = self.dice("job", view.id).percent(FAILED_PERCENT);
                let outcome = if failed { Outcome::Failure } else { Outcome::Success };
                // It may have ended in this moment.
                let _ = self.github.finish(view.id, outcome);
            }
            // Looking must not take all of a small machine.
            tokio::time::sleep(began.elapsed()).await;
        }
    }

    fn answer(&self, change: &Value, number: &str, answered: &mut BTreeSet<String>) {
        // The same people answer alike for each change of one deployment.
        let key = text(change, "correlation_id").split('.').nth(1).unwrap_or_default();
        let done = if Dice::of(self.seed, key).percent(REJECTED_PERCENT) {
            !answered.contains(number) && self.service_now.reject(number, None, "not today").is_ok()
        } else {
            self.service_now.approve_all(number).is_ok()
        };
        if done {
            answered.insert(number.to_owned());
        }
    }

    fn dice(&self, purpose: &str, of: u64) -> Dice {
        Dice::of(self.seed ^ of, purpose)
    }

    /// What is not over yet: jobs that wait or run, and changes that are open.
    pub fn open(&self) -> Vec<String> {
        let jobs = self.github.deployments().into_iter().filter(|view| view.job != "completed");
        let jobs = jobs.map(|view| format!("deployment {}: gate {}, job {}", view.id, view.gate, view.job));
        let changes = self.service_now.changes().into_iter().filter(|change| {
            !matches!(text(change, "state"), "3" | "4")
                && text(change, "correlation_display") == interlock_events::CORRELATION_DISPLAY
        });
        let changes =
            changes.map(|change| format!("{} in state {}", text(&change, "number"), text(&change, "state")));
        jobs.chain(changes).collect()
    }
}

/// The key that the product gives a deployment.
pub fn key(view: &DeploymentView) -> KeyHash {
    let key = DeploymentKey {
        tenant: "default".into(),
        connection: "github".into(),
        project: view.repository_id.to_string(),
        environment: view.environment.clone(),
        occurrence: view.id.to_string(),
    };
    key.hash()
}

fn text<'a>(change: &'a Value, field: &str) -> &'a str {
    change[field].as_str().unwrap_or_default()
}
