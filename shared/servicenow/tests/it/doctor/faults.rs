//! What reading alone finds.

use super::*;

fn hide_all(sim: &Simulator, table: &str) {
    play(sim, Effect::AclHideRecord { query: "ORDERBYsys_id".into() }, "GET", table);
}

#[tokio::test]
async fn pages_instead_of_the_api_are_told_apart() {
    let other =
        |title: &str| Effect::Status { code: 200, body: Some(json!(format!("<title>{title}</title>"))) };
    for (effect, name) in [
        (Effect::Html200, "instance_hibernating"),
        (Effect::LoginHtml200, "login_page"),
        (Effect::Status { code: 302, body: None }, "login_page"),
        (Effect::Maintenance503, "maintenance"),
        (Effect::Down { reset: false }, "instance_failing"),
        (Effect::Down { reset: true }, "instance_failing"),
        (other("nginx"), "instance_failing"),
    ] {
        let sim = instance();
        sim.fault(Fault::forever(effect)).unwrap();
        let examination = found(&sim, &[name]).await;
        assert_eq!(examination.calls, 1, "nothing more is asked");
    }
}

#[tokio::test]
async fn wrong_credentials_are_credentials_refused() {
    let secret = secret("wrong");
    let examination = examined_as(&instance(), &by_password(&reference(&secret)), &wishes(), false).await;
    told(examination, &["credentials_refused"]);
    let key = json!({ "api_key": { "key": reference(&secret) } });
    told(examined_as(&instance(), &key, &wishes(), false).await, &["credentials_refused"]);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_secret_missing() {
    let auth = by_client("${file:/nowhere/secret}");
    told(examined_as(&instance(), &auth, &wishes(), false).await, &["secret_missing"]);
}

#[tokio::test]
async fn a_client_that_expired_was_revoked_or_is_not_allowed_is_oauth_client_refused() {
    found(&instance_with(|options| options.oauth_clients.clear()), &["oauth_client_refused"]).await;
    let sim = instance();
    turn(&sim, |knobs| knobs.client_credentials_enabled = false);
    found(&sim, &["oauth_client_refused"]).await;
}

#[tokio::test]
async fn a_user_who_is_locked_out_or_inactive_is_user_locked() {
    for field in [("locked_out", "true"), ("active", "false")] {
        let sim = instance();
        turn(&sim, |knobs| knobs.locked_users_get_tokens = true);
        sim.update("sys_user", INTERLOCK, &[field]).unwrap();
        found(&sim, &["user_locked"]).await;
    }
}

#[tokio::test]
async fn a_user_without_access_to_the_rest_api_is_no_api_access() {
    let sim = instance();
    turn(&sim, |knobs| knobs.rest_api_role = Some("snc_platform_rest_api_access".into()));
    found(&sim, &["no_api_access"]).await;
}

#[tokio::test]
async fn an_instance_without_the_change_management_api_is_change_api_missing() {
    let sim = instance();
    let body =
        json!({ "error": { "message": "Requested URI does not represent any resource", "detail": "/x" } });
    let effect = Effect::Status { code: 400, body: Some(body) };
    sim.fault(Fault::forever(effect).on_path("/api/sn_chg_rest/")).unwrap();
    found(&sim, &["change_api_missing"]).await;
}

#[tokio::test]
async fn a_missing_right_to_read_changes_is_changes_hidden() {
    let sim = instance();
    sim.fault(Fault::forever(Effect::AclRefuse).on_path("/table/change_request")).unwrap();
    found(&sim, &["changes_hidden"]).await;
    let sim = instance();
    hide_all(&sim, "change_request");
    found(&sim, &["changes_hidden"]).await;
}

#[tokio::test]
async fn fields_of_a_change_that_are_hidden_are_named() {
    let sim = instance();
    play(&sim, Effect::AclHide { field: "on_hold".into() }, "GET", "change_request");
    let examination = found(&sim, &["change_fields_hidden"]).await;
    assert!(examination.findings().next().unwrap().cause.contains("on_hold"));
}

#[tokio::test]
async fn a_correlation_field_that_cannot_be_read_is_correlation_hidden() {
    for field in ["correlation_id", "correlation_display"] {
        let sim = instance();
        play(&sim, Effect::AclHide { field: field.into() }, "GET", "change_request");
        found(&sim, &["correlation_hidden"]).await;
    }
}

#[tokio::test]
async fn a_correlation_field_that_is_short_or_read_only_is_told_by_the_dictionary() {
    let sim = instance();
    turn(&sim, shorten);
    found(&sim, &["correlation_cut"]).await;
    let sim = instance();
    edit(&sim, "sys_dictionary", ("element", "correlation_display"), &[("read_only", "true")]);
    found(&sim, &["correlation_not_writable"]).await;
}

#[tokio::test]
async fn approver_rows_that_an_acl_hides_are_approvers_hidden() {
    let sim = instance();
    hide_all(&sim, "sysapproval_approver");
    found(&sim, &["approvers_hidden"]).await;
    let sim = instance();
    play(&sim, Effect::AclRefuse, "GET", "sysapproval_approver");
    found(&sim, &["approvers_hidden"]).await;
    let sim = instance();
    play(&sim, Effect::AclHide { field: "state".into() }, "GET", "sysapproval_approver");
    found(&sim, &["approvers_hidden"]).await;
}

#[tokio::test]
async fn a_change_that_waits_without_any_approver_row_is_approvers_hidden() {
    let sim = instance();
    // Not even counted, as where a domain separates them.
    let body = json!({ "result": [] });
    play(&sim, Effect::Status { code: 200, body: Some(body) }, "GET", "sysapproval_approver");
    found(&sim, &["approvers_hidden"]).await;
}

#[tokio::test]
async fn work_notes_that_cannot_be_read_are_journal_hidden() {
    let sim = instance();
    hide_all(&sim, "sys_journal_field");
    found(&sim, &["journal_hidden"]).await;
    let sim = instance();
    play(&sim, Effect::AclRefuse, "GET", "sys_journal_field");
    found(&sim, &["journal_hidden"]).await;
}

#[tokio::test]
async fn mandatory_fields_that_no_policy_fills_are_mandatory_unfilled() {
    let sim = instance();
    edit(&sim, "sys_dictionary", ("element", "justification"), &[("mandatory", "true")]);
    let examination = found(&sim, &["mandatory_unfilled"]).await;
    assert_eq!(examination.findings().next().unwrap().severity, Severity::Warning);
    let filled = with_field("justification", None);
    found_for(&sim, &filled, &[]).await;

    let sim = instance();
    let fields = [("active", "true"), ("model_table", "change_request"), ("short_description", "Plans")];
    let policy = sim.insert("sys_data_policy2", &fields).unwrap();
    let rule = [("sys_data_policy", policy.as_str()), ("field", "test_plan"), ("mandatory", "true")];
    sim.insert("sys_data_policy_rule", &rule).unwrap();
    let examination = found(&sim, &["mandatory_unfilled"]).await;
    let finding = examination.findings().next().unwrap();
    assert!(finding.severity == Severity::Fault && finding.cause.contains("`Plans` demands test_plan"));
}

#[tokio::test]
async fn values_that_the_instance_does_not_know_are_choice_unknown() {
    let sim = instance();
    edit(&sim, "sys_choice", ("value", "successful"), &[("inactive", "true")]);
    let examination = found(&sim, &["choice_unknown"]).await;
    assert!(examination.findings().next().unwrap().cause.contains("close_code `successful`"));
    for (field, value) in [("risk", "high"), ("impact", "9"), ("priority", "urgent")] {
        let odd = with_field(field, Some(value));
        found_for(&instance(), &odd, &["choice_unknown"]).await;
    }
    let odd = with_policy(|policy| policy.change_type = "routine".into());
    found_for(&instance(), &odd, &["choice_unknown"]).await;
}

#[tokio::test]
async fn a_state_model_that_differs_is_state_missing_or_state_unknown() {
    let sim = instance();
    edit(&sim, "sys_choice", ("label", "Authorize"), &[("inactive", "true")]);
    found(&sim, &["state_missing"]).await;
    let sim = instance();
    let choice = [("name", "change_request"), ("element", "state"), ("value", "7"), ("label", "Deferred")];
    sim.insert("sys_choice", &[choice.as_slice(), &[("inactive", "false")]].concat()).unwrap();
    let examination = found(&sim, &["state_unknown"]).await;
    assert!(examination.findings().next().unwrap().cause.contains("Deferred (7)"));
}

#[tokio::test]
async fn a_group_may_be_absent_ambiguous_or_inactive() {
    let absent = with_policy(|policy| policy.group = Some("Nobody".into()));
    found_for(&instance(), &absent, &["group_absent"]).await;
    let sim = instance();
    sim.insert("sys_user_group", &[("name", "Change Management"), ("active", "true")]).unwrap();
    found(&sim, &["group_ambiguous"]).await;
    let sim = instance();
    edit(&sim, "sys_user_group", ("name", "Change Management"), &[("active", "false")]);
    found(&sim, &["group_inactive"]).await;
}

#[tokio::test]
async fn a_configuration_item_may_be_absent_or_ambiguous() {
    let absent = with_policy(|policy| policy.item = Some("f".repeat(32)));
    found_for(&instance(), &absent, &["ci_absent"]).await;
    let sim = instance();
    sim.insert("cmdb_ci", &[("name", "payments-api")]).unwrap();
    found(&sim, &["ci_ambiguous"]).await;
}

#[tokio::test]
async fn a_template_may_be_absent_ambiguous_or_retired() {
    let absent = with_policy(|policy| policy.template = Some("No such template".into()));
    found_for(&instance(), &absent, &["template_absent"]).await;
    let (sim, name) = (instance(), ("name", "Clear BGP sessions on a Cisco router"));
    sim.insert("std_change_record_producer", &[name]).unwrap();
    found(&sim, &["template_ambiguous"]).await;
    for gone in [("active", "false"), ("retired", "true")] {
        let sim = instance();
        edit(&sim, "std_change_record_producer", name, &[gone]);
        found(&sim, &["template_retired"]).await;
    }
}

#[tokio::test]
async fn a_time_zone_other_than_gmt_and_a_date_format_are_warnings() {
    let sim = instance();
    turn(&sim, |knobs| knobs.user_time_zone = Some("US/Pacific".into()));
    let examination = found(&sim, &["time_zone_not_utc"]).await;
    assert_eq!(examination.findings().next().unwrap().severity, Severity::Warning);
    let sim = instance();
    sim.update("sys_user", INTERLOCK, &[("date_format", "dd.MM.yyyy")]).unwrap();
    let examination = found(&sim, &["date_format"]).await;
    assert!(examination.findings().next().unwrap().cause.contains("does not depend on it"));
}

#[tokio::test]
async fn clocks_that_differ_are_a_warning_above_five_seconds_and_a_fault_above_sixty() {
    for (seconds, severity) in [(20, Severity::Warning), (-90, Severity::Fault)] {
        let sim = instance();
        sim.clock().set_skew(chrono::Duration::seconds(seconds));
        let examination = found(&sim, &["clock_skew"]).await;
        assert_eq!(examination.findings().next().unwrap().severity, severity);
    }
    let sim = instance();
    sim.clock().set_skew(chrono::Duration::seconds(3));
    found(&sim, &[]).await;
}

#[tokio::test]
async fn few_calls_an_hour_are_rate_limit_low() {
    for (limit, severity) in [("1000", Severity::Warning), ("200", Severity::Fault)] {
        let sim = instance();
        sim.insert("sys_rate_limit_rules", &[("name", "all"), ("active", "true"), ("limit", limit)]).unwrap();
        let examination = found(&sim, &["rate_limit_low"]).await;
        assert_eq!(examination.findings().next().unwrap().severity, severity);
    }
}

#[tokio::test]
async fn a_refusal_for_the_number_of_calls_ends_the_questions() {
    let after_log_in = |effect| Fault::forever(effect).on_table("change_request");
    let sim = instance();
    sim.fault(after_log_in(Effect::RateLimit429 { retry_after: Some(60) })).unwrap();
    let examination = examined(&sim, &wishes(), false).await;
    assert!(names(&examination).contains(&"rate_limit_reached"), "{examination:#?}");
    assert!(examination.calls <= 4 && unseen(&examination).len() > 8, "{examination:#?}");
    let sim = instance();
    sim.fault(after_log_in(Effect::RateLimit429 { retry_after: None })).unwrap();
    found(&sim, &["instance_busy"]).await;
}

#[tokio::test]
async fn a_webhook_that_the_instance_does_not_send_is_webhook_absent() {
    let sim = instance();
    edit(&sim, "sys_script", ("name", "Interlock: change"), &[("active", "false")]);
    found(&sim, &["webhook_absent"]).await;
}

#[tokio::test]
async fn roles_that_are_too_many_or_too_few_are_told() {
    for (role, name) in [("approval_admin", "too_many_rights"), ("catalog", "role_missing")] {
        let sim = instance();
        if name == "role_missing" {
            edit(&sim, "sys_user_role", ("name", "sn_change_write"), &[("name", "snc_internal")]);
        }
        let role = sim.insert("sys_user_role", &[("name", role)]).unwrap();
        sim.insert("sys_user_has_role", &[("user", INTERLOCK), ("role", &role)]).unwrap();
        found(&sim, &[name]).await;
    }
}

#[test]
fn two_connections_of_one_instance_with_one_user_are_user_shared() {
    let of = |name: &str, host: &str, who: &str| (name.to_owned(), host.to_owned(), who.to_owned());
    let all = [
        of("a", "acme.example.com", "user interlock"),
        of("b", "other.example.com", "user interlock"),
        of("c", "acme.example.com", "user interlock"),
        of("d", "acme.example.com", "user other"),
    ];
    let shared = interlock_servicenow::doctor::shared_users(&all);
    assert_eq!(shared.len(), 1);
    assert_eq!((shared[0].0.as_str(), shared[0].1.name.as_str()), ("c", "user_shared"));
}
