//! Each worker's queue is bound to exactly the event types that the worker reacts to.

use std::collections::BTreeSet;

use interlock_broker::topology::WORKERS;

use super::sources::{File, files};

/// Rust names of the types that a worker's sources react to: `type Data = X;` of each reaction, and
/// `Reaction::<X>::new(..)` where one reaction serves several.
fn reacted(sources: &[File]) -> BTreeSet<String> {
    let lines = || sources.iter().flat_map(File::product).map(|(_, line)| line.trim());
    let data = lines().filter_map(|line| line.strip_prefix("type Data = ")?.strip_suffix(';'));
    let named = lines().filter(|line| line.starts_with(".subscribe(") || line.contains("Worker::new("));
    let generic = named.filter_map(|line| line.split_once("::<")?.1.split_once(">::new"));
    let all = data.chain(generic.map(|(name, _)| name));
    // A generic reaction says `type Data = T;`: its types are named where it is registered.
    all.filter(|name| name.len() > 1).map(str::to_owned).collect()
}

/// `io.interlock.gate.released.v1` is `GateReleased`.
fn rust_name(ty: &str) -> String {
    ty.split('.').skip(2).take(2).map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}

/// Where a worker's reactions are, and what of it is another's: change-worker's role runs two.
fn sources_of(worker: &str) -> (String, Option<&'static str>) {
    match worker {
        "evidence" => (EVIDENCE.to_owned(), None),
        "change-worker" => ("services/change-worker/src".to_owned(), Some(EVIDENCE)),
        other => (format!("services/{other}/src"), None),
    }
}

const EVIDENCE: &str = "services/change-worker/src/evidence";

#[test]
fn a_worker_is_bound_to_what_it_reacts_to_and_to_nothing_else() {
    for worker in WORKERS {
        let (own, others) = sources_of(worker.name);
        let sources: Vec<File> = files(&own)
            .into_iter()
            .filter(|file| !others.is_some_and(|of| file.path.starts_with(of)))
            .collect();
        let bound: BTreeSet<String> = worker.types.iter().map(|ty| rust_name(ty)).collect();
        let reacted = reacted(&sources);
        assert_eq!(bound, reacted, "left: bindings of {}; right: its reactions", worker.name);
    }
}

#[test]
fn a_reaction_is_seen_however_it_is_registered() {
    let file = |text: &str| File { path: "services/a/src/lib.rs".into(), text: text.into() };
    let text = "    .subscribe(Hint::<ChangeOpened>::new(desk))\n    type Data = GateReleased;\n    type Data = T;\n";
    let expected = BTreeSet::from(["ChangeOpened".to_owned(), "GateReleased".to_owned()]);
    assert_eq!(reacted(&[file(text)]), expected);
    assert_eq!(rust_name("io.interlock.gate.released.v1"), "GateReleased");
}
