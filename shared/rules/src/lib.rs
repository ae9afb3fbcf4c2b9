//! What is decided: policy match, may a gate be released, the next step of a change, which change is the one.
//!
//! Pure: no I/O, no async, no clock. Times are given. Each decision is tested over its whole grid,
//! and a model checker may call it.
#![doc = include_str!("../README.md")]

mod canonical;
mod chain;
mod cmdb;
mod conflict;
mod create;
mod draft;
mod evidence;
mod freeze;
mod gate;
mod pace;
mod policies;
mod policy;
mod promise;
mod record;
mod release;
mod report;
mod rollback;
mod run;
mod separation;
mod shared;
mod step;
mod text;
mod when;

pub use canonical::{Family, approved_after_cancel, canonical, extras, hangs_on_approvers};
pub use chain::{Standing, standing};
pub use cmdb::{CmdbTerms, item_fields};
pub use conflict::{
    CheckAsked, CheckStep, Checked, ConflictCheck, ConflictRule, ConflictStatus, MOVES_MAX, Plan, next_check,
    next_free,
};
pub use create::{CreateFacts, Creation, may_create};
pub use draft::{Draft, draft};
pub use evidence::EvidenceTerms;
pub use freeze::{Freeze, LocalTime, WeekTime, Weekly};
pub use gate::{Answered, Conclusion, PLATFORM_MARGIN, RELEASE_MARGIN, conclude, deadline, next_look};
pub use pace::{Glances, has_not_moved, run_look_after};
pub use policies::Policies;
pub use policy::{
    ApprovalTerms, ChangeTerms, ChangeType, CloseTerms, GateRule, Mode, OWNED_BY_TEMPLATE, OnRejection,
    OnWithdrawal, Policy, Terms, WindowRule,
};
pub use promise::broken_promise;
pub use record::{Approval, ApproverRow, CANCELED_MARK, ChangeRow, ChangeState, Reading, WITHDRAWN_MARK};
pub use release::{PERMIT_LIFETIME, Permit, ReleaseInputs, Verdict, may_observe, may_release, withdrawn};
pub use report::{REPORTS_MAX, Report, Waiting, report};
pub use rollback::{Earlier, Rollback, RollbackTerms, may_take_back, rollback};
pub use run::{Answer, RunPhase, RunReading};
pub use separation::{Part, Party, Person, SeparationTerms, UnknownPerson, broken_separation};
pub use shared::{SIBLINGS_KEPT, SharedGate, Sibling, Whose, together};
pub use step::{Goal, Step, next_step};
pub use text::{TemplateFault, check_template, render, render_request};
pub use when::{Condition, Considered, When};
