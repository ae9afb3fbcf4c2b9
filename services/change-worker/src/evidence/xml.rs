//! JUnit and CycloneDX in XML. The reader expands no entities; a document that declares any is not read at all.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::format::Found;
use super::said::count;

const DEPTH_MAX: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Suites,
    Case,
    Bom,
    Components,
    Vulnerabilities,
    Other,
}

fn element(name: &str) -> Element {
    match name {
        "testsuites" | "testsuite" => Element::Suites,
        "testcase" => Element::Case,
        "bom" => Element::Bom,
        "components" => Element::Components,
        "vulnerabilities" => Element::Vulnerabilities,
        _ => Element::Other,
    }
}

#[derive(Default)]
struct Counts {
    cases: usize,
    failed: usize,
    errors: usize,
    skipped: usize,
    components: usize,
    vulnerabilities: usize,
}

/// Recognises a document by its root, and counts.
pub(super) fn read(text: &str) -> Found {
    let mut reader = Reader::from_str(text);
    let (mut open, mut root, mut counts) = (Vec::new(), None, Counts::default());
    loop {
        let unread = |_| "XML that cannot be read".to_owned();
        match reader.read_event().map_err(unread)? {
            Event::Start(tag) => {
                let this = element(tag.local_name().as_ref());
                counts.begin(&open, this, tag.local_name().as_ref());
                root.get_or_insert(this);
                if open.len() >= DEPTH_MAX {
                    return Err("XML that is nested too deeply to be read".to_owned());
                }
                open.push(this);
            }
            Event::Empty(tag) => {
                let this = element(tag.local_name().as_ref());
                counts.begin(&open, this, tag.local_name().as_ref());
                root.get_or_insert(this);
            }
            Event::End(_) => drop(open.pop()),
            Event::DocType(_) => return Err("XML with a document type, which is not read".to_owned()),
            Event::Eof if open.is_empty() => break,
            Event::Eof => return Err("XML that is cut".to_owned()),
            _ => {}
        }
        if root == Some(Element::Other) {
            return Ok(None);
        }
    }
    Ok(match root {
        Some(Element::Suites) => Some(("junit", counts.tests())),
        Some(Element::Bom) => Some(("cyclonedx", counts.parts())),
        _ => None,
    })
}

impl Counts {
    fn begin(&mut self, open: &[Element], this: Element, name: &str) {
        match (open.last(), name) {
            _ if this == Element::Case => self.cases += 1,
            (Some(Element::Case), "failure") => self.failed += 1,
            (Some(Element::Case), "error") => self.errors += 1,
            (Some(Element::Case), "skipped") => self.skipped += 1,
            (Some(Element::Components), "component") => self.components += 1,
            (Some(Element::Vulnerabilities), "vulnerability") => self.vulnerabilities += 1,
            _ => {}
        }
    }

    fn tests(&self) -> String {
        let Self { cases, failed, errors, skipped, .. } = self;
        format!("JUnit: {}, {failed} failed, {errors} in error, {skipped} skipped", count(*cases, "test"))
    }

    fn parts(&self) -> String {
        let (components, vulnerabilities) = (self.components, self.vulnerabilities);
        super::json::parts("", components, vulnerabilities)
    }
}
