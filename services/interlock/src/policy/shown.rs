//! The answer as people read it.

use std::fmt::Write;

use interlock_rules::{
    ChangeType, ConflictRule, Considered, GateRule, Mode, OnRejection, OnWithdrawal, Terms, WindowRule,
};

use super::Answer;

const TIME: &str = "%Y-%m-%d %H:%M:%S UTC";

pub fn shown(answer: &Answer) -> String {
    let mut text = String::new();
    // Writing into a text does not fail.
    let _ = deployment(&mut text, answer)
        .and_then(|()| policies(&mut text, &answer.considered))
        .and_then(|()| change(&mut text, answer))
        .and_then(|()| terms(&mut text, answer))
        .and_then(|()| freezes(&mut text, answer));
    text.trim_end().to_owned()
}

fn deployment(text: &mut String, answer: &Answer) -> std::fmt::Result {
    let of = &answer.request.deployment;
    let held = match (&answer.request.gate, answer.terms.gate) {
        (Some(_), _) => "waits at its gate",
        (None, GateRule::Held) => "is held by nothing, and gets no change unless it waits at a gate too",
        (None, GateRule::None) => "is held by nothing; its change is a record",
    };
    writeln!(text, "{} to {}, commit {}: {held}", of.project.name, of.key.environment, of.sha)?;
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
    let (reference, actor) = (or_none(&of.reference), or_none(&of.actor));
    writeln!(text, "connection {}, reference {reference}, triggered by {actor}\n", of.key.connection)
}

fn policies(text: &mut String, considered: &[Considered]) -> std::fmt::Result {
    writeln!(text, "policies")?;
    for one in considered {
        let word = if one.fits() { "applies" } else { "does not apply" };
        writeln!(text, "  {}: {word}", one.policy)?;
        if one.conditions.is_empty() {
            writeln!(text, "    it has no conditions: it fits everything")?;
        }
        for condition in &one.conditions {
            let word = if condition.fits { "fits" } else { "does not fit" };
            writeln!(text, "    {} `{}` {word} `{}`", condition.name, condition.has, condition.pattern)?;
        }
    }
    writeln!(text)
}

fn change(text: &mut String, answer: &Answer) -> std::fmt::Result {
    let change = &answer.change;
    let kind = kind(change.change_type);
    let moment = |time: chrono::DateTime<chrono::Utc>| time.format(TIME).to_string();
    writeln!(text, "change, in {}", answer.service_now)?;
    let own = [
        ("type", Some(kind.to_owned())),
        ("template", change.template.clone()),
        ("assignment_group", change.assignment_group.clone()),
        ("cmdb_ci", change.cmdb_ci.clone()),
        ("start_date", change.start.map(moment)),
        ("end_date", change.end.map(moment)),
        ("short_description", Some(change.short_description.clone())),
    ];
    let words = if change.change_type == ChangeType::Standard { "work_notes" } else { "description" };
    let own = own.into_iter().chain([(words, Some(change.description.clone()))]);
    for (name, value) in own.filter_map(|(name, value)| Some((name, value?))) {
        field(text, name, &value)?;
    }
    for (name, value) in &change.fields {
        field(text, name, value)?;
    }
    writeln!(text)
}

fn kind(change_type: ChangeType) -> &'static str {
    match change_type {
        ChangeType::Normal => "normal",
        ChangeType::Emergency => "emergency",
        ChangeType::Standard => "standard",
    }
}

/// What has several lines stands below its name.
fn field(text: &mut String, name: &str, value: &str) -> std::fmt::Result {
    let value = value.trim_end();
    if !value.contains('\n') {
        return writeln!(text, "  {name}: {value}");
    }
    writeln!(text, "  {name}:")?;
    for line in value.lines() {
        writeln!(text, "{}", format!("    {line}").trim_end())?;
    }
    Ok(())
}

fn terms(text: &mut String, answer: &Answer) -> std::fmt::Result {
    let terms = &answer.terms;
    let deadline = answer.deadline.format(TIME);
    writeln!(text, "terms")?;
    if terms.mode == Mode::Observe {
        writeln!(
            text,
            "  IT ONLY OBSERVES: the gate is released at once, whatever the change says, and that is told"
        )?;
    }
    writeln!(text, "  without an approval the gate is rejected at {deadline}")?;
    writeln!(
        text,
        "  a rejected change {}",
        match terms.approval.on_rejection {
            OnRejection::Reject => "rejects the gate at once",
            OnRejection::Wait => "may be submitted again until then",
        }
    )?;
    writeln!(
        text,
        "  a side of the planned window that is empty {}",
        match terms.window {
            WindowRule::AsPlanned => "is no bound",
            WindowRule::Required => "keeps the gate closed",
        }
    )?;
    let conflict = match terms.conflict {
        ConflictRule::Ignore => None,
        ConflictRule::Wait => Some("keeps the gate closed until a check shows none"),
        ConflictRule::Reject => Some("rejects the gate at once"),
        ConflictRule::NextSlot => Some("moves the change to the next free slot, and keeps the gate closed"),
    };
    if let Some(meaning) = conflict {
        writeln!(text, "  a conflict that ServiceNow's check finds {meaning}")?;
    }
    writeln!(
        text,
        "  an approval that is withdrawn after the release is told{}",
        match terms.on_withdrawal {
            OnWithdrawal::Tell => "",
            OnWithdrawal::CancelRun => ", and the run canceled",
        }
    )?;
    if let Some(separation) = &terms.separation {
        let parts = [("trigger", &separation.trigger), ("author", &separation.author)];
        let parts: Vec<_> =
            parts.into_iter().filter(|(_, template)| template.is_some()).map(|(part, _)| part).collect();
        writeln!(text, "  its {} may not approve it", parts.join(" and "))?;
    }
    only_where_asked(text, terms)?;
    let close = &terms.close;
    let hours = close.finish_within_hours;
    writeln!(
        text,
        "  closed as `{}`, else as `{}`, also after {hours} h without a result",
        close.successful, close.unsuccessful
    )
}

fn only_where_asked(text: &mut String, terms: &Terms) -> std::fmt::Result {
    if let Some(rollback) = &terms.rollback {
        let kind = kind(rollback.change_type);
        writeln!(
            text,
            "  taking back a deployment that failed gets a change of type {kind}, linked to the failed one"
        )?;
    }
    if let Some(evidence) = &terms.evidence {
        let artifacts = evidence.artifacts.join(", ");
        writeln!(text, "  artifacts of its run are attached to the change: {artifacts}")?;
    }
    if let Some(cmdb) = &terms.cmdb {
        let fields: Vec<&str> = cmdb.fields.keys().map(String::as_str).collect();
        writeln!(text, "  what went well is written into the configuration item: {}", fields.join(", "))?;
    }
    Ok(())
}

fn freezes(text: &mut String, answer: &Answer) -> std::fmt::Result {
    if answer.freezes.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nfreezes, at the time of the request")?;
    for freeze in &answer.freezes {
        match freeze.holds(answer.request.requested_at) {
            None => writeln!(text, "  the freeze `{}` does not hold", freeze.name)?,
            Some(until) => writeln!(text, "  {}", freeze.told(until))?,
        }
        if freeze.except.contains(&answer.terms.change.change_type) {
            writeln!(text, "    it excepts changes of this type")?;
        }
    }
    Ok(())
}
