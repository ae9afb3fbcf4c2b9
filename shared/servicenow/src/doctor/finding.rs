//! What an examination comes to, in words that an administrator of the instance understands.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Interlock works, but somebody should know.
    Warning,
    /// Interlock does not work as it should until this is mended.
    Fault,
}

/// Something that should be mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The same in every version: what scripts and searches go by.
    pub name: Name,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter.
    pub cause: String,
    /// What to do about it.
    pub cure: String,
}

impl Finding {
    pub(crate) fn fault(name: Name, cause: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, severity: Severity::Fault, cause: cause.into(), cure: cure.into() }
    }

    pub(crate) fn warning(name: Name, cause: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::fault(name, cause, cure) }
    }
}

/// One check: what was found, and else what was seen, or why nothing could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What was looked at.
    pub check: Check,
    /// What should be mended.
    pub findings: Vec<Finding>,
    /// What was seen to be well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What could not be looked at, and why. It may be well or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
}

impl Verdict {
    pub(crate) fn seen(check: Check, text: impl Into<String>) -> Self {
        Self { check, findings: Vec::new(), seen: Some(text.into()), unseen: None }
    }

    pub(crate) fn unseen(check: Check, reason: impl Into<String>) -> Self {
        Self { check, findings: Vec::new(), seen: None, unseen: Some(reason.into()) }
    }

    pub(crate) fn found(check: Check, finding: Finding) -> Self {
        Self { check, findings: vec![finding], seen: None, unseen: None }
    }

    /// The findings, or that all is well.
    pub(crate) fn of(check: Check, findings: Vec<Finding>, well: impl Into<String>) -> Self {
        let seen = findings.is_empty().then(|| well.into());
        Self { check, findings, seen, unseen: None }
    }
}

/// What is known of one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Name of the connection.
    pub connection: String,
    /// Scheme and host of the instance.
    pub instance: String,
    /// Whom the instance takes us for, where it says.
    pub user: Option<String>,
    /// How many calls it took.
    pub calls: u32,
    /// Check by check, in order.
    pub verdicts: Vec<Verdict>,
}

impl Examination {
    /// Adds what only shows beside other connections.
    pub fn add(&mut self, finding: Finding) {
        self.verdicts.push(Verdict::found(Check::User, finding));
    }

    /// Everything that should be mended.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.verdicts.iter().flat_map(|verdict| &verdict.findings)
    }
}

macro_rules! texts {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$doc])* $variant),* }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As people and scripts read it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

texts! {
    /// What is looked at.
    Check {
        /// Whether an API answers at all.
        Reach = "reach",
        /// Whether it knows us.
        LogIn = "log in",
        /// The user that we are.
        User = "user",
        /// What the user may do, by its roles.
        Roles = "roles",
        /// Whether changes can be read.
        Changes = "changes",
        /// The Change Management API.
        ChangeApi = "change API",
        /// Whether approvals can be read.
        Approvals = "approvals",
        /// Whether work notes can be read.
        WorkNotes = "work notes",
        /// The field that a change is found by.
        Correlation = "correlation id",
        /// Fields that the instance demands.
        Mandatory = "mandatory fields",
        /// Values that policies write.
        Choices = "choices",
        /// The states of a change.
        States = "states",
        /// Assignment groups of the policies.
        Groups = "groups",
        /// Configuration items of the policies.
        Items = "configuration items",
        /// Templates of standard changes of the policies.
        Templates = "templates",
        /// Time zone and date format.
        Dates = "dates",
        /// The clocks.
        Clock = "clock",
        /// How many calls the instance takes.
        Limits = "limits",
        /// Whether the instance tells us of changes.
        Webhook = "webhook",
        /// A change that is opened, read back and canceled.
        TestChange = "test change",
    }
}

