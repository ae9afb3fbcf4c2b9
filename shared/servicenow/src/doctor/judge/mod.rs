//! From what was heard to what is the matter: pure functions.

mod access;
mod habits;
mod names;
mod policies;
mod records;
mod test_change;

pub use access::shared_users;

pub(super) use access::{log_in, reach};
pub(super) use habits::{clock, limits};
pub(super) use names::of_name;
pub(super) use test_change::written;

use super::finding::Verdict;
use super::readings::{Heard, Readings, Sight, Wishes};

/// Everything that follows from what was read.
pub(super) fn all(readings: &Readings, wishes: &Wishes) -> Vec<Verdict> {
    let mut verdicts = vec![
        access::user(&readings.user),
        access::roles(&readings.roles),
        records::changes(readings),
        records::change_api(&readings.change_api),
        records::approvals(readings),
        records::work_notes(&readings.journal),
        records::correlation(readings),
        policies::mandatory(readings, wishes),
        policies::choices(readings, wishes),
        policies::states(readings),
    ];
    verdicts.extend(names::groups(readings));
    verdicts.extend(names::items(readings));
    verdicts.extend(names::templates(readings));
    verdicts.push(habits::dates(&readings.user));
    verdicts.push(habits::webhook(readings));
    verdicts
}

/// Why there is nothing to judge by.
pub(super) fn why(heard: &Heard) -> String {
    match heard.sight() {
        Sight::Some(_) => String::new(),
        Sight::Hidden => "access controls hide every row".to_owned(),
        Sight::Nothing => "there is none".to_owned(),
        Sight::Refused(said) => format!("the instance says: {said}"),
        Sight::Unknown(reason) => reason,
    }
}

/// The user may not look at what only this table tells.
fn may_not_see(heard: &Heard, table: &str) -> String {
    format!("{table} is not shown to the user ({})", why(heard))
}

#[cfg(test)]
mod tests;
