//! How a simulated instance is set up, and the knobs where real instances differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::limits::SemaphoreKnob;
use super::webhook::WebhookTarget;
use crate::clock::SimClock;

/// Set-up of an instance. By default there are the users `admin`, `interlock` (the integration), `alice.approver`
/// (of the group "Change Management") and `bob.cab` (of "CAB Approval"); the password is the name up to its dot.
#[derive(Clone)]
pub struct Options {
    /// The instance's time.
    pub clock: SimClock,
    /// Users that exist, with their passwords for basic authentication.
    pub accounts: Vec<Account>,
    /// OAuth registry entries for client credentials.
    pub oauth_clients: Vec<OauthClient>,
    /// Public keys (PEM, RSA) that check the assertions of a JWT bearer grant, by client id.
    pub jwt_keys: Vec<(String, String)>,
    /// Inbound API keys for the header `x-sn-apikey`, each with its user name.
    pub api_keys: Vec<(String, String)>,
    /// Where the instance differs from the documented behaviour.
    pub knobs: Knobs,
    /// Receiver of outbound webhooks.
    pub webhook: Option<WebhookTarget>,
    /// When set, `/__sim/*` demands it as a bearer token.
    pub control_token: Option<String>,
    /// Scheme and host in links; otherwise taken from the request's `Host`.
    pub base_url: Option<String>,
    /// Generated sys_ids and tokens derive from it, so that two runs are alike.
    pub seed: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: SimClock::real(),
            accounts: default_accounts(),
            oauth_clients: vec![OauthClient {
                client_id: "interlock-client".to_owned(),
                client_secret: "interlock-client-secret".to_owned(),
                user_name: "interlock".to_owned(),
            }],
            jwt_keys: Vec::new(),
            api_keys: Vec::new(),
            knobs: Knobs::default(),
            webhook: None,
            control_token: None,
            base_url: None,
            seed: "servicenow".to_owned(),
        }
    }
}

/// A user.
#[derive(Clone)]
pub struct Account {
    /// Login name.
    pub user_name: String,
    /// Password for basic authentication.
    pub password: String,
    /// Full name.
    pub name: String,
    /// `sys_user.sys_id`; generated when empty.
    pub sys_id: String,
    /// Roles; `admin` holds all.
    pub roles: Vec<String>,
}

impl Account {
    /// An account with a generated sys_id.
    pub fn new(user_name: &str, password: &str, name: &str, roles: &[&str]) -> Self {
        Self {
            user_name: user_name.to_owned(),
            password: password.to_owned(),
            name: name.to_owned(),
            sys_id: String::new(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        }
    }

    fn with_sys_id(mut self, sys_id: &str) -> Self {
        self.sys_id = sys_id.to_owned();
        self
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.user_name)
    }
}

fn default_accounts() -> Vec<Account> {
    vec![
        Account::new("admin", "admin", "System Administrator", &["admin"])
            .with_sys_id("6816f79cc0a8016401c5a33be04be441"),
        Account::new(
            "interlock",
            "interlock",
            "Interlock Integration",
            &["itil", "sn_change_write", "approval_admin"],
        )
        .with_sys_id("26fbff173b331300ad3cc9bb34efc4bd"),
        Account::new("alice.approver", "alice", "Alice Approver", &["approver_user"]),
        Account::new("bob.cab", "bob", "Bob Cab", &["approver_user"]),
    ]
}

/// An OAuth client and the user it acts as.
#[derive(Clone)]
pub struct OauthClient {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: String,
    /// The OAuth application user.
    pub user_name: String,
}

impl std::fmt::Debug for OauthClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OauthClient({})", self.client_id)
    }
}

/// What an insert does with a state that the caller sends; field reports disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitialStatePolicy {
    /// The change lands in New, silently.
    ForceNew,
    /// New to Implement are taken; Review and Closed are refused.
    AllowOpen,
    /// Anything but New is refused.
    #[serde(rename = "strict_403")]
    Strict403,
}

/// How many members of a group decide for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// The first one.
    Any,
    /// Each of them.
    All,
}

/// Whether the Change API wraps a single record in an array; the documentation and the field disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultShape {
    /// `{"result": {..}}`.
    Object,
    /// `{"result": [{..}]}`.
    Array,
}

/// What asking for the first free slot does with a change; the documentation shows a worker alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstAvailable {
    /// The change is planned for it.
    Plans,
    /// The worker names it, and the change stays as it was.
    Offers,
    /// There is no such resource.
    Absent,
}

/// Type of `value` in the Change API; the samples disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueTypes {
    /// `-5` and `true`.
    Number,
    /// `-5.0` and `true`.
    Float,
    /// `"-5"` and `"true"`.
    String,
}

