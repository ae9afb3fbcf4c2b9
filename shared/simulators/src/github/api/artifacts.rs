//! What runs uploaded: the list, where a content is, and the store that has it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::artifacts::{Artifact, STORE};
use super::super::call::{Call, Reply};
use super::super::model::Refused;
use super::super::world::World;
use super::{Answered, page};

/// How long an address of the store is good.
const ADDRESS_LIFE: TimeDelta = TimeDelta::minutes(1);
/// How long artifacts are kept (docs: 90 days).
const KEPT: TimeDelta = TimeDelta::days(90);

/// Newest first.
pub(super) fn list(world: &World, call: &Call, repository: usize, run: u64) -> Answered {
    if world.run(run)?.repository != repository {
        return Err(Refused::not_found());
    }
    let name = call.asked("name");
    let fits = |one: &&Artifact| one.run == run && name.as_ref().is_none_or(|name| *name == one.name);
    let found: Vec<&Artifact> = world.artifacts.all().rev().filter(fits).collect();
    let total = found.len();
    let wrap = |artifacts| json!({ "total_count": total, "artifacts": artifacts });
    Ok(page(world, call, &found, |one| show(world, one), wrap))
}

fn show(world: &World, artifact: &Artifact) -> Value {
    let url = format!(
        "{}/repos/{}/actions/artifacts/{}",
        world.options.api_base,
        world.repositories[artifact.repository].full_name(),
        artifact.id
    );
    json!({
        "id": artifact.id, "name": artifact.name, "size_in_bytes": artifact.archive.len(), "url": url,
        "archive_download_url": format!("{url}/zip"), "expired": artifact.expired,
        "created_at": artifact.at, "updated_at": artifact.at, "expires_at": artifact.at + KEPT,
        "digest": format!("sha256:{}", artifact.digest()), "workflow_run": { "id": artifact.run },
    })
}

/// A redirect to the store, with an address that is good for a minute.
pub(super) fn locate(world: &World, now: DateTime<Utc>, repository: usize, id: u64) -> Answered {
    let artifact = world.artifacts.get(id).filter(|one| one.repository == repository);
    let artifact = artifact.ok_or_else(Refused::not_found)?;
    if artifact.expired {
        return Err(Refused::new(410, "Artifact has expired"));
    }
    let base = world.knobs.artifact_store.as_ref().unwrap_or(&world.options.api_base);
    let until = (now + ADDRESS_LIFE).timestamp();
    let target = format!("{base}/{STORE}/{id}?se={until}&sig={}", artifact.signature(until));
    Ok(Reply::empty(302).with("location", target))
}

/// The store takes the signature of the address for credentials, and no others beside it.
pub(super) fn content(world: &World, now: DateTime<Utc>, call: &Call, id: u64) -> Answered {
    if call.token.is_some() {
        return Err(Refused::new(400, "InvalidAuthenticationInfo"));
    }
    let artifact = world.artifacts.get(id).ok_or_else(Refused::not_found)?;
    let until = call.asked("se").and_then(|until| until.parse().ok()).unwrap_or(0);
    let signed = call.asked("sig").is_some_and(|sig| sig == artifact.signature(until));
    if !signed || until < now.timestamp() {
        return Err(Refused::new(403, "AuthenticationFailed"));
    }
    let hop = call.asked_number("hop").unwrap_or(0);
    if hop < world.knobs.artifact_hops as usize {
        let target = format!("{}?se={until}&sig={}&hop={}", call.path, artifact.signature(until), hop + 1);
        return Ok(Reply::empty(302).with("location", target));
    }
    Ok(Reply { content_type: "application/zip", body: artifact.archive.clone(), ..Reply::empty(200) })
}
