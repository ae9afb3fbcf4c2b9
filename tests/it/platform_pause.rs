//! What a platform's limits ask for is kept by all processes, through the Store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interlock_events::GateHandle;
use interlock_platforms::{PlatformError, Platforms, platforms};
use interlock_runtime::config::Config;
use interlock_runtime::http_client::ReqwestHttp;
use interlock_runtime::ports::clock::{Clock, SystemClock};
use interlock_runtime::ports::http::Http;
use interlock_runtime::ports::store::Store;
use interlock_simulators::github::{AppKey, Fault, FaultKind, GitHub, Options, StartDeployment};
use interlock_store::EmbeddedStore;
use tokio::time::Instant;

/// The simulator's only one.
const INSTALLATION: &str = "5530021";
const LIMITED: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_limit_that_one_process_met_stops_the_other() {
    let key = AppKey::generate().expect("a key can be made");
    let github = GitHub::new(Options::new(key.public_pem.clone()));
    let (address, served) = github.serve(([127, 0, 0, 1], 0).into()).await.expect("a port is free");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("key"), &key.private_pem).expect("it is writable");
    std::fs::write(folder.path().join("secret"), "secret").expect("it is writable");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store: Arc<dyn Store> =
        EmbeddedStore::open(folder.path(), clock.clone()).expect("nobody else holds it");
    let process = || process(&format!("http://{address}"), folder.path(), &clock, &store);
    let (one, other) = (process(), process());
    let started = github.start_deployment(&StartDeployment::new("acme/api", "production")).expect("started");
    let handle = handle(&github, started.deployments[0], started.run_id);
    let soon = || Instant::now() + Duration::from_secs(10);

    let limit = FaultKind::SecondaryLimit { retry_after: Some(LIMITED.as_secs()) };
    assert!(github.fault(Fault::on("/deployment_protection_rule", limit).times(1)));
    let met = one["github"].reject(&handle, "no", soon()).await;
    assert!(matches!(met, Err(PlatformError::Paused(_))), "{met:?}");
    let before = github.requests().find(&Default::default()).len();
    let told = other["github"].reject(&handle, "no", soon()).await;
    let Err(PlatformError::Paused(left)) = told else { panic!("not paused: {told:?}") };
    assert!(left > LIMITED / 2 && left <= LIMITED, "{left:?}");
    assert_eq!(github.requests().find(&Default::default()).len(), before, "nothing is sent");
    served.abort();
}

/// The platforms as one process has them.
fn process(url: &str, folder: &std::path::Path, clock: &Arc<dyn Clock>, store: &Arc<dyn Store>) -> Platforms {
    let folder = folder.display();
    let yaml = format!(
        "connections:\n  github:\n    kind: github\n    base_url: {url}\n    app_id: 771203\n    \
         private_key: ${{file:{folder}/key}}\n    webhook_secrets: [\"${{file:{folder}/secret}}\"]\n"
    );
    let config = Config::parse("test", &yaml, std::iter::empty()).expect("no faults");
    let http: Arc<dyn Http> = Arc::new(ReqwestHttp::new().expect("TLS can be set up"));
    platforms(&config, &http, clock, Some(store)).expect("no faults")
}

fn handle(github: &GitHub, deployment: u64, run: u64) -> GateHandle {
    let view = github.deployment(deployment).expect("it was just made");
    let (owner, name) = view.repository.split_once('/').expect("owner/name");
    let ids = [
        ("owner", owner.to_owned()),
        ("repo", name.to_owned()),
        ("run_id", run.to_string()),
        ("environment", view.environment.clone()),
        ("deployment_id", deployment.to_string()),
        ("installation_id", INSTALLATION.to_owned()),
    ];
    let ids: BTreeMap<String, String> = ids.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    serde_json::from_value(serde_json::json!({ "platform": "github", "connection": "github", "ids": ids }))
        .expect("a handle")
}
