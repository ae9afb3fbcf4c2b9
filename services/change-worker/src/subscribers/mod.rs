//! A file per reaction.

mod abandon_change;
mod close_change;
mod fact;
mod follow_deployment;
mod follow_run;
mod implement_change;
mod note_observation;
mod note_withdrawal;

pub(crate) use abandon_change::AbandonChange;
pub(crate) use close_change::CloseChange;
pub(crate) use follow_deployment::FollowDeployment;
pub(crate) use follow_run::FollowRun;
pub(crate) use implement_change::ImplementChange;
pub(crate) use note_observation::NoteObservation;
pub(crate) use note_withdrawal::NoteWithdrawal;
