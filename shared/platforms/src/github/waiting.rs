//! Gates that wait at GitHub, found without any webhook (docs: "REST API endpoints for workflow runs").

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::Method;
use interlock_events::Event;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::answer::Effect;
use super::client::{Call, Client};
use super::deliveries::as_app;
use super::gate::is_name;
use super::payload::{Text, is_id};
use super::webhook::{Origin, translate};
use crate::{Place, PlatformError};

const TIMEOUT: Duration = Duration::from_secs(20);
const PAGE: usize = 100;
/// Deployments of one commit to one environment that are looked at: each re-run made one more.
const DEPLOYMENTS: usize = 10;
/// Ids of a place, as they stand in gate handles too.
pub(super) const PLACE: [&str; 3] = ["owner", "repo", "installation_id"];

/// One look at a repository.
struct Hunt<'a> {
    client: &'a Client,
    installation: &'a str,
    repository: String,
    calls: &'a mut u32,
}

/// Requests of all gates of ours that wait in a repository.
pub(super) async fn waiting(
    client: &Client,
    origin: &Origin,
    place: &Place,
    calls: &mut u32,
) -> Result<Vec<Event>, PlatformError> {
    let id = |name: &str, fits: fn(&str) -> bool| place.0.get(name).filter(|id| fits(id));
    let ids = (id("owner", is_name), id("repo", is_name), id("installation_id", is_id));
    let (Some(owner), Some(repo), Some(installation)) = ids else { return Ok(Vec::new()) };
    let mut hunt = Hunt { client, installation, repository: format!("/repos/{owner}/{repo}"), calls };
    let runs: Value = hunt.get(&format!("/actions/runs?status=waiting&per_page={PAGE}")).await?;
    let runs = list(&runs, "workflow_runs");
    let mut events = Vec::new();
    for run in runs {
        let pending: Value = hunt.get(&format!("/actions/runs/{}/pending_deployments", run["id"])).await?;
        for environment in pending.as_array().into_iter().flatten() {
            let Some(environment) = environment.pointer("/environment/name").and_then(Value::as_str) else {
                continue;
            };
            let alone = runs.iter().filter(|other| other["head_sha"] == run["head_sha"]).count() == 1;
            for deployment in hunt.gates(run, environment, alone).await? {
                events.extend(told(origin, &hunt, run, environment, &deployment, client.now()));
            }
        }
    }
    Ok(events)
}

/// What the webhook would have told, made of the same parts.
fn told(
    origin: &Origin,
    hunt: &Hunt<'_>,
    run: &Value,
    environment: &str,
    deployment: &Value,
    now: DateTime<Utc>,
) -> Vec<Event> {
    let base = origin.base.as_str().trim_end_matches('/');
    let path = format!("{}/actions/runs/{}/deployment_protection_rule", hunt.repository, run["id"]);
    let body = json!({
        "action": "requested", "environment": environment, "deployment": deployment,
        "deployment_callback_url": format!("{base}{path}"),
        "repository": run["repository"], "installation": { "id": hunt.installation }, "sender": run["triggering_actor"],
    });
    match translate(origin, "deployment_protection_rule", body.to_string().as_bytes(), now) {
        Ok(parsed) => parsed.events,
        Err(fault) => {
            tracing::warn!(%fault, repository = hunt.repository, "a waiting gate cannot be understood");
            Vec::new()
        }
    }
}

