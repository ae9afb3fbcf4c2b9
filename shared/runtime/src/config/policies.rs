//! The policies: read, checked as far as can be without a deployment, and never without a default.

use std::collections::BTreeMap;

use interlock_rules::{
    ChangeType, ConflictRule, GateRule, OWNED_BY_TEMPLATE, Policy, RollbackTerms, check_template,
};

use super::connection::Connection;
use super::document::{Document, Step};
use super::fault::{Faults, one_of};
use super::layers::Layers;

const DEFAULT: &str = "default";
const LIST: Step<'static> = Step::Key("policies");
/// What Interlock sets itself, or what stands under a key of its own.
const NOT_A_FIELD: [&str; 12] = [
    "type",
    "std_change_producer_version",
    "state",
    "sys_id",
    "correlation_id",
    "correlation_display",
    "short_description",
    "assignment_group",
    "cmdb_ci",
    "parent",
    "start_date",
    "end_date",
];
/// 29 days: a gate is a message in the broker, and GitHub lets a deployment wait for 30 days
/// (GitHub docs, "Actions limits").
const TIMEOUT_MINUTES_MAX: f64 = 41_760.0;
/// A deployment's watch carries its policy's terms in a header of 16 KiB, beside what it has learned.
const TERMS_BYTES_MAX: usize = 12 * 1024;

/// Patterns that each artifact of a run is compared with.
const EVIDENCE_MAX: usize = 20;

/// The file's policies, then the default one, unless the file has its own.
pub(super) fn read(layers: &mut Layers, connections: &[Connection]) -> Vec<Policy> {
    let Layers { file, defaults, faults, .. } = layers;
    let mut policies: Vec<Policy> = Vec::new();
    for document in file.iter().chain([&*defaults]) {
        let read = faults.gather(document.list::<Policy>("policies")).unwrap_or_default();
        Checker { document, connections, faults }.check(&read);
        let is_default = |policy: &Policy| policy.name == DEFAULT;
        let has_default = policies.iter().any(is_default);
        policies.extend(read.into_iter().filter(|policy| !(has_default && is_default(policy))));
    }
    policies
}

/// What of a change hangs on its type.
struct Asked<'a> {
    /// Where it stands in the policy.
    key: &'static str,
    change_type: ChangeType,
    template: Option<&'a str>,
    fields: &'a BTreeMap<String, String>,
}

/// Notes what is wrong with values that are well-formed.
struct Checker<'c> {
    document: &'c Document,
    connections: &'c [Connection],
    faults: &'c mut Faults,
}

