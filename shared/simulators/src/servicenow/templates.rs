//! Standard changes: what a template fixes, by whichever API a change is made from it.

use super::input::Input;
use super::record::Record;
use super::world::World;

/// A standard change takes these from its template.
const OWNED: [&str; 4] = ["description", "backout_plan", "test_plan", "implementation_plan"];

/// The template with this sys_id, if it may be used.
pub(super) fn named<'a>(world: &'a World, sys_id: &str) -> Option<&'a Record> {
    let found = world.row("std_change_record_producer", sys_id);
    found.filter(|template| template.get("active") != "false" && template.get("retired") != "true")
}

/// The template of a version.
pub(super) fn of_version<'a>(world: &'a World, version: &str) -> Option<&'a Record> {
    let version = world.row("std_change_producer_version", version)?;
    named(world, version.get("std_change_producer"))
}

/// Fills in what the template says; what it owns is taken from the caller without a word.
pub(super) fn apply(template: &Record, input: &mut Input) {
    for field in OWNED {
        if input.fields.remove(field).is_some() {
            input.ignored.push(field.to_owned());
        }
        input.fields.set(field, template.get(field));
    }
    input.fields.set("std_change_producer_version", template.get("current_version"));
    for field in ["short_description", "assignment_group", "category"] {
        if !template.get(field).is_empty() {
            input.fields.set_default(field, template.get(field));
        }
    }
}
