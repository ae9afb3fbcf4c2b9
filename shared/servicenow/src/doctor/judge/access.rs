//! Whether an API answers, whether it knows us, and as whom.

use http::StatusCode;

use super::{may_not_see, why};
use crate::doctor::finding::{Check, Finding, Name, Verdict};
use crate::doctor::readings::{Heard, field};
use crate::error::Fault;
use crate::settings::Auth;

/// Any answer of the API will do, also that it does not know us.
pub(in crate::doctor) fn reach(heard: &Heard) -> Verdict {
    match no_api(heard) {
        Some(finding) => Verdict::found(Check::Reach, finding),
        None => Verdict::seen(Check::Reach, "the instance's REST API answers"),
    }
}

/// Why this is no answer of the API.
fn no_api(heard: &Heard) -> Option<Finding> {
    match heard {
        Heard::Unsent(reason) if is_of_trust(reason) => Some(Finding::fault(
            Name::TlsNotTrusted,
            format!("this machine does not trust the instance's certificate: {reason}"),
            "add the certificate of the authority that signed it to this machine's trusted ones; look for a proxy \
             that opens TLS, for another host name in the certificate, and for one that has expired",
        )),
        Heard::Unsent(reason) | Heard::NotAsked(reason) => Some(Finding::fault(
            Name::Unreachable,
            format!("no connection to the instance: {reason}"),
            "check base_url, DNS, firewall and proxy from the machine on which Interlock runs",
        )),
        Heard::Silent(reason) => Some(Finding::fault(
            Name::InstanceFailing,
            format!("the instance does not answer as an API does: {reason}"),
            "look at the instance's status page and node logs, and try again later",
        )),
        Heard::Page { status, title } => Some(page(*status, title)),
        Heard::Rows(_) | Heard::Refused { .. } | Heard::Unauthorized { .. } => None,
    }
}

/// As the TLS library words it.
fn is_of_trust(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    reason.contains("certificate") || reason.contains("unknownissuer")
}

fn page(status: StatusCode, title: &str) -> Finding {
    let lower = title.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let (name, what, cure) = if says(&["hibernat"]) {
        let cure = "wake the developer instance at developer.servicenow.com; it sleeps when nobody uses it";
        (Name::InstanceHibernating, "the developer instance hibernates", cure)
    } else if says(&["maintenance", "upgrade"]) || status == StatusCode::SERVICE_UNAVAILABLE {
        (Name::Maintenance, "the instance shows a maintenance page", "wait until its maintenance is over")
    } else if says(&["log in", "login", "sign in"]) || status.is_redirection() {
        let cure = "write base_url as https://<instance> without a path, and let REST calls past single sign-on \
                    and multi-factor rules";
        (Name::LoginPage, "a page for people to log in comes instead of the API", cure)
    } else {
        let cure = "check base_url: it is scheme and host of the instance, nothing else";
        (Name::NotTheApi, "a page for people comes instead of the API", cure)
    };
    let titled = if title.is_empty() { String::new() } else { format!(", titled `{title}`") };
    Finding::fault(name, format!("{what} ({status}{titled})"), cure)
}

/// `token` is why there is none; `heard` came of a question with credentials.
pub(in crate::doctor) fn log_in(token: Option<&Fault>, heard: &Heard, auth: &Auth) -> Verdict {
    let finding = match (token, heard) {
        (Some(Fault::Input(said)), _) => Some(Finding::fault(
            Name::SecretMissing,
            said.clone(),
            "set it where Interlock runs; the configuration names it by reference only",
        )),
        (Some(Fault::NotAuthenticated(_)), _) => Some(oauth_refused()),
        (Some(fault), _) => Some(Finding::fault(
            Name::InstanceFailing,
            fault.to_string(),
            "see that /oauth_token.do answers; the plug-in OAuth 2.0 must be active",
        )),
        (None, Heard::Unauthorized { second_factor: true }) => Some(Finding::fault(
            Name::SecondFactor,
            "the instance asks the user for a second factor",
            "tick `Web service access only` in the user's record, or exempt it from multi-factor rules",
        )),
        (None, Heard::Unauthorized { .. }) => Some(refused(auth)),
        (None, Heard::Refused { said, .. }) if is_of_the_api(said) => Some(no_api_access(said)),
        (None, Heard::Refused { .. } | Heard::Rows(_) | Heard::NotAsked(_)) => None,
        (None, heard) => no_api(heard),
    };
    let well = match auth {
        Auth::Basic { .. } => "by user and password",
        Auth::Oauth { .. } => "by OAuth client credentials",
        Auth::ApiKey { .. } => "by API key",
    };
    Verdict::of(Check::LogIn, finding.into_iter().collect(), well)
}

fn is_of_the_api(said: &str) -> bool {
    said.contains("API level ACL")
}

