//! Separation of duties: who wrote the commit, or set the run off, does not approve its change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::ChangeType;
use crate::record::ChangeRow;
use crate::text::{TemplateFault, render_person};

/// Who may not approve, and how they are found in ServiceNow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeparationTerms {
    /// User name or e-mail in ServiceNow of who set the run off: a template that knows `login`. None: not looked at.
    pub trigger: Option<String>,
    /// The same of who wrote the commit: it knows `name` and `email`. None: not looked at.
    pub author: Option<String>,
    /// ServiceNow has no such user.
    pub unknown: UnknownPerson,
}

impl Default for SeparationTerms {
    fn default() -> Self {
        Self {
            trigger: Some("{{ login }}".into()),
            author: Some("{{ email }}".into()),
            unknown: UnknownPerson::Wait,
        }
    }
}

impl SeparationTerms {
    fn template_of(&self, part: Part) -> Option<&str> {
        match part {
            Part::Trigger => self.trigger.as_deref(),
            Part::Author => self.author.as_deref(),
        }
    }

    /// User name or e-mail of a person in ServiceNow; `None` where the policy does not look at their part.
    ///
    /// # Errors
    /// The template cannot be filled in.
    pub fn user_of(&self, person: &Person) -> Result<Option<String>, TemplateFault> {
        let Some(template) = self.template_of(person.part) else { return Ok(None) };
        render_person(template, person).map(|user| Some(user.trim().to_owned()))
    }
}

/// What a person means whom ServiceNow does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPerson {
    /// Whoever approved may be that person: the gate waits, and is rejected at its deadline.
    #[default]
    Wait,
    /// Nobody can approve under a name that is not there.
    Ignore,
}

/// What somebody did for a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Set the run off: pushed, started it, or had it run again.
    Trigger,
    /// Wrote the commit.
    Author,
}

/// Somebody who may not approve, as the platform names them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Person {
    /// What they did.
    pub part: Part,
    /// Their login, where the platform has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub login: String,
    /// Their name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Their e-mail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
}

impl Part {
    fn did(self) -> &'static str {
        match self {
            Self::Trigger => "triggered this deployment",
            Self::Author => "wrote its commit",
        }
    }
}

impl Person {
    /// As people know them.
    fn called(&self) -> &str {
        let names = [&self.login, &self.name, &self.email];
        names.into_iter().find(|name| !name.is_empty()).map_or("somebody without a name", |name| name)
    }
}

/// A person, and who they are in ServiceNow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The person.
    pub person: Person,
    /// User name or e-mail, as the policy made it.
    pub sought: String,
    /// `sys_id` of each user of that name or e-mail; none: ServiceNow does not know them.
    pub users: Vec<String>,
}

