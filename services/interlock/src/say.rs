//! What people read on the terminal: answers on stdout, faults on stderr, colours where there is a terminal.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// One line of an answer. Who closed the other end of a pipe has read enough, so a failure is no fault.
pub fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// What went wrong.
pub fn fault(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// How a piece of text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What is important.
    Strong,
    /// What is beside the point.
    Faint,
    /// It went well.
    Good,
    /// It did not.
    Bad,
}

/// `text` in `tone`, if stdout is a terminal that may be coloured (no-color.org).
pub fn toned(tone: Tone, text: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain || !std::io::stdout().is_terminal() { text.to_owned() } else { painted(tone, text) }
}

/// ECMA-48, "Select graphic rendition".
fn painted(tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Strong => 1,
        Tone::Faint => 2,
        Tone::Good => 32,
        Tone::Bad => 31,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_ends_where_the_text_ends() {
        assert_eq!(painted(Tone::Good, "released"), "\x1b[32mreleased\x1b[0m");
    }
}