fn no_api_access(said: &str) -> Finding {
    Finding::fault(
        Name::NoApiAccess,
        format!("the REST API is closed to the user: {said}"),
        "give the user the role that the instance demands for REST (snc_platform_rest_api_access), or look at \
         System Web Services > REST > API ACLs and the access policies",
    )
}

fn oauth_refused() -> Finding {
    Finding::fault(
        Name::OauthClientRefused,
        "no access token is given: the instance words every reason alike",
        "in System OAuth > Application Registry: the entry exists, is active and not expired, its secret is the \
         configured one, its OAuth Application User is set; that user is active and not locked out; and the \
         property glide.oauth.inbound.client.credential.grant_type.enabled is true",
    )
}

fn refused(auth: &Auth) -> Finding {
    match auth {
        Auth::Oauth { .. } => Finding::fault(
            Name::UserLocked,
            "an access token is given, but calls with it are refused: the OAuth application user is locked out or \
             inactive, or the token was just revoked",
            "open the user's record: active, and not locked out; then try again",
        ),
        Auth::Basic { .. } => Finding::fault(
            Name::CredentialsRefused,
            "user name and password are refused (401)",
            "check both, and that the user is active, not locked out, its password not to be reset, and `Web \
             service access only`: newer instances refuse basic authentication to users who can log in",
        ),
        Auth::ApiKey { .. } => Finding::fault(
            Name::CredentialsRefused,
            "the API key is refused (401)",
            "check the key, that it is active and bound to an active user, and that an inbound authentication \
             profile and an access policy let it into the Table and the Change Management API",
        ),
    }
}

/// What the instance shows of our own user.
pub(super) fn user(heard: &Heard) -> Verdict {
    let [row] = heard.rows() else {
        return Verdict::unseen(Check::User, may_not_see(heard, "its own row of sys_user"));
    };
    let is = |name: &str, value: &str| field(row, name) == value;
    let locked = is("locked_out", "true") || is("active", "false");
    let finding = locked.then(|| {
        Finding::fault(
            Name::UserLocked,
            "the user is locked out or inactive, and still let in: that may end at any time",
            "open the user's record: active, and not locked out",
        )
    });
    Verdict::of(Check::User, finding.into_iter().collect(), field(row, "user_name"))
}

/// With these Interlock could approve for people.
const TOO_MUCH: [&str; 4] = ["admin", "approval_admin", "change_manager", "security_admin"];
/// Each of these may write changes on an instance as it is delivered.
const ENOUGH: [&str; 5] = ["sn_change_write", "sn_change_writer", "itil", "change_manager", "admin"];

pub(super) fn roles(heard: &Heard) -> Verdict {
    let roles: Vec<String> =
        heard.rows().iter().map(|row| field(row, "role.name")).filter(|role| !role.is_empty()).collect();
    if roles.is_empty() {
        return Verdict::unseen(Check::Roles, may_not_see(heard, "sys_user_has_role"));
    }
    let mut findings = Vec::new();
    let much: Vec<&str> = roles.iter().map(String::as_str).filter(|role| TOO_MUCH.contains(role)).collect();
    if !much.is_empty() {
        findings.push(Finding::warning(
            Name::TooManyRights,
            format!("the user holds {}: Interlock could approve for your people", much.join(", ")),
            "take these roles away; sn_change_write and read rights are enough",
        ));
    }
    if !roles.iter().any(|role| ENOUGH.contains(&role.as_str())) {
        findings.push(Finding::warning(
            Name::RoleMissing,
            format!(
                "none of the user's roles may write changes on an instance as delivered: {}",
                roles.join(", ")
            ),
            "give it sn_change_write, or see by --write that your own role is enough",
        ));
    }
    Verdict::of(Check::Roles, findings, roles.join(", "))
}

/// Of connections of one instance with one user: name, instance and whom we say we are, or are told that we are.
#[must_use]
pub fn shared_users(connections: &[(String, String, String)]) -> Vec<(String, Finding)> {
    let mut findings = Vec::new();
    for (at, (name, instance, who)) in connections.iter().enumerate() {
        let others = connections[..at].iter().filter(|(_, other, same)| other == instance && same == who);
        for (other, ..) in others {
            let finding = Finding::warning(
                Name::UserShared,
                format!("`{name}` and `{other}` come to {instance} as the same {who}"),
                "give each connection a user of its own: rate limits count by user, and a locked user stops both",
            );
            findings.push((name.clone(), finding));
        }
    }
    findings
}

/// The change API and the tables are refused in the same words when the REST API is closed.
pub(super) fn api_closed(heard: &Heard) -> Option<Finding> {
    match heard {
        Heard::Refused { said, .. } if is_of_the_api(said) => Some(no_api_access(&why(heard))),
        _ => None,
    }
}
