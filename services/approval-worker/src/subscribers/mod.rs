//! A file per reaction.

mod follow_change;
mod follow_deployment;
mod follow_record;
mod follow_run;
mod keep_gate;

pub(crate) use follow_change::FollowChange;
pub(crate) use follow_deployment::FollowDeployment;
pub(crate) use follow_record::FollowRecord;
pub(crate) use follow_run::FollowRun;
pub(crate) use keep_gate::KeepGate;