/// Where instances differ. The defaults are the documented behaviour, with what the field reports where that is silent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// A part of a query that names no field, or is not simulated, is refused with 501. An instance ignores it.
    pub strict_queries: bool,
    /// Property `glide.invalid_query.returns_no_rows`: an ignored part lets no row through instead of all.
    pub invalid_query_returns_no_rows: bool,
    /// `/api/now/v1` answers 404 when a list is empty.
    pub empty_list_v1_404: bool,
    /// What an insert does with a state that the caller sends.
    pub initial_state_policy: InitialStatePolicy,
    /// Shape of a single record in the Change API.
    pub chg_result_shape: ResultShape,
    /// Type of `value` in the Change API.
    pub chg_value_types: ValueTypes,
    /// Status of a business-rule abort in the Change API.
    pub chg_abort_status: u16,
    /// A caller-chosen sys_id on insert is kept.
    pub honour_chosen_sys_id: bool,
    /// Status of an insert whose sys_id is taken.
    pub duplicate_sys_id_status: u16,
    /// A request without `Accept`, or with a body and no `Content-Type`, is refused with 400.
    pub strict_headers: bool,
    /// A longer address is refused with 414; without it only an endless path is.
    pub uri_bytes_max: Option<usize>,
    /// Threads and queue of a node; a request that finds the queue full gets a bare 429.
    pub semaphore: Option<SemaphoreKnob>,
    /// Rate-limit rules are enforced on counts that are this old.
    pub rate_limit_flush_s: u64,
    /// Property `com.glide.attachment.max_size`, in bytes.
    pub attachment_bytes_max: u64,
    /// Property `glide.attachment.extensions`; empty: every extension is taken.
    pub attachment_extensions: Vec<String>,
    /// Status with which another extension is refused; instances differ.
    pub attachment_refused_status: u16,
    /// A request that takes longer is cancelled before it commits.
    pub quota_ms: Option<u64>,
    /// How long a request within a batch takes of the batch's 30 s.
    pub batch_item_ms: u64,
    /// Lists come from a replica that is this far behind.
    pub list_lag_ms: u64,
    /// Text that is too long is cut without a word.
    pub string_truncate: bool,
    /// Text fields that are shorter than usual, by name; `sys_dictionary` says so too.
    pub text_max: BTreeMap<String, usize>,
    /// A write that moves a problem's state is answered with 200 and the old state.
    pub problem_state_ignored: bool,
    /// Changes have a change model. Without one, `nextstates` tells states alone.
    pub model_driven: bool,
    /// Property `glide.ui.risk_calculate_rule` is `business_rule`: the risk is calculated at each save.
    pub risk_by_business_rule: bool,
    /// How long workers of the Change API take.
    pub worker_delay_ms: u64,
    /// How long a check for conflicts takes.
    pub conflict_check_ms: u64,
    /// The answer about conflicts lists them; the vendor's sample is empty.
    pub conflicts_listed: bool,
    /// Another CI or other planned dates take the result of a check back.
    pub other_dates_reset_conflicts: bool,
    /// Blackouts of every CI, from and until, as date-times are stored.
    pub blackouts: Vec<(String, String)>,
    /// What asking for the first free slot does with a change.
    pub first_available: FirstAvailable,
    /// A change that enters Implement gets two tasks.
    pub implement_tasks: bool,
    /// Time zone of all users; without one, what their records say.
    pub user_time_zone: Option<String>,
    /// Levels of approval of a normal change: 0, 1 (assignment group) or 2 (and CAB).
    pub approval_levels: u8,
    /// Groups that are asked on each of the two levels, by name or sys_id. An empty level asks the assignment
    /// group, then "CAB Approval".
    pub approval_groups: [Vec<String>; 2],
    /// Whether one member decides for a group, or all of them.
    pub approval_wait_for: WaitFor,
    /// Approver rows appear so long after the state that asks for them.
    pub approval_delay_ms: u64,
    /// When set, whoever is asked approves so long after being asked.
    pub auto_approve_ms: Option<u64>,
    /// An approved change is asked about anew so long after its approval.
    pub approval_flap_ms: Option<u64>,
    /// A standard change that is Scheduled shows `approved`; without it its `approval` stays as it was.
    pub standard_shows_approved: bool,
    /// A rejection leaves `approval` at `not requested` instead of `rejected`.
    pub reject_resets_approval: bool,
    /// Lifetime of an access token in seconds.
    pub token_lifetime_s: i64,
    /// Property `glide.oauth.inbound.client.credential.grant_type.enabled`.
    pub client_credentials_enabled: bool,
    /// Status of a refused token request: 401, and 400 on some instances.
    pub token_error_status: u16,
    /// A user who is locked out or inactive still gets an access token; only calls with it are refused.
    pub locked_users_get_tokens: bool,
    /// Role without which the REST API refuses every call.
    pub rest_api_role: Option<String>,
    /// Basic authentication is refused although the password is right.
    pub basic_gate_401: bool,
    /// A change that is closed or cancelled takes no notes.
    pub closed_refuses_notes: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            strict_queries: true,
            invalid_query_returns_no_rows: false,
            empty_list_v1_404: false,
            initial_state_policy: InitialStatePolicy::ForceNew,
            chg_result_shape: ResultShape::Object,
            chg_value_types: ValueTypes::Number,
            chg_abort_status: 403,
            honour_chosen_sys_id: true,
            duplicate_sys_id_status: 403,
            strict_headers: false,
            uri_bytes_max: None,
            semaphore: None,
            rate_limit_flush_s: 30,
            attachment_bytes_max: 1024 * 1024 * 1024,
            attachment_extensions: Vec::new(),
            attachment_refused_status: 403,
            quota_ms: None,
            batch_item_ms: 5,
            list_lag_ms: 0,
            string_truncate: true,
            text_max: BTreeMap::new(),
            problem_state_ignored: true,
            model_driven: true,
            risk_by_business_rule: false,
            worker_delay_ms: 0,
            conflict_check_ms: 0,
            conflicts_listed: true,
            other_dates_reset_conflicts: true,
            blackouts: Vec::new(),
            first_available: FirstAvailable::Plans,
            implement_tasks: true,
            user_time_zone: None,
            approval_levels: 2,
            approval_groups: [Vec::new(), Vec::new()],
            approval_wait_for: WaitFor::Any,
            approval_delay_ms: 0,
            auto_approve_ms: None,
            approval_flap_ms: None,
            standard_shows_approved: true,
            reject_resets_approval: false,
            token_lifetime_s: 1800,
            client_credentials_enabled: true,
            token_error_status: 401,
            locked_users_get_tokens: false,
            rest_api_role: None,
            basic_gate_401: false,
            closed_refuses_notes: false,
        }
    }
}
