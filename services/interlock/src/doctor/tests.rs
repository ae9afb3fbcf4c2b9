//! The tool on real sockets: what only a network shows.

use std::net::SocketAddr;

use interlock_simulators::servicenow::{Options, ServiceNow};
use interlock_simulators::tls::TestAuthority;

use super::*;

const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

fn config(base_url: &str) -> Config {
    // Cargo sets it to the name of this package, which is the simulated user's password.
    let auth = "{ basic: { username: interlock, password: \"${env:CARGO_PKG_NAME}\" } }";
    let text =
        format!("connections:\n  acme:\n    kind: servicenow\n    base_url: {base_url}\n    auth: {auth}\n");
    Config::parse("test.yaml", &text, std::iter::empty()).unwrap()
}

async fn names(base_url: &str) -> Vec<&'static str> {
    let (clock, http) = ports::machine().unwrap();
    let examiners = Examiner::all(&config(base_url), &http, &clock).unwrap();
    let examination = examiners[0].examine(&wishes::of(&config(base_url), "acme"), false, &mut |_| {}).await;
    examination.findings().map(|finding| finding.name.as_str()).collect()
}

#[tokio::test]
async fn a_certificate_that_nobody_here_trusts_is_tls_not_trusted() {
    let (simulator, authority) = (ServiceNow::new(Options::default()), TestAuthority::new().unwrap());
    let tls = authority.server(&["127.0.0.1"]).unwrap();
    let (address, task) = simulator.serve_tls(SocketAddr::from(ANY), tls).await.unwrap();
    assert_eq!(names(&format!("https://{address}")).await, ["tls_not_trusted"]);
    task.abort();
}

#[tokio::test]
async fn an_instance_that_listens_is_reached_and_one_that_does_not_is_unreachable() {
    let simulator = ServiceNow::new(Options::default());
    let (address, task) = simulator.serve(SocketAddr::from(ANY)).await.unwrap();
    assert_eq!(names(&format!("http://{address}/")).await, Vec::<&str>::new());
    task.abort();
    let _ = task.await;
    assert_eq!(names(&format!("http://{address}")).await, ["unreachable"]);
}

#[tokio::test]
async fn a_name_that_is_no_connection_is_a_misuse() {
    let wish = Doctor { connections: vec!["other".into()], write: false, json: false };
    let error = run(&wish, &config("http://127.0.0.1:9")).await.unwrap_err();
    assert!(error.is::<Unknown>() && error.to_string().contains("acme"), "{error}");
}
