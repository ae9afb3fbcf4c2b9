//! Which webhook tells which fact, with the keys that the App's receiver relies on.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::hooks::Webhook;
use super::world::World;

impl World {
    /// `workflow_run`: requested, in_progress or completed.
    pub fn tell_run(&mut self, action: &str, id: u64, at: DateTime<Utc>) {
        let Some(run) = self.runs.get(&id) else { return };
        let body = json!({ "action": action, "workflow_run": self.run_json(run), "workflow": self.workflow_json(run) });
        let (repository, sender) = (run.repository, run.actor.clone());
        self.tell("workflow_run", body, Some(repository), &sender, at);
    }

    /// `workflow_job`: waiting, queued, in_progress or completed; only for those who subscribe to it.
    pub fn tell_job(&mut self, action: &str, id: u64, at: DateTime<Utc>) {
        let Some(deployment) = self.deployments.get(&id).filter(|_| self.knobs.workflow_jobs) else { return };
        let (job, of) = (self.job_json(deployment), self.deployment_json(deployment));
        let body = json!({ "action": action, "workflow_job": job, "deployment": of });
        let (repository, sender) = (deployment.repository, deployment.creator.clone());
        self.tell("workflow_job", body, Some(repository), &sender, at);
    }

    /// `deployment` created.
    pub fn tell_deployment(&mut self, id: u64, at: DateTime<Utc>) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        let body = json!({
            "action": "created", "deployment": self.deployment_json(deployment),
            "workflow": self.workflow_of(deployment.run), "workflow_run": self.run_of(deployment.run),
        });
        let (repository, sender) = (deployment.repository, deployment.creator.clone());
        self.tell("deployment", body, Some(repository), &sender, at);
    }

    /// `deployment_status` created, for the newest status.
    pub fn tell_status(&mut self, id: u64, at: DateTime<Utc>) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        let Some(status) = deployment.statuses.last() else { return };
        let body = json!({
            "action": "created", "deployment_status": self.status_json(deployment, status),
            "deployment": self.deployment_json(deployment), "check_run": { "id": deployment.job_id },
            "workflow": self.workflow_of(deployment.run), "workflow_run": self.run_of(deployment.run),
        });
        let (repository, sender) = (deployment.repository, status.creator.clone());
        self.tell("deployment_status", body, Some(repository), &sender, at);
    }

    /// `deployment_protection_rule` requested: it names no run but in its callback URL.
    pub fn tell_gate(&mut self, id: u64, at: DateTime<Utc>) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        let url = self.repository_url(&self.repositories[deployment.repository]);
        let body = json!({
            "action": "requested", "environment": deployment.environment, "event": "push",
            "deployment_callback_url": format!("{url}/actions/runs/{}/deployment_protection_rule", deployment.run),
            "deployment": self.deployment_json(deployment), "pull_requests": [],
        });
        let (repository, sender) = (deployment.repository, deployment.creator.clone());
        self.tell("deployment_protection_rule", body, Some(repository), &sender, at);
    }

    /// `ping`, as after the creation of the hook.
    pub fn tell_ping(&mut self, at: DateTime<Utc>) {
        let body = json!({
            "zen": "Practicality beats purity.", "hook_id": 51_200_117,
            "hook": {
                "type": "App", "id": 51_200_117, "name": "web", "active": true, "app_id": self.options.app_id,
                "events": ["deployment", "deployment_protection_rule", "deployment_status", "workflow_run"],
                "config": { "content_type": "json", "insecure_ssl": "0" },
            },
        });
        self.emit("ping", &body, None, at);
    }

    /// Any body under any event name, signed like all others.
    pub fn tell_raw(&mut self, event: &str, body: &Value, at: DateTime<Utc>) {
        self.emit(event, body, None, at);
    }

    fn tell(
        &mut self,
        event: &str,
        mut body: Value,
        repository: Option<usize>,
        sender: &str,
        at: DateTime<Utc>,
    ) {
        let of = repository.and_then(|index| self.repositories.get(index));
        if let Some(of) = of {
            body["repository"] = self.repository_json(of);
            body["organization"] = self.organization_json(&of.owner);
        }
        let id = of.map(|of| of.id);
        body["sender"] = self.user_json(sender);
        body["installation"] = json!({ "id": self.options.installation_id });
        self.emit(event, &body, id, at);
    }

    fn emit(&mut self, event: &str, body: &Value, repository: Option<u64>, at: DateTime<Utc>) {
        let webhook = Webhook {
            event: event.to_owned(),
            action: body["action"].as_str().map(str::to_owned),
            repository,
            body: Bytes::from(body.to_string()),
        };
        self.hooks.emit(&webhook, &mut self.knobs, self.options.app_id, at);
    }

    fn run_of(&self, id: u64) -> Value {
        self.runs.get(&id).map_or(Value::Null, |run| self.run_json(run))
    }

    fn workflow_of(&self, id: u64) -> Value {
        self.runs.get(&id).map_or(Value::Null, |run| self.workflow_json(run))
    }
}
