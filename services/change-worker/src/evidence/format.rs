//! Which format a file has, by its content alone, and what it says in one line. Files are foreign: whatever cannot be
//! read, or not within bounds, is a file like any other.

use super::said::size;
use super::{json, xml};

/// What a file was recognised as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recognised {
    pub format: &'static str,
    pub media_type: &'static str,
    pub summary: String,
}

/// Looks at the content.
pub(super) fn recognise(content: &[u8]) -> Recognised {
    let text = std::str::from_utf8(content).ok().map(|text| text.trim_start_matches('\u{feff}'));
    let other = |media_type, what: &str| Recognised {
        format: "other",
        media_type,
        summary: format!("{what}, {}", size(content.len() as u64)),
    };
    let Some(text) = text else { return other("application/octet-stream", "a file") };
    let first = text.trim_start().chars().next();
    let (media_type, found) = match first {
        Some('<') => ("application/xml", xml::read(text)),
        Some('{') => ("application/json", json::read(text)),
        _ => return other("text/plain", "text"),
    };
    match found {
        Ok(Some((format, summary))) => Recognised { format, media_type, summary },
        Ok(None) if media_type == "application/xml" => other(media_type, "XML of another format"),
        Ok(None) => other(media_type, "JSON of another format"),
        Err(why) => other("text/plain", &why),
    }
}

/// A format and its line; `None`: of no known format.
pub(super) type Found = Result<Option<(&'static str, String)>, String>;

#[cfg(test)]
mod tests;
