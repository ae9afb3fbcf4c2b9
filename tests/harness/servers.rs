//! The servers of a story: a vhost of the shared RabbitMQ, or a broker or Redis of its own that may be killed.
//! Everything here blocks; an async test that restarts a server while its workers run uses `spawn_blocking`.

mod broker;
pub mod process;
mod redis;

use std::fs::File;
use std::path::PathBuf;

pub use broker::PrivateBroker;
pub use redis::PrivateRedis;

/// A vhost of the shared RabbitMQ that no other test has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vhost {
    /// Its name, `t0`, `t1`, ...
    pub name: String,
    /// Where to connect, vhost included.
    pub amqp_url: String,
}

/// Takes an unused vhost of the pool, across threads and test processes. It is not given back: it is no longer clean.
///
/// # Panics
/// If `scripts/test` or `scripts/servers` has not prepared the servers, or all vhosts are used.
pub fn shared_broker() -> Vhost {
    let base = setting("INTERLOCK_TEST_AMQP");
    let pool: usize = setting("INTERLOCK_TEST_VHOSTS").parse().expect("a number, as the scripts set it");
    let name = (0..pool)
        .map(|number| format!("t{number}"))
        .find(|name| reserve(&format!("vhost-{name}")))
        .unwrap_or_else(|| panic!("all {pool} vhosts are used: start scripts/servers afresh, or with a higher INTERLOCK_TEST_VHOSTS"));
    let amqp_url = format!("{}/{name}", base.trim_end_matches('/'));
    Vhost { name, amqp_url }
}

/// True for exactly one caller of all test processes; the mark is removed with the servers.
fn reserve(mark: &str) -> bool {
    File::create_new(test_directory().join(mark)).is_ok()
}

/// Where everything of a run of tests lies; it is removed with the servers.
///
/// # Panics
/// Outside of `scripts/test`, `scripts/servers` and `scripts/chaos`.
pub fn test_directory() -> PathBuf {
    setting("INTERLOCK_TEST_DIR").into()
}

pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the stories with scripts/test, or scripts/servers -- cargo test -p interlock-tests")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tests_get_the_same_vhost() {
        let others: Vec<_> = (0..4).map(|_| std::thread::spawn(shared_broker)).collect();
        let mut names: Vec<_> =
            others.into_iter().map(|other| other.join().expect("a vhost is free").name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4);
    }
}
