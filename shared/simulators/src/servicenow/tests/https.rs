use super::*;
use crate::tls::{Identity, TestAuthority};

async fn served(sim: &ServiceNow, authority: &TestAuthority) -> (String, tokio::task::JoinHandle<()>) {
    let tls = authority.server(&["localhost", "127.0.0.1"]).unwrap();
    let (addr, handle) = sim.serve_tls(([127, 0, 0, 1], 0).into(), tls).await.unwrap();
    (format!("https://{addr}"), handle)
}

fn client(authority: &TestAuthority, identity: Option<&Identity>) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let mut builder =
        reqwest::Client::builder().tls_certs_only([root]).timeout(std::time::Duration::from_secs(10));
    if let Some(identity) = identity {
        let pem = format!("{}{}", identity.certificate_pem, identity.key_pem);
        builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

#[tokio::test]
async fn an_instance_is_served_over_https_with_links_that_say_so() {
    let (sim, authority) = (instance(), TestAuthority::new().unwrap());
    let (url, handle) = served(&sim, &authority).await;
    let request = client(&authority, None).post(format!("{url}{CHANGES}")).body("{}");
    let answer = request.basic_auth("interlock", Some("interlock")).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert!(answer.headers()["location"].to_str().unwrap().starts_with(&url));
    let stranger = client(&TestAuthority::new().unwrap(), None);
    assert!(stranger.get(&url).send().await.is_err());
    handle.abort();
}

#[tokio::test]
async fn a_client_certificate_stands_for_its_user() {
    let (sim, authority) = (instance(), TestAuthority::new().unwrap());
    let (url, handle) = served(&sim, &authority).await;
    let identity = authority.client("interlock").unwrap();
    let ask = async |identity: Option<&Identity>| {
        let request = client(&authority, identity).get(format!("{url}{CHANGES}"));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(Some(&identity)).await, 401);
    let user = ("user", "26fbff173b331300ad3cc9bb34efc4bd");
    sim.insert("sys_user_certificate", &[user, ("fingerprint", &identity.fingerprint)]).unwrap();
    assert_eq!(ask(Some(&identity)).await, 200);
    assert_eq!(ask(None).await, 401);
    assert_eq!(sim.requests().find(&Default::default())[1].user, "interlock");
    handle.abort();
}

#[tokio::test]
async fn a_cut_connection_is_really_cut_over_tls_too() {
    let (sim, authority) = (instance(), TestAuthority::new().unwrap());
    let (url, handle) = served(&sim, &authority).await;
    sim.fault(Fault::once(Effect::ResetConnectionAfterCommit)).unwrap();
    let request = client(&authority, None).post(format!("{url}{CHANGES}")).body("{}");
    assert!(request.basic_auth("interlock", Some("interlock")).send().await.is_err());
    assert_eq!(sim.changes().len(), 1);
    handle.abort();
}
