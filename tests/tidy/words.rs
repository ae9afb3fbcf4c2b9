//! What must not stand in a source, and where it may.

use super::sources::{File, files};

struct Rule {
    /// What it is about, for the message.
    name: &'static str,
    /// Found as parts of whole words.
    words: &'static [&'static str],
    /// Beginnings of paths where it may stand.
    except: &'static [&'static str],
}

/// Time and chance come from the runtime's clock, so that a simulation can hold them.
const CLOCK: Rule = Rule {
    name: "time or chance outside the runtime's clock",
    words: &["Instant::now", "SystemTime::now", "Utc::now", "Local::now", "Uuid::new_v4", "rand::"],
    except: &["shared/runtime/src/", "shared/simulators/src/clock.rs"],
};

/// What speaks to the outside is behind a port, so that a simulation can stand in for it.
const SOCKETS: Rule = Rule {
    name: "a socket outside the ports and the listeners",
    words: &["TcpListener", "TcpStream", "UdpSocket", "UnixListener", "UnixStream", "reqwest::"],
    except: &[
        "shared/runtime/src/",
        "shared/broker/src/rabbitmq/",
        "shared/store/src/redis/",
        "shared/simulators/src/",
        "services/ingress/src/listener.rs",
    ],
};

const PANICS: Rule = Rule {
    name: "a panic in what ships",
    words: &[".unwrap()", "panic!(", "todo!(", "unimplemented!(", "unreachable!("],
    except: &[],
};

impl Rule {
    fn broken_in(&self, file: &File) -> Vec<String> {
        if file.is_test() || self.except.iter().any(|path| file.path.starts_with(path)) {
            return Vec::new();
        }
        let lines = file.product().into_iter();
        let hits = lines.filter(|(_, line)| self.words.iter().any(|word| has_word(line, word)));
        hits.map(|(number, line)| format!("{}:{number}: {}: {}", file.path, self.name, line.trim())).collect()
    }

    fn broken(&self) -> Vec<String> {
        let sources = files("services").into_iter().chain(files("shared"));
        sources.filter(|file| file.path.ends_with(".rs")).flat_map(|file| self.broken_in(&file)).collect()
    }

    fn holds(&self) {
        let broken = self.broken();
        assert!(broken.is_empty(), "{}", broken.join("\n"));
        for except in self.except {
            let stands = super::sources::root().join(except).exists();
            assert!(stands, "{except} is excepted and does not exist");
        }
    }
}

/// `word` stands in `line`, and no longer word ends with it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        word.starts_with('.') || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn time_and_chance_come_from_the_runtime() {
    CLOCK.holds();
}

#[test]
fn sockets_are_opened_behind_ports_and_by_listeners_alone() {
    SOCKETS.holds();
}

#[test]
fn nothing_that_ships_panics() {
    PANICS.holds();
}

#[test]
fn a_forbidden_word_is_seen_where_it_ships_and_nowhere_else() {
    let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
    let found = |rule: &Rule, path: &str, text: &str| rule.broken_in(&file(path, text)).len();
    let rules = "shared/rules/src/gate.rs";
    assert_eq!(found(&CLOCK, rules, "let now = Utc::now();\nlet id = uuid::Uuid::new_v4();\n"), 2);
    assert_eq!(found(&CLOCK, rules, "use strand::thread;\n// Utc::now is forbidden\n"), 0);
    assert_eq!(found(&CLOCK, "shared/runtime/src/ports/clock.rs", "Utc::now()\n"), 0);
    assert_eq!(found(&SOCKETS, "services/change-worker/src/walk.rs", "use tokio::net::TcpStream;\n"), 1);
    assert_eq!(found(&SOCKETS, "shared/simulators/src/serve.rs", "use tokio::net::TcpStream;\n"), 0);
    assert_eq!(found(&PANICS, rules, "let a = b\n    .unwrap();\nlet c = d.unwrap_or(1);\n"), 1);
    assert_eq!(found(&PANICS, rules, "#[cfg(test)]\nmod tests {\n    a.unwrap();\n}\n"), 0);
    assert_eq!(found(&PANICS, "shared/rules/src/release/tests.rs", "panic!(\"x\")\n"), 0);
}
