//! Is the record the change that its policy promised? A standard change is approved by nobody but its template,
//! so the record itself must show both: a permit never comes from the configuration alone.

use crate::policy::{ChangeType, Terms};
use crate::record::ChangeRow;

/// What keeps `row` from being the change that the policy promised; `None`: nothing does.
///
/// `template` is the `sys_id` of the policy's template, where it has one and the instance knows it.
#[must_use]
pub fn broken_promise(row: &ChangeRow, terms: &Terms, template: Option<&str>) -> Option<String> {
    let (number, policy) = (&row.number, &terms.policy);
    let is_standard = row.change_type == Some(ChangeType::Standard);
    match (terms.change.change_type, is_standard) {
        (ChangeType::Standard, true) => other_template(row, terms, template),
        (ChangeType::Standard, false) => {
            Some(format!("{number} is no standard change, as the policy `{policy}` promises"))
        }
        (ChangeType::Normal | ChangeType::Emergency, true) => Some(format!(
            "{number} is a standard change, which no person approves, but the policy `{policy}` wants approval"
        )),
        (ChangeType::Normal | ChangeType::Emergency, false) => None,
    }
}

fn other_template(row: &ChangeRow, terms: &Terms, promised: Option<&str>) -> Option<String> {
    let number = &row.number;
    let name = terms.change.template.as_deref().unwrap_or_default();
    match (promised, row.template.as_deref()) {
        (None, _) => Some(format!("it is not known which template `{name}` is, so {number} proves nothing")),
        (_, None | Some("")) => Some(format!(
            "{number} does not show its template: let the integration user read std_change_producer_version"
        )),
        (Some(promised), Some(shown)) if !shown.eq_ignore_ascii_case(promised) => Some(format!(
            "{number} was made from another template than `{name}`, which the policy `{}` promises",
            terms.policy
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::tests::terms;
    use crate::record::ChangeState;
    use crate::record::tests::row;

    fn promised(change_type: ChangeType) -> Terms {
        let mut terms = terms();
        terms.change.change_type = change_type;
        terms.change.template = Some("Clear BGP sessions".into());
        terms
    }

    fn record(change_type: Option<ChangeType>, template: Option<&str>) -> ChangeRow {
        ChangeRow {
            change_type,
            template: template.map(str::to_owned),
            ..row("CHG1", ChangeState::Scheduled)
        }
    }

    #[test]
    fn a_standard_change_of_the_promised_template_keeps_the_promise_and_no_other_does() {
        let terms = promised(ChangeType::Standard);
        let standard = |template| record(Some(ChangeType::Standard), template);
        assert_eq!(broken_promise(&standard(Some("a1")), &terms, Some("a1")), None);
        assert_eq!(broken_promise(&standard(Some("A1")), &terms, Some("a1")), None, "hexadecimal digits");
        for (row, template, said) in [
            (standard(Some("b2")), Some("a1"), "another template"),
            (standard(None), Some("a1"), "does not show its template"),
            (standard(Some("")), Some("a1"), "does not show its template"),
            (standard(Some("")), Some(""), "does not show its template"),
            (standard(Some("a1")), None, "not known which template"),
            (record(Some(ChangeType::Normal), Some("a1")), Some("a1"), "no standard change"),
            (record(None, Some("a1")), Some("a1"), "no standard change"),
        ] {
            let broken = broken_promise(&row, &terms, template).unwrap();
            assert!(broken.contains(said), "{broken}");
        }
    }

    #[test]
    fn where_people_must_approve_a_standard_change_is_none_of_that() {
        for wanted in [ChangeType::Normal, ChangeType::Emergency] {
            let terms = promised(wanted);
            assert!(broken_promise(&record(Some(ChangeType::Standard), Some("a1")), &terms, None).is_some());
            for shown in [Some(ChangeType::Normal), Some(ChangeType::Emergency), None] {
                assert_eq!(broken_promise(&record(shown, None), &terms, None), None, "people approve it");
            }
        }
    }

    proptest! {
        #[test]
        fn a_template_is_proven_by_the_same_id_alone(shown in "[a-f0-9]{0,3}", promised_id in "[a-f0-9]{0,3}") {
            let row = record(Some(ChangeType::Standard), Some(&shown));
            let kept = broken_promise(&row, &promised(ChangeType::Standard), Some(&promised_id)).is_none();
            prop_assert_eq!(kept, shown == promised_id && !shown.is_empty());
        }
    }
}
