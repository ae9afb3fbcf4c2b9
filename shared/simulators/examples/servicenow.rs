//! An instance for clients that others wrote: over HTTP and HTTPS, with a little demo data, until it is ended.
//!
//! `cargo run -p interlock-simulators --example servicenow -- <folder>` writes into the folder, in this order,
//! `ca.pem`, `client.pem` (the certificate and key of the user `interlock`) and `ready.json`.

use std::path::PathBuf;

use anyhow::Context;
use interlock_simulators::servicenow::{ControlError, Knobs, Options, ServiceNow};
use interlock_simulators::tls::TestAuthority;
use serde_json::json;

/// Sys_id of the user `interlock`.
const INTERLOCK: &str = "26fbff173b331300ad3cc9bb34efc4bd";
/// Sys_id of the user `admin`.
const ADMIN: &str = "6816f79cc0a8016401c5a33be04be441";
/// Sys_id of the role `admin`.
const ADMIN_ROLE: &str = "2831a114c611228501d4ea6c309d626d";
/// More than a client reads at once.
const LOG_ENTRIES: usize = 700;
const PROBLEMS: usize = 12;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).context("name a folder")?);
    // As instances do: what a query says in vain is ignored. People sit in California.
    let knobs =
        Knobs { strict_queries: false, user_time_zone: Some("US/Pacific".to_owned()), ..Knobs::default() };
    let instance = ServiceNow::new(Options { knobs, ..Options::default() });
    let authority = TestAuthority::new()?;
    let identity = authority.client("interlock")?;
    seed(&instance, &identity.fingerprint)?;
    let any = ([127, 0, 0, 1], 0).into();
    let (http, _http) = instance.serve(any).await?;
    let (https, _https) = instance.serve_tls(any, authority.server(&["localhost", "127.0.0.1"])?).await?;
    std::fs::write(folder.join("ca.pem"), authority.pem())?;
    std::fs::write(folder.join("client.pem"), identity.certificate_pem + &identity.key_pem)?;
    let ready = json!({ "http": http.port(), "https": https.port() });
    // A file that is there is whole.
    std::fs::write(folder.join("ready.part"), ready.to_string())?;
    std::fs::rename(folder.join("ready.part"), folder.join("ready.json"))?;
    std::future::pending().await
}

fn seed(instance: &ServiceNow, fingerprint: &str) -> Result<(), ControlError> {
    instance.insert("sys_user_certificate", &[("user", INTERLOCK), ("fingerprint", fingerprint)])?;
    let department = people(instance)?;
    for table in ["alm_asset", "bsm_chart"] {
        instance.insert("sys_db_object", &[("name", table), ("label", table)])?;
    }
    for number in 0..15 {
        let name = format!("demo.{number}");
        let fields = [
            ("user_name", name.as_str()),
            ("name", &name),
            ("active", "true"),
            ("department", &department),
            ("manager", ADMIN),
        ];
        let user = instance.insert("sys_user", &fields)?;
        instance.insert("sys_user_has_role", &[("user", &user), ("role", ADMIN_ROLE)])?;
    }
    instance.insert("sys_user", &[("user_name", "demo.nameless"), ("active", "false")])?;
    for (name, manager) in [("Managed", ADMIN), ("Also managed", INTERLOCK), ("Managed too", ADMIN)] {
        let fields = [("name", name), ("active", "true"), ("manager", manager)];
        let group = instance.insert("sys_user_group", &fields)?;
        instance.insert("sys_group_has_role", &[("group", &group), ("role", ADMIN_ROLE)])?;
    }
    for number in 0..LOG_ENTRIES {
        let name = format!("entry {number}");
        instance.insert("syslog", &[("message", &name), ("level", "0")])?;
        instance.insert("sys_metadata", &[("sys_name", &name)])?;
    }
    for number in 0..PROBLEMS {
        let text = format!("Demo problem {number}");
        instance.insert(
            "problem",
            &[("short_description", &text), ("state", "101"), ("active", "true"), ("opened_by", ADMIN)],
        )?;
    }
    Ok(())
}

/// A department, its head, and the role of administrators, by the ids of the vendor's demo data.
fn people(instance: &ServiceNow) -> Result<String, ControlError> {
    let head = "46c5bf6ca9fe1981010713e3ac7d3384";
    let fields =
        [("user_name", "natasha.ingram"), ("email", "natasha.ingram@example.com"), ("active", "true")];
    instance
        .insert("sys_user", &[&[("sys_id", head), ("name", "Natasha Ingram")], fields.as_slice()].concat())?;
    let department = "a581ab703710200044e0bfc8bcbe5de8";
    let fields = [("sys_id", department), ("name", "Finance"), ("id", "1120"), ("dept_head", head)];
    instance.insert("cmn_department", &fields)?;
    instance.insert("sys_user_role", &[("sys_id", ADMIN_ROLE), ("name", "admin")])?;
    instance.update("sys_user", ADMIN, &[("department", department)])?;
    Ok(department.to_owned())
}
