//! What the rules are asked about: one deployment, its change records, its terms.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use interlock_events::{CORRELATION_DISPLAY, CorrelationId, Deployment, DeploymentKey, KeyHash, Project};
use interlock_rules::{
    Approval, ApproverRow, ChangeRow, ChangeState, ChangeType, ConflictCheck, Policies, Terms,
};

pub(crate) static DEPLOYMENT: LazyLock<Deployment> = LazyLock::new(|| Deployment {
    key: DeploymentKey {
        tenant: "default".into(),
        connection: "github".into(),
        project: "70012".into(),
        environment: "production".into(),
        occurrence: "2210045".into(),
    },
    project: Project { id: "70012".into(), name: "acme/payments-api".into(), url: None },
    sha: "4f0c2a9be1d7730c5ad0f4e1c9ab65a2f7716c31".into(),
    reference: None,
    run: None,
    actor: None,
});

pub(crate) static KEY: LazyLock<KeyHash> = LazyLock::new(|| DEPLOYMENT.key.hash());

pub(crate) static CORRELATION: LazyLock<String> = LazyLock::new(|| {
    CorrelationId::new(&DEPLOYMENT.key, &DEPLOYMENT.sha, &DEPLOYMENT.project.name).to_string()
});

/// The default policy's terms.
pub(crate) static TERMS: LazyLock<Terms> =
    LazyLock::new(|| Policies::new(vec![], "snow".into()).of(&DEPLOYMENT));

/// So many seconds after the request.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(1_768_209_302 + seconds)
}

/// A record of the deployment, its `approval` field following its state.
pub(crate) fn row(number: &str, created: i64, state: ChangeState) -> ChangeRow {
    let approval = if state < ChangeState::Scheduled { Approval::Requested } else { Approval::Approved };
    ChangeRow {
        sys_id: format!("{number:0>32}"),
        number: number.into(),
        correlation_id: CORRELATION.clone(),
        correlation_display: CORRELATION_DISPLAY.into(),
        change_type: Some(ChangeType::Normal),
        template: None,
        parent: None,
        cmdb_ci: None,
        conflict: ConflictCheck::default(),
        state: Some(state),
        approval,
        on_hold: false,
        start: None,
        end: None,
        created: at(created),
        updated: at(created),
        mod_count: "1".into(),
        close_notes: String::new(),
        approvers: Vec::new(),
    }
}

/// An approver row.
pub(crate) fn approver(state: &str, seconds: i64) -> ApproverRow {
    let (sys_id, user) = ("a".repeat(32), "b".repeat(32));
    ApproverRow { sys_id, state: state.into(), by: "alice".into(), user, at: Some(at(seconds)) }
}
