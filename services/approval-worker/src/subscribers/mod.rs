//! A file per reaction.

mod follow_hint;
mod follow_record;
mod follow_run;
mod keep_gate;

pub(crate) use follow_hint::FollowHint;
pub(crate) use follow_record::FollowRecord;
pub(crate) use follow_run::FollowRun;
pub(crate) use keep_gate::KeepGate;