impl Checker<'_> {
    fn check(&mut self, policies: &[Policy]) {
        for (index, policy) in policies.iter().enumerate() {
            if policies[..index].iter().any(|earlier| earlier.name == policy.name) {
                let what = format!("another policy is named `{}`", policy.name);
                self.refuse(index, &["name"], what, "give each its own name: it stands in events and notes");
            }
            self.check_connection(index, policy);
            self.check_types(index, policy);
            self.check_templates(index, policy);
            self.check_times(index, policy);
            self.check_conflict(index, policy);
            self.check_evidence(index, policy);
            self.check_item(index, policy);
            self.check_size(index, policy);
        }
    }

    fn check_size(&mut self, index: usize, policy: &Policy) {
        let bytes = serde_json::to_string(policy).map_or(0, |json| json.len());
        if bytes > TERMS_BYTES_MAX {
            let what = format!("its texts and fields have {bytes} bytes, at most {TERMS_BYTES_MAX}");
            self.refuse(index, &["change"], what, "shorten its texts: link to a page instead");
        }
    }

    fn check_connection(&mut self, index: usize, policy: &Policy) {
        let Some(wanted) = &policy.service_now else { return };
        let names: Vec<&str> = self.connections.iter().map(|connection| &*connection.name).collect();
        if !names.contains(&wanted.as_str()) {
            let what = format!("no connection is named `{wanted}`");
            self.refuse(index, &["service_now"], what, &one_of(wanted, &names));
        }
    }

    fn check_types(&mut self, index: usize, policy: &Policy) {
        let Policy { change, rollback, .. } = policy;
        if policy.gate == GateRule::None && change.change_type != ChangeType::Standard {
            let what = "nobody approves what nothing holds, so its change must be a standard one".to_owned();
            self.refuse(
                index,
                &["gate"],
                what,
                "write change: { type: standard, template: … }, or gate: held",
            );
        }
        let (template, fields) = (change.template.as_deref(), &change.fields);
        self.check_type(index, Asked { key: "change", change_type: change.change_type, template, fields });
        if let Some(RollbackTerms { change_type, template, fields, .. }) = rollback {
            let template = template.as_deref();
            self.check_type(index, Asked { key: "rollback", change_type: *change_type, template, fields });
        }
    }

    /// A standard change is made from its template, and only such a one.
    fn check_type(&mut self, index: usize, asked: Asked<'_>) {
        let Asked { key, change_type, template, fields } = asked;
        let is_standard = change_type == ChangeType::Standard;
        let template = template.map(str::trim);
        if is_standard && template.is_none_or(str::is_empty) {
            let what = "a standard change is made from a template".to_owned();
            self.refuse(index, &[key], what, "write template: <name or sys_id of a published template>");
        }
        if !is_standard && template.is_some() {
            let what = "only a standard change has a template".to_owned();
            self.refuse(index, &[key, "template"], what, "leave it out, or write type: standard");
        }
        for field in fields.keys().filter(|field| is_standard && OWNED_BY_TEMPLATE.contains(&field.as_str()))
        {
            let what = "a standard change takes this from its template alone".to_owned();
            self.refuse(index, &[key, "fields", field], what, "leave it out, or say it in work_notes");
        }
        for field in fields.keys().filter(|field| NOT_A_FIELD.contains(&field.as_str())) {
            let what = "this is never taken from a policy's fields".to_owned();
            let cure = format!(
                "leave it out: type, template, texts, group and times have keys of their own under `{key}`"
            );
            self.refuse(index, &[key, "fields", field], what, &cure);
        }
    }

    fn check_templates(&mut self, index: usize, policy: &Policy) {
        self.check_template(index, &["change", "short_description"], &policy.change.short_description);
        self.check_template(index, &["change", "description"], &policy.change.description);
        self.check_template(index, &["close", "notes"], &policy.close.notes);
        for (key, template) in [("start", &policy.change.start), ("end", &policy.change.end)] {
            self.check_template(index, &["change", key], template.as_deref().unwrap_or_default());
        }
        for (field, template) in &policy.change.fields {
            self.check_template(index, &["change", "fields", field], template);
        }
        if let Some(separation) = &policy.separation {
            let templates = [("trigger", &separation.trigger), ("author", &separation.author)];
            for (key, template) in templates {
                self.check_template(index, &["separation", key], template.as_deref().unwrap_or_default());
            }
            if separation.trigger.is_none() && separation.author.is_none() {
                let what = "it looks at nobody".to_owned();
                self.refuse(
                    index,
                    &["separation"],
                    what,
                    "write a template for trigger or author, or leave it out",
                );
            }
        }
        if let Some(rollback) = &policy.rollback {
            self.check_template(index, &["rollback", "short_description"], &rollback.short_description);
            for (field, template) in &rollback.fields {
                self.check_template(index, &["rollback", "fields", field], template);
            }
        }
    }

    fn check_template(&mut self, index: usize, path: &[&str], template: &str) {
        if let Err(fault) = check_template(template) {
            self.refuse(index, path, fault.to_string(), "write a Jinja template: {{ project.name }}");
        }
    }

    fn check_times(&mut self, index: usize, policy: &Policy) {
        let minutes = policy.approval.timeout_minutes;
        if !(minutes > 0.0 && minutes <= TIMEOUT_MINUTES_MAX) {
            let cure = format!("write a number up to {TIMEOUT_MINUTES_MAX}");
            self.refuse(index, &["approval", "timeout_minutes"], format!("{minutes} is out of range"), &cure);
        }
        for (key, code) in
            [("successful", &policy.close.successful), ("unsuccessful", &policy.close.unsuccessful)]
        {
            if code.trim().is_empty() {
                let what = "a change cannot be closed without a close code".to_owned();
                self.refuse(index, &["close", key], what, "write a value of the instance's field close_code");
            }
        }
        if policy.close.finish_within_hours == 0 {
            let what = "a deployment needs time to finish".to_owned();
            self.refuse(index, &["close", "finish_within_hours"], what, "write a whole number from 1");
        }
    }

    /// A check needs them (ServiceNow docs, "Detect conflicts manually"); a template may bring the item.
    fn check_conflict(&mut self, index: usize, policy: &Policy) {
        let change = &policy.change;
        if policy.conflict == ConflictRule::Ignore {
            return;
        }
        let item = change.cmdb_ci.is_some() || change.change_type == ChangeType::Standard;
        for (key, is_there) in
            [("cmdb_ci", item), ("start", change.start.is_some()), ("end", change.end.is_some())]
        {
            if !is_there {
                let what = format!("no conflict can be looked for without `change.{key}`");
                self.refuse(
                    index,
                    &["conflict"],
                    what,
                    &format!("write change: {{ {key}: … }}, or conflict: ignore"),
                );
            }
        }
    }

    fn check_evidence(&mut self, index: usize, policy: &Policy) {
        let Some(evidence) = &policy.evidence else { return };
        let artifacts = &evidence.artifacts;
        if artifacts.is_empty() || artifacts.len() > EVIDENCE_MAX {
            let what = format!("it names {} artifacts", artifacts.len());
            let cure = format!("write from 1 to {EVIDENCE_MAX} names, such as junit*, or leave evidence out");
            self.refuse(index, &["evidence", "artifacts"], what, &cure);
        }
        if artifacts.iter().any(|name| name.trim().is_empty()) {
            let what = "an artifact without a name".to_owned();
            self.refuse(
                index,
                &["evidence", "artifacts"],
                what,
                "write its name, or a pattern such as junit*",
            );
        }
    }

    fn check_item(&mut self, index: usize, policy: &Policy) {
        let Some(cmdb) = &policy.cmdb else { return };
        if cmdb.fields.is_empty() {
            let what = "it writes nothing".to_owned();
            self.refuse(
                index,
                &["cmdb", "fields"],
                what,
                "name fields of the configuration item, or leave cmdb out",
            );
        }
        for (field, template) in &cmdb.fields {
            let path = ["cmdb", "fields", field.as_str()];
            self.check_template(index, &path, template);
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if field.starts_with("sys_") || !field.chars().all(is_name) {
                let what = "this is no field that may be written".to_owned();
                self.refuse(
                    index,
                    &path,
                    what,
                    "write the name of a field of the item's class: version, u_commit",
                );
            }
        }
    }

    fn refuse(&mut self, index: usize, keys: &[&str], what: String, cure: &str) {
        let mut path = vec![LIST, Step::Index(index)];
        path.extend(keys.iter().copied().map(Step::Key));
        self.faults.0.push(self.document.fault(&path, what, Some(cure.to_owned())));
    }
}
