//! The client of ServiceNow: changes, their approvals and notes, and the instance's own webhooks.
#![doc = include_str!("../README.md")]

mod answer;
mod attach;
mod auth;
mod budget;
mod changed;
mod chosen;
mod client;
mod cmdb;
mod conflict;
mod connections;
pub mod doctor;
mod earlier;
mod error;
mod known;
mod names;
mod next_states;
mod note;
mod outage;
mod page;
mod query;
mod read;
mod row;
mod settings;
mod skew;
mod standing;
mod webhook;
mod write;

pub use attach::{Attachment, FILE_NAME_CHARS_MAX, File};
pub use budget::Lane;
pub use changed::{Changed, Decision, Mark, NUMBERS_MAX};
pub use client::ServiceNow;
pub use cmdb::UpdatedItem;
pub use connections::{KIND, connections, webhook_sources};
pub use error::{Class, Fault, ServiceNowError, What};
pub use known::Known;
pub use next_states::NextState;
pub use settings::{Auth, BaseUrl, CreateStrategy, PERMITS_MAX, Settings, StateMap, WebhookSettings};
pub use webhook::RecordWebhooks;
pub use write::{Created, NewChange, NewKind};
