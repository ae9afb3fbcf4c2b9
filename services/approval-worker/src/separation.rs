//! Who may not approve, where the policy separates duties: whom the platform names, and who that is in ServiceNow.

use interlock_rules::{Party, Person};

use crate::Desk;
use crate::gate::GateState;
use crate::read::{RECORD_READ_MAX, Unread, unread};

impl GateState {
    /// Takes over whom the run shows; says whether that differs from what was known.
    pub(crate) fn note_people(&mut self, people: &[Person]) -> bool {
        if self.terms.separation.is_none() || self.people == people {
            return false;
        }
        self.people = people.to_vec();
        self.parties = None;
        true
    }

    /// Nobody is left to be found in ServiceNow: who is given a user there changes nothing in the record.
    pub(crate) fn knows_everybody(&self) -> bool {
        let known = |parties: &[Party]| parties.iter().all(|party| !party.users.is_empty());
        self.terms.separation.is_none() || self.parties.as_deref().is_some_and(known)
    }
}

impl Desk {
    /// Asks ServiceNow who they are. Those whom it does not know are asked for again at each look: somebody may give
    /// them a user. Without an author or trigger nothing is known.
    pub(crate) async fn learn_parties(&self, state: &mut GateState) -> Result<(), Unread> {
        let Some(terms) = state.terms.separation.clone().filter(|_| !state.people.is_empty()) else {
            return Ok(());
        };
        let is_known = |party: &Party| !party.users.is_empty();
        let done = state.parties.as_ref().is_some_and(|parties| parties.iter().all(is_known));
        if done || self.context.clock.now() >= state.deadline {
            return Ok(());
        }
        let service_now = self.instance(state).map_err(Unread::until_cured)?;
        let service_now = service_now.before(self.context.clock.instant() + RECORD_READ_MAX);
        let mut parties = Vec::new();
        for person in &state.people {
            let sought = terms.user_of(person).map_err(|fault| {
                Unread::until_cured(format!("policy `{}`, `separation`: {fault}", state.terms.policy))
            })?;
            let Some(sought) = sought else { continue };
            let users = service_now.users_of(&sought).await.map_err(unread)?;
            parties.push(Party { person: person.clone(), sought, users });
        }
        state.parties = Some(parties);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use interlock_events::{Deployment, DeploymentKey, Project};
    use interlock_rules::{Part, Policies, SeparationTerms};

    use super::*;

    fn state(separation: Option<SeparationTerms>) -> GateState {
        let text = |text: &str| text.to_owned();
        let key = DeploymentKey {
            tenant: text("default"),
            connection: text("github"),
            project: text("70012"),
            environment: text("production"),
            occurrence: text("1"),
        };
        let project = Project { id: text("70012"), name: text("acme/payments-api"), url: None };
        let deployment =
            Deployment { key, project, sha: "a".repeat(40), reference: None, run: None, actor: None };
        let mut terms = Policies::new(vec![], text("snow")).of(&deployment);
        terms.separation = separation;
        GateState::begin(terms, DateTime::UNIX_EPOCH, None)
    }

    fn dana() -> Person {
        Person { part: Part::Trigger, login: "dana".into(), name: String::new(), email: String::new() }
    }

    #[test]
    fn a_gate_rests_only_once_everybody_is_known_and_each_other_run_is_asked_about_anew() {
        let mut separated = state(Some(SeparationTerms::default()));
        assert!(!separated.knows_everybody(), "nobody has been read yet");
        assert!(separated.note_people(&[dana()]) && !separated.note_people(&[dana()]));
        let party = |users| Party { person: dana(), sought: "dana".into(), users };
        separated.parties = Some(vec![party(vec![])]);
        assert!(!separated.knows_everybody(), "somebody may give them a user");
        separated.parties = Some(vec![party(vec!["b".repeat(32)])]);
        assert!(separated.knows_everybody());
        let eve = Person { login: "eve".into(), ..dana() };
        assert!(separated.note_people(&[eve]) && !separated.knows_everybody(), "somebody else ran it again");
        let mut free = state(None);
        assert!(free.knows_everybody() && !free.note_people(&[dana()]), "nobody is asked about");
    }
}
