//! The ids that name a gate at GitHub: taken out of a webhook, checked before a URL is built from them.

use std::collections::BTreeMap;

use interlock_events::GateHandle;
use interlock_runtime::webhook::Unreadable;
use url::Url;

use super::KIND;
use super::payload::{is_id, unreadable};
use crate::PlatformError;

/// GitHub ends owner names at 39 and repository names at 100 characters.
const NAME_BYTES_MAX: usize = 100;

/// One gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gate {
    pub owner: String,
    pub repo: String,
    pub run_id: String,
    pub environment: String,
    pub deployment_id: String,
    pub installation_id: String,
}

impl Gate {
    /// The handle that travels with the event.
    pub fn handle(self, connection: &str) -> GateHandle {
        let ids = [
            ("owner", self.owner),
            ("repo", self.repo),
            ("run_id", self.run_id),
            ("environment", self.environment),
            ("deployment_id", self.deployment_id),
            ("installation_id", self.installation_id),
        ];
        let ids: BTreeMap<_, _> = ids.into_iter().map(|(name, id)| (name.to_owned(), id)).collect();
        GateHandle { platform: KIND.into(), connection: connection.to_owned(), ids, sealed: None }
    }

    /// Reads a handle back. It travelled through queues, so its ids are checked again.
    pub fn of(handle: &GateHandle) -> Result<Self, PlatformError> {
        let id = |name: &str, fits: fn(&str) -> bool| {
            let id = handle.ids.get(name).filter(|id| fits(id)).cloned();
            id.ok_or_else(|| PlatformError::Refused(format!("the gate handle has no usable `{name}`")))
        };
        if handle.platform != KIND {
            return Err(PlatformError::Refused(format!(
                "the gate is of `{}`, not of GitHub",
                handle.platform
            )));
        }
        Ok(Self {
            owner: id("owner", is_name)?,
            repo: id("repo", is_name)?,
            run_id: id("run_id", is_id)?,
            environment: id("environment", |environment| !environment.is_empty())?,
            deployment_id: id("deployment_id", is_id)?,
            installation_id: id("installation_id", is_id)?,
        })
    }

    /// Path of the repository.
    pub fn repository(&self) -> String {
        format!("/repos/{}/{}", self.owner, self.repo)
    }

    /// Path of the run.
    pub fn run(&self) -> String {
        format!("{}/actions/runs/{}", self.repository(), self.run_id)
    }

    /// Path of a deployment of the repository.
    pub fn deployment_of(&self, id: &str) -> String {
        format!("{}/deployments/{id}", self.repository())
    }
}

/// Owner, repository and run, out of a callback URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Callback {
    pub owner: String,
    pub repo: String,
    pub run_id: String,
}

/// Takes a callback URL apart. It must lie below our own base and have exactly the documented path
/// (`/repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule`); it is never called.
pub(super) fn callback(text: &str, base: &Url) -> Result<Callback, Unreadable> {
    let fault = |reason| unreadable("/deployment_callback_url", reason);
    let url = Url::parse(text).map_err(|_| fault("not a URL"))?;
    if url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some() {
        return Err(fault("not a URL of the connection's base_url"));
    }
    let path = url.path().strip_prefix(base.path().trim_end_matches('/'));
    let path = path.filter(|_| url.query().is_none() && url.fragment().is_none());
    let segments: Vec<&str> = path.unwrap_or_default().split('/').collect();
    match segments[..] {
        ["", "repos", owner, repo, "actions", "runs", run_id, "deployment_protection_rule"]
            if is_name(owner) && is_name(repo) && is_id(run_id) =>
        {
            Ok(Callback { owner: owner.into(), repo: repo.into(), run_id: run_id.into() })
        }
        _ => Err(fault("not the path of a deployment protection rule")),
    }
}

/// Letters, digits, `-`, `_`, `.`, and no way up a path.
pub(super) fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits) && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    const PATH: &str = "repos/harbour/tide-tables/actions/runs/77/deployment_protection_rule";

    #[test]
    fn a_callback_of_our_base_names_owner_repository_and_run() {
        let expected = Callback { owner: "harbour".into(), repo: "tide-tables".into(), run_id: "77".into() };
        let public = callback(&format!("https://api.github.com/{PATH}"), &base("https://api.github.com"));
        assert_eq!(public.as_ref(), Ok(&expected));
        for own in ["https://github.example.net/api/v3", "https://github.example.net/api/v3/"] {
            let own = callback(&format!("https://github.example.net/api/v3/{PATH}"), &base(own));
            assert_eq!(own.as_ref(), Ok(&expected));
        }
    }

    #[test]
    fn a_callback_to_anywhere_else_is_refused() {
        let base = base("https://api.github.com");
        let cases = [
            format!("http://api.github.com/{PATH}"),
            format!("https://api.github.com:8443/{PATH}"),
            format!("https://api.github.com.evil.example/{PATH}"),
            format!("https://evil.example/{PATH}"),
            format!("https://user:secret@api.github.com/{PATH}"),
            format!("https://api.github.com/{PATH}?a=b"),
            format!("https://api.github.com/{PATH}#a"),
            format!("https://api.github.com/{PATH}/"),
            format!("https://api.github.com/api/v3/{PATH}"),
            format!("https://api.github.com//{PATH}"),
            "https://api.github.com/repos/a/b/actions/runs/7x/deployment_protection_rule".into(),
            "https://api.github.com/repos/a/../actions/runs/7/deployment_protection_rule".into(),
            "https://api.github.com/repos/a/%2e%2e/actions/runs/7/deployment_protection_rule".into(),
            "https://api.github.com/repos/a/b%2Fc/actions/runs/7/deployment_protection_rule".into(),
            "/repos/a/b".into(),
            String::new(),
        ];
        for case in cases {
            assert!(callback(&case, &base).is_err(), "{case}");
        }
    }

    #[test]
    fn a_handle_is_read_back_as_it_was_and_checked() {
        let gate = Gate {
            owner: "harbour".into(),
            repo: "tide-tables".into(),
            run_id: "77".into(),
            environment: "live / north".into(),
            deployment_id: "5".into(),
            installation_id: "9".into(),
        };
        let handle = gate.clone().handle("github");
        assert_eq!(Gate::of(&handle), Ok(gate));
        for (name, value) in [("owner", "a/b"), ("repo", ".."), ("run_id", "7/x"), ("environment", "")] {
            let mut handle = handle.clone();
            handle.ids.insert(name.into(), value.into());
            assert!(matches!(Gate::of(&handle), Err(PlatformError::Refused(_))), "{name}");
        }
    }
}