texts! {
    /// Names of findings.
    Name {
        /// No connection.
        Unreachable = "unreachable",
        /// The certificate is by no authority that this machine knows.
        TlsNotTrusted = "tls_not_trusted",
        /// It answers, with errors of its own.
        InstanceFailing = "instance_failing",
        /// A developer instance sleeps.
        InstanceHibernating = "instance_hibernating",
        /// A page for people who log in.
        LoginPage = "login_page",
        /// A page that says that it is being worked on.
        Maintenance = "maintenance",
        /// Something else than ServiceNow answers.
        NotTheApi = "not_the_api",
        /// Our secret cannot be read.
        SecretMissing = "secret_missing",
        /// User and password, or the key, are refused.
        CredentialsRefused = "credentials_refused",
        /// No access token is given.
        OauthClientRefused = "oauth_client_refused",
        /// The user may not log in.
        UserLocked = "user_locked",
        /// A second factor is asked for.
        SecondFactor = "second_factor",
        /// The REST API is closed to the user.
        NoApiAccess = "no_api_access",
        /// The Change Management API is not there.
        ChangeApiMissing = "change_api_missing",
        /// Two connections share a user.
        UserShared = "user_shared",
        /// The user could approve, or worse.
        TooManyRights = "too_many_rights",
        /// No role that may write changes.
        RoleMissing = "role_missing",
        /// Changes cannot be read.
        ChangesHidden = "changes_hidden",
        /// Fields of a change cannot be read.
        ChangeFieldsHidden = "change_fields_hidden",
        /// The correlation fields cannot be read.
        CorrelationHidden = "correlation_hidden",
        /// The correlation fields are cut.
        CorrelationCut = "correlation_cut",
        /// The correlation fields cannot be written.
        CorrelationNotWritable = "correlation_not_writable",
        /// Approver rows cannot be read.
        ApproversHidden = "approvers_hidden",
        /// Work notes cannot be read.
        JournalHidden = "journal_hidden",
        /// A field is demanded that a policy does not fill.
        MandatoryUnfilled = "mandatory_unfilled",
        /// A policy writes a value that the instance does not know.
        ChoiceUnknown = "choice_unknown",
        /// One of our states has no number at the instance.
        StateMissing = "state_missing",
        /// The instance has states that we do not know.
        StateUnknown = "state_unknown",
        /// A state cannot be set by the user.
        StateNotSettable = "state_not_settable",
        /// No group has this name.
        GroupAbsent = "group_absent",
        /// Several groups have this name.
        GroupAmbiguous = "group_ambiguous",
        /// The group is not active.
        GroupInactive = "group_inactive",
        /// No configuration item has this name.
        ItemAbsent = "ci_absent",
        /// Several configuration items have this name.
        ItemAmbiguous = "ci_ambiguous",
        /// No template has this name.
        TemplateAbsent = "template_absent",
        /// Several templates have this name.
        TemplateAmbiguous = "template_ambiguous",
        /// The template may not be used any more.
        TemplateRetired = "template_retired",
        /// The user's time zone is not GMT.
        TimeZoneNotUtc = "time_zone_not_utc",
        /// The user has a date format of its own.
        DateFormat = "date_format",
        /// Planned dates are not kept as they are written.
        DatesShifted = "dates_shifted",
        /// The clocks differ.
        ClockSkew = "clock_skew",
        /// Few calls are allowed.
        RateLimitLow = "rate_limit_low",
        /// All calls of this hour are used up.
        RateLimitReached = "rate_limit_reached",
        /// The instance has no thread free for us.
        InstanceBusy = "instance_busy",
        /// The instance's webhook is not set up.
        WebhookAbsent = "webhook_absent",
        /// A change cannot be created.
        ChangeCreateRefused = "change_create_refused",
        /// A change cannot be updated.
        ChangeUpdateRefused = "change_update_refused",
        /// A field of the test change is not kept.
        FieldNotKept = "field_not_kept",
        /// The instance does not keep a `sys_id` that is chosen for a change.
        ChosenIdIgnored = "chosen_id_ignored",
        /// Files cannot be attached.
        AttachmentRefused = "attachment_refused",
        /// The test change could not be canceled.
        TestChangeLeft = "test_change_left",
    }
}
