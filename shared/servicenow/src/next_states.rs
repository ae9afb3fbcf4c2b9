//! Where a change may go: asked after a refusal only, to say which condition is missing.

use interlock_rules::ChangeState;
use serde_json::Value;

use crate::budget::Lane;
use crate::client::ServiceNow;
use crate::error::{Fault, ServiceNowError, What};
use crate::query::{self, Address};
use crate::row::text;

/// A state that a change could go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextState {
    /// The state's number at the instance.
    pub number: String,
    /// The state; `None` where the state map does not know it.
    pub state: Option<ChangeState>,
    /// It may go there now.
    pub available: bool,
    /// Names of the conditions that do not hold.
    pub missing: Vec<String>,
}

impl ServiceNow {
    /// The states that a change can go to now, and what keeps it from others.
    ///
    /// # Errors
    /// [`ServiceNowError`].
    pub async fn next_states(&self, sys_id: &str) -> Result<Vec<NextState>, ServiceNowError> {
        let sys_id = query::sys_id(sys_id).map_err(|fault| self.error(What::NextStates, fault))?;
        let address = Address::new(&format!("/api/sn_chg_rest/change/{sys_id}/nextstates"));
        let answer = self.get(What::NextStates, Lane::Close, address).await?;
        let mut next = self.available(&answer.result);
        for transition in transitions(&answer.result) {
            let number = transition.get("to_state").map(text).unwrap_or_default();
            let missing = missing(transition);
            let available = transition.get("transition_available").map(text).as_deref() == Some("true");
            next.retain(|known| known.number != number);
            next.push(NextState { state: self.state_of(&number), number, available, missing });
        }
        Ok(next)
    }

    /// Adds to a refused move what is missing for it; silent where the instance does not say.
    pub(crate) async fn explained(
        &self,
        mut error: ServiceNowError,
        sys_id: &str,
        asked: ChangeState,
    ) -> ServiceNowError {
        let (Fault::Refused { message, .. } | Fault::NotTaken(message)) = &mut error.fault else {
            return error;
        };
        if let Ok(next) = self.next_states(sys_id).await {
            message.push_str(&reason(&next, asked));
        }
        error
    }

    fn available(&self, result: &Value) -> Vec<NextState> {
        let available = result.get("available_states").and_then(Value::as_array).into_iter().flatten();
        let of = |number: String| NextState {
            state: self.state_of(&number),
            number,
            available: true,
            missing: Vec::new(),
        };
        available.map(text).map(of).collect()
    }

    fn state_of(&self, number: &str) -> Option<ChangeState> {
        self.shared.settings.state_map.state(number.parse().ok()?)
    }
}

fn reason(next: &[NextState], asked: ChangeState) -> String {
    let Some(wanted) = next.iter().find(|next| next.state == Some(asked)) else {
        let allowed: Vec<String> = next
            .iter()
            .map(|next| next.state.map_or(next.number.clone(), |state| format!("{state:?}")))
            .collect();
        return format!("; its state model allows only {} now", allowed.join(", "));
    };
    if wanted.missing.is_empty() {
        String::new()
    } else {
        format!("; missing: {}", wanted.missing.join(", "))
    }
}

/// An array of arrays, one for each target; details exist for model-driven changes only.
pub(crate) fn transitions(result: &Value) -> impl Iterator<Item = &Value> {
    let targets = result.get("state_transitions").and_then(Value::as_array).into_iter().flatten();
    targets.flat_map(|target| target.as_array().into_iter().flatten())
}

pub(crate) fn missing(transition: &Value) -> Vec<String> {
    let conditions = transition.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let failed = conditions.filter(|condition| condition.get("passed").map(text).as_deref() != Some("true"));
    failed.filter_map(|failed| failed.get("condition")?.get("name")).map(text).collect()
}
