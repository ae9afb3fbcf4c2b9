//! A `multipart/form-data` body (RFC 7578), as far as an upload needs it: text fields, then one file.

use bytes::Bytes;

/// How many parts are read; an upload has three.
const PARTS_MAX: usize = 20;

/// What a form holds.
#[derive(Debug, Default)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
    pub(super) file: Option<File>,
}

/// The file of a form.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) content: Bytes,
}

impl Form {
    /// Reads a body; `None` when it is no form. What comes after the file is not looked at.
    pub(super) fn read(content_type: &str, body: &Bytes) -> Option<Self> {
        if !content_type.to_ascii_lowercase().starts_with("multipart/form-data") {
            return None;
        }
        let boundary = parameter(content_type, "boundary")?;
        let delimiter = format!("--{boundary}").into_bytes();
        let mut form = Self::default();
        let mut at = find(body, &delimiter, 0)? + delimiter.len();
        for _ in 0..PARTS_MAX {
            if form.file.is_some() || body[at..].starts_with(b"--") {
                break;
            }
            let head = at + 2;
            let end_of_head = find(body, b"\r\n\r\n", at)?;
            let start = end_of_head + 4;
            let end = find(body, &[b"\r\n", delimiter.as_slice()].concat(), start)?;
            let head = String::from_utf8_lossy(body.get(head..end_of_head).unwrap_or_default());
            form.take(&head, body.slice(start..end));
            at = end + 2 + delimiter.len();
        }
        Some(form)
    }

    /// A text field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn take(&mut self, head: &str, content: Bytes) {
        let value_of = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            Some(line[name.len()..].trim())
        };
        let disposition = value_of("content-disposition:").unwrap_or_default();
        match parameter(disposition, "filename") {
            Some(name) => {
                let content_type = value_of("content-type:").unwrap_or("application/octet-stream").to_owned();
                self.file = Some(File { name, content_type, content });
            }
            None => {
                let name = parameter(disposition, "name").unwrap_or_default();
                self.fields.push((name, String::from_utf8_lossy(&content).into_owned()));
            }
        }
    }
}

/// A parameter of a header, without its quotes.
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
    })
}

fn find(body: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    rest.windows(what.len()).position(|window| window == what).map(|place| from + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x1\"";

    #[test]
    fn fields_and_a_file_are_told_apart() {
        let body = "--x1\r\nContent-Disposition: form-data; name=\"table_name\"\r\n\r\nincident\r\n--x1\r\n\
                    Content-Disposition: form-data; name=\"uploadFile\"; filename=\"a.txt\"\r\n\
                    Content-Type: text/plain\r\n\r\none\r\n--two\r\n--x1--\r\n";
        let form = Form::read(TYPE, &Bytes::from(body)).unwrap();
        assert_eq!(form.field("table_name"), Some("incident"));
        let file = form.file.unwrap();
        assert_eq!((file.name.as_str(), file.content_type.as_str()), ("a.txt", "text/plain"));
        assert_eq!(file.content, "one\r\n--two");
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for (content_type, body) in [
            ("text/plain", "x"),
            ("multipart/form-data", "x"),
            (TYPE, "nothing"),
            (TYPE, "--x1\r\nContent-Disposition: form-data"),
            (TYPE, "--x1"),
        ] {
            let form = Form::read(content_type, &Bytes::from(body));
            assert!(form.is_none_or(|form| form.file.is_none()), "{body}");
        }
    }
}
