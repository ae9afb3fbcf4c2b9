//! The words: what stands in the work notes, and how an attachment is named. Whatever comes from a run is foreign.

use interlock_servicenow::FILE_NAME_CHARS_MAX;

/// The beginning of each marker, behind which the artifact's id stands.
pub(super) const MARK: &str = "[interlock:evidence:";

/// A note is cut by some instances, and its marker stands at its end.
const NOTE_CHARS_MAX: usize = 3_000;
const DIGEST_CHARS: usize = 12;

/// Foreign text in one line: neither markup of the journal (`[code]`) nor a marker of ours can be made of it.
pub(super) fn plain(text: &str, chars_max: usize) -> String {
    let plain: String = text
        .chars()
        .map(|c| match c {
            '[' => '(',
            ']' => ')',
            c if c.is_control() => ' ',
            c => c,
        })
        .take(chars_max)
        .collect();
    if text.chars().nth(chars_max).is_some() {
        format!("{}…", plain.trim())
    } else {
        plain.trim().to_owned()
    }
}

/// The note about one artifact, without its marker.
pub(super) fn note(artifact: &str, lines: &[String]) -> String {
    let mut note = format!("Evidence of the run, artifact {}:", plain(artifact, 80));
    for (number, line) in lines.iter().enumerate() {
        if note.chars().count() + line.chars().count() > NOTE_CHARS_MAX {
            note.push_str(&format!("\n- and {} more", lines.len() - number));
            break;
        }
        note.push_str("\n- ");
        note.push_str(line);
    }
    if lines.is_empty() {
        note.push_str("\n- it is empty");
    }
    note
}

/// Artifact, file, and the beginning of the file's digest: the same content has the same name.
pub(super) fn file_name(artifact: &str, path: &str, sha256: &str) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let (stem, extension) = match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{}", word(extension, 10))),
        _ => (file, String::new()),
    };
    let digest: String = sha256.chars().take(DIGEST_CHARS).collect();
    let name = format!("{}-{}-{digest}{extension}", word(artifact, 30), word(stem, 40));
    name.chars().take(FILE_NAME_CHARS_MAX).collect()
}

fn word(text: &str, chars_max: usize) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let word: String = text.chars().map(|c| if fits(c) { c } else { '_' }).take(chars_max).collect();
    if word.is_empty() { "_".to_owned() } else { word }
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

/// `1 test`, `2 tests`.
pub(super) fn count(number: usize, one: &str) -> String {
    let ending = match one.strip_suffix('y') {
        _ if number == 1 => return format!("1 {one}"),
        Some(stem) => format!("{stem}ies"),
        None => format!("{one}s"),
    };
    format!("{number} {ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_makes_no_markup_no_marker_and_no_second_line() {
        assert_eq!(
            plain("a\n[code]<b>[/code] [interlock:evidence:7]", 80),
            "a (code)<b>(/code) (interlock:evidence:7)"
        );
        assert_eq!(plain(&"x".repeat(90), 80).chars().count(), 81);
    }

    #[test]
    fn a_name_ends_in_the_digest_whatever_the_path_is() {
        let digest = "3fa9".repeat(16);
        for (artifact, path, expected) in [
            ("junit", "target/report.xml", "junit-report-3fa93fa93fa9.xml"),
            ("my scan", "..\\..\\a b.json", "my_scan-a_b-3fa93fa93fa9.json"),
            ("sbom", ".hidden", "sbom-.hidden-3fa93fa93fa9"),
            ("", "", "_-_-3fa93fa93fa9"),
        ] {
            assert_eq!(file_name(artifact, path, &digest), expected);
        }
        let long = file_name(&"é".repeat(300), &format!("{}.{}", "y".repeat(300), "z".repeat(300)), &digest);
        assert!(long.len() <= FILE_NAME_CHARS_MAX && long.is_ascii(), "{long}");
    }

    #[test]
    fn a_long_note_says_how_much_it_leaves_out() {
        let lines: Vec<String> = (0..40).map(|number| format!("{number}: {}", "x".repeat(200))).collect();
        let note = note("junit", &lines);
        assert!(note.chars().count() < NOTE_CHARS_MAX + 100);
        assert!(note.ends_with("\n- and 26 more"), "{note}");
    }
}
