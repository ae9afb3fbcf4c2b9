//! What differs between stories, and the configuration file that follows from it.

use std::fs;
use std::path::PathBuf;

use super::{GITHUB_SECRET, Role, SERVICE_NOW_SECRET, World, app_key};

/// What a story needs otherwise than others.
#[derive(Debug, Clone)]
pub struct Setup {
    /// A RabbitMQ node of its own, which may be killed.
    pub private_broker: bool,
    /// All roles in one process.
    pub one_process: bool,
    /// What the spool of ingress may hold; `None`: it has none.
    pub spool_entries: Option<u64>,
    /// Lines of the default policy beside its assignment group, indented by four.
    pub policy: &'static str,
    /// More of its change, behind the assignment group.
    pub change: &'static str,
    /// All policies instead, as a file of `deploy/examples` has them.
    pub example: Option<&'static str>,
    /// Freezes instead of those of the example, as items of a list.
    pub freezes: &'static str,
    /// How long a write to ServiceNow may commit after its time-out.
    pub settle_seconds: u64,
    /// How often pending changes are asked for.
    pub poll_seconds: u64,
    /// How often is looked for what no webhook told.
    pub sweep_seconds: u64,
}

const FREEZES: &str = "\nfreezes:";

impl Default for Setup {
    fn default() -> Self {
        Self {
            private_broker: false,
            one_process: false,
            spool_entries: Some(100_000),
            policy: "",
            change: "",
            example: None,
            freezes: "",
            settle_seconds: 2,
            poll_seconds: 1,
            sweep_seconds: 300,
        }
    }
}

impl Setup {
    /// The servers, simulators and the configuration; no role runs yet.
    pub async fn prepare(&self) -> World {
        World::of(self).await
    }

    /// The same, and all roles are ready.
    pub async fn start(&self) -> World {
        let mut world = self.prepare().await;
        world.start_all().await;
        world
    }

    fn policies(&self) -> String {
        let Some(example) = self.example else {
            let change = format!("{{ assignment_group: Change Management{} }}", self.change);
            return format!("policies:\n  - name: default\n    change: {change}\n{}", self.policy);
        };
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples").join(example);
        let text = fs::read_to_string(&file).expect("the example is there");
        let from = text.find("\npolicies:").expect("an example has policies");
        let upto = text.find(FREEZES).filter(|_| !self.freezes.is_empty()).unwrap_or(text.len());
        text[from..upto].to_owned()
    }

    pub(super) fn cast(&self) -> &'static [Role] {
        if self.one_process {
            &[Role::Run]
        } else {
            &[Role::Ingress, Role::ChangeWorker, Role::ApprovalWorker]
        }
    }
}

impl World {
    /// Puts another password for ServiceNow where Interlock reads it.
    ///
    /// # Panics
    /// If the test directory cannot be written.
    pub fn set_service_now_password(&self, password: &str) {
        fs::write(self.folder.join("servicenow-password"), password).expect("the test directory is writable");
    }

    /// Takes the freezes out of the file, which roles read at their start.
    ///
    /// # Panics
    /// If the file has none, or cannot be written.
    pub fn without_freezes(&self) {
        let text = fs::read_to_string(self.config_file()).expect("it was written");
        let from = text.find(FREEZES).expect("there are freezes");
        fs::write(self.config_file(), &text[..from]).expect("the test directory is writable");
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.folder.join("interlock.yaml")
    }

    /// Where the spool of ingress is.
    pub fn spool_folder(&self) -> PathBuf {
        self.folder.join("spool")
    }

    pub(super) fn write_settings(&self, setup: &Setup, service_now_url: &str) {
        let write = |name: &str, text: &str| {
            fs::write(self.folder.join(name), text).expect("the test directory is writable");
        };
        write("app-key", &app_key().private_pem);
        write("github-secret", GITHUB_SECRET);
        write("servicenow-secret", SERVICE_NOW_SECRET);
        write("servicenow-password", "interlock");
        write("interlock.yaml", &self.settings(setup, service_now_url));
    }

    fn settings(&self, setup: &Setup, service_now_url: &str) -> String {
        let policies = setup.policies();
        let freezes =
            if setup.freezes.is_empty() { String::new() } else { format!("{FREEZES}{}", setup.freezes) };
        let Setup { settle_seconds, poll_seconds, sweep_seconds, .. } = setup;
        let (folder, github_url) = (self.folder.display(), &self.github_url);
        let ingress = self.ports["ingress"];
        let spool = match setup.spool_entries {
            Some(entries) => format!("{}, spool_entries_max: {entries}", self.spool_folder().display()),
            None => "off".to_owned(),
        };
        format!(
            r#"ingress: {{ listen: "127.0.0.1:{ingress}", spool: {spool} }}
telemetry: {{ level: "info,change_worker=debug,approval_worker=debug,ingress=debug,interlock_runtime=debug" }}
timing: {{ settle_seconds: {settle_seconds}, poll_seconds: {poll_seconds}, sweep_seconds: {sweep_seconds} }}
connections:
  servicenow:
    kind: servicenow
    base_url: {service_now_url}
    auth: {{ basic: {{ username: interlock, password: "${{file:{folder}/servicenow-password}}" }} }}
    webhook: {{ secrets: ["${{file:{folder}/servicenow-secret}}"] }}
  github:
    kind: github
    base_url: {github_url}
    app_id: 771203
    private_key: "${{file:{folder}/app-key}}"
    webhook_secrets: ["${{file:{folder}/github-secret}}"]
{policies}{freezes}
"#
        )
    }
}
