//! What must be written down, how long a file may be, and what no file may name.

use super::sources::{File, files, read, root};

const README_LINES: usize = 40;
const LONG: usize = 400;
/// Folders of one machine. Each is put together here, so that this file is none that names one.
const MACHINES: &[&str] =
    &[concat!("/", "home/"), concat!("/", "root/"), concat!("/", "Users/"), concat!("/", "work/")];

fn crates() -> Vec<String> {
    let manifests = files("services").into_iter().chain(files("shared"));
    manifests.filter_map(|file| Some(file.path.strip_suffix("/Cargo.toml")?.to_owned())).collect()
}

fn readme_fault(folder: &str, readme: Option<&str>) -> Option<String> {
    match readme.map(|text| text.lines().count()) {
        None => Some(format!("{folder} has no README.md")),
        Some(lines) if lines > README_LINES => Some(format!("{folder}/README.md has {lines} lines")),
        Some(_) => None,
    }
}

fn unwritten<'a>(types: impl IntoIterator<Item = &'a str>, page: &str) -> Vec<&'a str> {
    types.into_iter().filter(|ty| !page.lines().any(|line| line == format!("## {ty}"))).collect()
}

/// Names a folder of a machine, not the end of a longer path in a project.
fn names_a_machine(line: &str) -> bool {
    let begins = |at: usize| !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '}');
    MACHINES.iter().any(|folder| line.match_indices(folder).any(|(at, _)| begins(at)))
}

fn machines(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| names_a_machine(line));
    lines.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim())).collect()
}

#[test]
fn every_crate_says_in_forty_lines_what_it_is_for() {
    let folders = crates();
    assert!(folders.len() > 8, "{folders:?}");
    let readme = |folder: &String| std::fs::read_to_string(root().join(folder).join("README.md")).ok();
    let faults: Vec<_> =
        folders.iter().filter_map(|folder| readme_fault(folder, readme(folder).as_deref())).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_readme_that_is_absent_or_too_long_is_seen() {
    assert!(readme_fault("a", None).is_some());
    assert!(readme_fault("a", Some(&"x\n".repeat(41))).is_some());
    assert!(readme_fault("a", Some(&"x\n".repeat(40))).is_none());
}

#[test]
fn every_event_type_stands_in_the_catalogue_for_readers() {
    let types: Vec<_> = interlock_events::catalogue().into_iter().map(|entry| entry.ty).collect();
    assert_eq!(unwritten(types, &read("docs/events.md")), Vec::<&str>::new(), "run scripts/docs");
    assert_eq!(unwritten(["io.interlock.never.said.v1"], &read("docs/events.md")).len(), 1);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let named: Vec<_> = files(".").iter().flat_map(machines).collect();
    assert!(named.is_empty(), "{}", named.join("\n"));
}

#[test]
fn a_folder_of_one_machine_is_seen() {
    for folder in MACHINES {
        assert!(names_a_machine(&format!("see {folder}me/notes.txt")));
        assert!(!names_a_machine(&format!("see services{folder}notes.txt")));
    }
}

/// A report, not a rule: what is long asks to be split.
#[test]
fn long_files_are_named() {
    for file in files(".").iter().filter(|file| file.path.ends_with(".rs")) {
        let lines = file.text.lines().count();
        if lines > LONG {
            println!("{}: {lines} lines", file.path);
        }
    }
}