/// What keeps `row` from having been approved by somebody else; `None`: nothing does.
///
/// `parties` are all whose part the policy looks at; `None`: it is not known yet who they are.
#[must_use]
pub fn broken_separation(
    row: &ChangeRow,
    terms: Option<&SeparationTerms>,
    parties: Option<&[Party]>,
) -> Option<String> {
    let terms = terms?;
    let number = &row.number;
    // A template approved it, and nobody who could be one of them.
    if row.change_type == Some(ChangeType::Standard) {
        return None;
    }
    let Some(parties) = parties else {
        return Some("it is not known yet who wrote and triggered this deployment".into());
    };
    let mut approvals = row.approvers.iter().filter(|approver| approver.state == "approved").peekable();
    if approvals.peek().is_none() {
        return Some(format!(
            "{number} does not show who approved it, and its author or trigger must not: have it approved by a person"
        ));
    }
    let waits = terms.unknown == UnknownPerson::Wait;
    let absent = |part: &Part| {
        terms.template_of(*part).is_some() && !parties.iter().any(|one| one.person.part == *part)
    };
    if let Some(part) = [Part::Trigger, Part::Author].into_iter().find(|part| waits && absent(part)) {
        let did = part.did();
        return Some(format!(
            "the platform does not show who {did}, so it is not known whether they approved {number}"
        ));
    }
    if let Some(unknown) = parties.iter().find(|one| waits && one.users.is_empty()) {
        let (who, did, sought) = (unknown.person.called(), unknown.person.part.did(), &unknown.sought);
        return Some(format!(
            "{who}, who {did}, is no user in ServiceNow that we can see (`{sought}`), so it is not known whether they \
             approved {number}: correct the policy's separation, or give them a user"
        ));
    }
    approvals.find_map(|approval| {
        let party = parties.iter().find(|one| one.users.contains(&approval.user))?;
        Some(format!(
            "{} approved {number} and {}: somebody else must approve it",
            approval.by,
            party.person.part.did()
        ))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::tests::{approver, row};
    use crate::record::{ApproverRow, ChangeState};

    fn person(part: Part, login: &str) -> Person {
        let email = if part == Part::Author { format!("{login}@example.com") } else { String::new() };
        Person { part, login: login.into(), name: String::new(), email }
    }

    fn party(part: Part, login: &str, users: &[&str]) -> Party {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        Party { person: person(part, login), sought: login.into(), users }
    }

    fn by(user: &str, state: &str) -> ApproverRow {
        ApproverRow { user: user.into(), by: user.into(), ..approver(state, 30) }
    }

    fn judge(approvers: Vec<ApproverRow>, parties: Option<&[Party]>) -> Option<String> {
        let row = ChangeRow { approvers, ..row("CHG1", ChangeState::Scheduled) };
        broken_separation(&row, Some(&of_triggers()), parties)
    }

    fn of_triggers() -> SeparationTerms {
        SeparationTerms { author: None, ..SeparationTerms::default() }
    }

    #[test]
    fn a_part_that_the_platform_does_not_show_keeps_the_gate_closed() {
        let approvers = vec![by("a", "approved")];
        let row = ChangeRow { approvers, ..row("CHG1", ChangeState::Scheduled) };
        let both = SeparationTerms::default();
        let parties = [party(Part::Trigger, "dana", &["d"])];
        let said = broken_separation(&row, Some(&both), Some(&parties)).unwrap();
        assert!(said.starts_with("the platform does not show who wrote its commit"), "{said}");
        assert_eq!(broken_separation(&row, Some(&of_triggers()), Some(&parties)), None);
        let ignores = SeparationTerms { unknown: UnknownPerson::Ignore, ..both };
        assert_eq!(broken_separation(&row, Some(&ignores), Some(&[])), None);
    }

    #[test]
    fn whoever_wrote_or_triggered_it_is_named_and_told_what_to_do() {
        let parties = [party(Part::Trigger, "dana", &["d"]), party(Part::Author, "eve", &["e", "e2"])];
        let said = judge(vec![by("a", "approved"), by("d", "approved")], Some(&parties)).unwrap();
        assert_eq!(said, "d approved CHG1 and triggered this deployment: somebody else must approve it");
        let said = judge(vec![by("e2", "approved")], Some(&parties)).unwrap();
        assert!(said.contains("wrote its commit"), "each user of that e-mail counts: {said}");
        assert_eq!(judge(vec![by("a", "approved"), by("d", "requested")], Some(&parties)), None);
    }

    #[test]
    fn a_person_whom_servicenow_does_not_know_keeps_the_gate_closed_unless_the_policy_ignores_that() {
        let parties = [party(Part::Trigger, "dana", &[])];
        let said = judge(vec![by("a", "approved")], Some(&parties)).unwrap();
        assert!(said.starts_with("dana, who triggered this deployment, is no user"), "{said}");
        let terms = SeparationTerms { unknown: UnknownPerson::Ignore, ..SeparationTerms::default() };
        let row = ChangeRow { approvers: vec![by("a", "approved")], ..row("CHG1", ChangeState::Scheduled) };
        assert_eq!(broken_separation(&row, Some(&terms), Some(&parties)), None);
    }

    #[test]
    fn what_is_not_known_or_not_shown_keeps_the_gate_closed() {
        assert!(judge(vec![by("a", "approved")], None).is_some(), "who they are is not known yet");
        let parties = [party(Part::Trigger, "dana", &["d"])];
        assert!(judge(vec![], Some(&parties)).is_some(), "nobody is shown to have approved it");
        assert!(judge(vec![by("a", "rejected")], Some(&parties)).is_some());
    }

    #[test]
    fn without_terms_and_for_a_template_nothing_is_asked() {
        let parties = [party(Part::Trigger, "dana", &["d"])];
        let own = ChangeRow { approvers: vec![by("d", "approved")], ..row("CHG1", ChangeState::Scheduled) };
        assert_eq!(broken_separation(&own, None, Some(&parties)), None);
        let standard = ChangeRow { change_type: Some(ChangeType::Standard), approvers: vec![], ..own };
        assert_eq!(broken_separation(&standard, Some(&SeparationTerms::default()), None), None);
    }

    #[test]
    fn the_policy_says_who_somebody_is_in_servicenow() {
        let terms = SeparationTerms {
            trigger: Some("{{ login | replace('-', '.') }}".into()),
            author: None,
            unknown: UnknownPerson::Wait,
        };
        assert_eq!(terms.user_of(&person(Part::Trigger, "dana-dev")), Ok(Some("dana.dev".into())));
        assert_eq!(terms.user_of(&person(Part::Author, "eve")), Ok(None), "not looked at");
        let terms = SeparationTerms::default();
        assert_eq!(terms.user_of(&person(Part::Author, "eve")), Ok(Some("eve@example.com".into())));
    }

    proptest! {
        /// The rule once more in other words: nobody of those who approved is one of those who did it.
        #[test]
        fn no_approval_of_ones_own_work_ever_counts(
            approved in prop::collection::vec((0..4_u8, any::<bool>()), 0..5),
            did in prop::collection::vec((0..4_u8, any::<bool>()), 0..4),
        ) {
            let name = |user: u8| format!("u{user}");
            let rows = approved.iter().map(|(user, yes)| by(&name(*user), if *yes { "approved" } else { "requested" }));
            let users = |user: u8, known: bool| known.then(|| name(user)).into_iter().collect();
            let parties: Vec<Party> = did
                .iter()
                .map(|(user, known)| Party { users: users(*user, *known), ..party(Part::Trigger, "x", &[]) })
                .collect();
            let holds = judge(rows.collect(), Some(&parties)).is_none();
            let some_approved = approved.iter().any(|(_, yes)| *yes);
            let all_known = did.iter().all(|(_, known)| *known);
            let own = approved.iter().any(|(user, yes)| *yes && did.iter().any(|(one, _)| one == user));
            prop_assert_eq!(holds, some_approved && !did.is_empty() && all_known && !own);
        }
    }
}
