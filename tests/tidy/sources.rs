//! The files of the project, and what of a Rust file is product rather than test.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are not the project's own text.
const FOREIGN: &[&str] = &[".git", "target", "data", "node_modules"];

pub struct File {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

/// Every text file below `folder`, which is named from the root.
pub fn files(folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} holds no files");
    found
}

fn walk(folder: &Path, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            if !FOREIGN.contains(&name.as_str()) {
                walk(&entry.path(), found);
            }
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            let path = entry.path().strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            found.push(File { path, text });
        }
    }
}

impl File {
    /// Nothing of it ships: a test's file, or a file that belongs to one.
    pub fn is_test(&self) -> bool {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        file == "tests.rs" || self.path.split('/').any(|folder| folder == "tests")
    }

    /// Its lines that ship, with their numbers: no comments, and nothing under `#[cfg(test)]`.
    pub fn product(&self) -> Vec<(usize, &str)> {
        let mut lines = Vec::new();
        let mut rest = self.text.lines().enumerate();
        while let Some((index, line)) = rest.next() {
            if line.trim_start().starts_with("#[cfg(test)]") {
                skip_item(&mut rest);
            } else if !line.trim_start().starts_with("//") {
                lines.push((index + 1, line));
            }
        }
        lines
    }
}

/// Goes past the item behind an attribute. rustfmt puts its closing brace under its first letter.
fn skip_item<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) {
    let Some((_, first)) = lines.find(|(_, line)| !line.trim_start().starts_with("#[")) else { return };
    if first.ends_with(';') || first.ends_with('}') {
        return;
    }
    let indent = first.len() - first.trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    lines.find(|(_, line)| *line == end);
}

#[test]
fn what_is_compiled_for_tests_alone_is_no_product() {
    let text = "fn a() {}\n// fn b() {}\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod x;\nfn c() {}\n\
                #[cfg(test)]\nmod tests {\n    fn d() {\n    }\n}\nfn e() {}\n";
    let file = File { path: "shared/a/src/lib.rs".into(), text: text.into() };
    let lines: Vec<_> = file.product().into_iter().map(|(number, line)| (number, line.to_owned())).collect();
    assert_eq!(lines, [(1, "fn a() {}".into()), (6, "fn c() {}".into()), (12, "fn e() {}".into())]);
}
