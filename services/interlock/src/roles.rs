//! Each role, named once.

use clap::Subcommand;

/// A part of Interlock that can run in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Role {
    /// Takes webhooks and publishes what they say.
    Ingress,
    /// Writes changes in ServiceNow.
    ChangeWorker,
    /// Answers gates.
    ApprovalWorker,
}

impl Role {
    /// All of them, in the order in which they start.
    pub const ALL: [Self; 3] = [Self::Ingress, Self::ChangeWorker, Self::ApprovalWorker];

    /// As a subcommand, and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => ingress::NAME,
            Self::ChangeWorker => change_worker::NAME,
            Self::ApprovalWorker => approval_worker::NAME,
        }
    }
}