impl Hunt<'_> {
    /// Deployments of a run to an environment that wait, if our App guards it.
    async fn gates(
        &mut self,
        run: &Value,
        environment: &str,
        alone: bool,
    ) -> Result<Vec<Value>, PlatformError> {
        if !self.is_ours(environment).await? {
            return Ok(Vec::new());
        }
        let named: String = byte_serialize(environment.as_bytes()).collect();
        let sha = run["head_sha"].as_str().unwrap_or_default();
        let path = format!("/deployments?environment={named}&sha={sha}&per_page={DEPLOYMENTS}");
        let deployments: Vec<Value> = self.get(&path).await?;
        let mut gates = Vec::new();
        for deployment in deployments {
            let path = format!("/deployments/{}/statuses?per_page=1", deployment["id"]);
            let statuses: Vec<Value> = self.get(&path).await?;
            if statuses.first().is_some_and(|status| waits_in(status, run, alone)) {
                gates.push(deployment);
            }
        }
        Ok(gates)
    }

    /// Whether one of the environment's protection rules is our App's.
    async fn is_ours(&mut self, environment: &str) -> Result<bool, PlatformError> {
        // A path segment, where a space is no plus.
        let named = byte_serialize(environment.as_bytes()).collect::<String>().replace('+', "%20");
        let path = format!("/environments/{named}/deployment_protection_rules");
        let rules: Value = match self.get(&path).await {
            Err(PlatformError::Gone) => return Ok(false),
            rules => rules?,
        };
        let app = self.app_id().await?;
        let rules = list(&rules, "custom_deployment_protection_rules");
        Ok(rules.iter().any(|rule| rule["enabled"] == true && rule["app"]["id"] == app))
    }

    /// The App's number: the configuration may name its client id instead.
    async fn app_id(&mut self) -> Result<Value, PlatformError> {
        if let Ok(number) = self.client.settings.app_id.parse::<u64>() {
            return Ok(number.into());
        }
        self.spend()?;
        let what = "reading the App";
        let (_, reply) = as_app(self.client, &Method::GET, "/app", what, Effect::Read).await?;
        reply.json::<Value>(what).map(|mut app| app["id"].take())
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, PlatformError> {
        self.spend()?;
        let what = "looking for waiting gates";
        let path = format!("{}{path}", self.repository);
        let deadline = self.client.clock.instant() + TIMEOUT;
        let call = Call { installation: self.installation, path: &path, what, deadline };
        self.client.get(call).await?.json(what)
    }

    fn spend(&mut self) -> Result<(), PlatformError> {
        let left = self.calls.checked_sub(1);
        *self.calls =
            left.ok_or_else(|| PlatformError::Transient("the calls of this turn are spent".into()))?;
        Ok(())
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A deployment does not name its run, but its statuses link to a job of it. Without a link it is this run's if no
/// other run of the commit waits.
fn waits_in(status: &Value, run: &Value, alone: bool) -> bool {
    let link = ["log_url", "target_url"]
        .iter()
        .find_map(|name| status[*name].as_str().filter(|link| !link.is_empty()));
    let is_of = match link {
        Some(link) => link.contains(&format!("/actions/runs/{}/", run["id"])),
        None => alone,
    };
    status["state"] == "waiting" && is_of
}

#[derive(Deserialize)]
struct Installation {
    id: Text,
}

/// The repositories of one page of each installation.
pub(super) async fn places(client: &Client, page: u32) -> Result<Option<Vec<Place>>, PlatformError> {
    let what = "listing installations";
    let path = format!("/app/installations?per_page={PAGE}");
    let (_, reply) = as_app(client, &Method::GET, &path, what, Effect::Read).await?;
    let (mut places, mut more) = (Vec::new(), false);
    for installation in reply.json::<Vec<Installation>>(what)? {
        let Some(id) = installation.id.owned().filter(|id| is_id(id)) else { continue };
        let path = format!("/installation/repositories?per_page={PAGE}&page={}", page + 1);
        let deadline = client.clock.instant() + TIMEOUT;
        let call = Call { installation: &id, path: &path, what: "listing repositories", deadline };
        let listed: Value = client.get(call).await?.json("listing repositories")?;
        let listed = list(&listed, "repositories");
        more |= listed.len() == PAGE;
        places.extend(listed.iter().filter_map(|repository| place(repository, &id)));
    }
    Ok((more || !places.is_empty()).then_some(places))
}

fn place(repository: &Value, installation: &str) -> Option<Place> {
    let (owner, repo) = repository["full_name"].as_str()?.split_once('/')?;
    let ids = PLACE.into_iter().zip([owner, repo, installation]);
    Some(Place(ids.map(|(name, id)| (name.to_owned(), id.to_owned())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_waits_in_the_run_that_its_status_links_to() {
        let run = json!({ "id": 7 });
        let status = |state: &str, link: &str| json!({ "state": state, "log_url": "", "target_url": link });
        let link = "https://github.com/harbour/tide-tables/actions/runs/7/job/99";
        assert!(waits_in(&status("waiting", link), &run, false));
        assert!(!waits_in(&status("in_progress", link), &run, true), "it went on");
        assert!(!waits_in(&status("waiting", &link.replace("/7/", "/77/")), &run, true), "of another run");
        assert!(waits_in(&status("waiting", ""), &run, true));
        assert!(!waits_in(&status("waiting", ""), &run, false), "two runs of one commit wait");
    }
}
