//! The freezes: read, and checked for what no calendar could mean.

use interlock_rules::Freeze;

use super::document::Step;
use super::layers::Layers;

const LIST: Step<'static> = Step::Key("freezes");

/// The file's freezes; there are none by default.
pub(super) fn read(layers: &mut Layers) -> Vec<Freeze> {
    let Layers { file, faults, .. } = layers;
    let Some(document) = file else { return Vec::new() };
    let freezes = faults.gather(document.list::<Freeze>("freezes")).unwrap_or_default();
    for (index, freeze) in freezes.iter().enumerate() {
        let is_taken = freezes[..index].iter().any(|earlier| earlier.name == freeze.name);
        for (key, what, cure) in wrong(freeze, is_taken) {
            let path = [LIST, Step::Index(index), Step::Key(key)];
            faults.0.push(document.fault(&path, what, Some(cure.to_owned())));
        }
    }
    freezes
}

/// Where, what, and how to cure it.
fn wrong(freeze: &Freeze, is_taken: bool) -> Vec<(&'static str, String, &'static str)> {
    let mut wrong = Vec::new();
    if is_taken {
        let what = format!("another freeze is named `{}`", freeze.name);
        wrong.push(("name", what, "give each its own name: people read it while they wait"));
    }
    if let (Some(from), Some(until)) = (freeze.from, freeze.until)
        && from >= until
    {
        wrong.push(("until", "it ends before it begins".to_owned(), "write a time after `from`"));
    }
    if freeze.weekly.is_some_and(|weekly| weekly.from == weekly.until) {
        let cure = "leave `weekly` out for a freeze that holds all the time";
        wrong.push(("weekly", "it begins when it ends".to_owned(), cure));
    }
    wrong
}
