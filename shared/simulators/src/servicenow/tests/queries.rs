use super::*;

async fn numbers(sim: &ServiceNow, table: &str, query: &str) -> String {
    let uri = format!("/api/now/table/{table}?sysparm_fields=number&sysparm_query={query}");
    let answer = get(sim, &uri).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let rows = answer.result();
    rows.as_array().unwrap().iter().map(|row| row["number"].as_str().unwrap()[9..].to_owned()).collect()
}

#[tokio::test]
async fn a_query_may_ask_for_relative_dates_and_scripts() {
    let sim = instance();
    create(&sim, json!({})).await;
    advance(&sim, 2 * 3_600_000);
    create(&sim, json!({})).await;
    let find = async |query: &str| numbers(&sim, "change_request", query).await;
    assert_eq!(find("sys_created_onRELATIVEGT@hour@ago@1").await, "2");
    assert_eq!(find("sys_created_on<javascript:gs.hoursAgo(1)").await, "1");
    let today = "sys_created_onONToday@javascript:gs.beginningOfToday()@javascript:gs.endOfToday()";
    assert_eq!(find(today).await, "12");
    assert_eq!(find("opened_by=javascript:gs.getUserID()^ORDERBYDESCnumber").await, "21");
}

#[tokio::test]
async fn user_time_zone_moves_generated_dates_and_what_people_see() {
    let sim = with_knobs(|knobs| knobs.user_time_zone = Some("US/Pacific".to_owned()));
    let id = create(&sim, json!({})).await;
    let since = "sys_created_on>=javascript:gs.dateGenerate('2026-03-01','02:00:00')";
    assert_eq!(numbers(&sim, "change_request", since).await, "1");
    let later = "sys_created_on>=javascript:gs.dateGenerate('2026-03-01','02:00:01')";
    assert_eq!(numbers(&sim, "change_request", later).await, "");
    let shown = get(&sim, &format!("{CHANGES}/{id}?sysparm_display_value=all")).await.result();
    let at = json!({ "display_value": "2026-03-01 02:00:00", "value": "2026-03-01 10:00:00" });
    assert_eq!(shown["sys_created_on"], at);
    let user = get(&sim, "/api/now/table/sys_user?user_name=interlock").await.result();
    assert_eq!(user[0]["time_zone"], "US/Pacific");
    let window = json!({ "start_date": "2026-03-01 12:00:00" });
    let uri = format!("{CHANGES}/{id}?sysparm_input_display_value=true");
    let written = call(&sim, "PATCH", &uri, window).await.result();
    assert_eq!(written["start_date"], "2026-03-01 20:00:00");
}

#[tokio::test]
async fn strict_queries_refuse_what_an_instance_ignores() {
    let sim = instance();
    create(&sim, json!({})).await;
    for part in ["no_such_field=1", "requested_by.nonsense=1", "stateSAMEASapproval", "ORDERBYnonsense"] {
        let uri = format!("{CHANGES}?sysparm_query={part}");
        assert_eq!(get(&sim, &uri).await.status, 501, "{part}");
    }
    let sim = with_knobs(|knobs| knobs.strict_queries = false);
    create(&sim, json!({})).await;
    assert_eq!(numbers(&sim, "change_request", "no_such_field=1^ORDERBYnonsense").await, "1");
    assert_eq!(numbers(&sim, "change_request", "no_such_field=1^number=none").await, "");
}

#[tokio::test]
async fn invalid_query_returns_no_rows_when_the_property_says_so() {
    let sim = with_knobs(|knobs| {
        knobs.strict_queries = false;
        knobs.invalid_query_returns_no_rows = true;
    });
    create(&sim, json!({})).await;
    assert_eq!(numbers(&sim, "change_request", "no_such_field=1").await, "");
}

#[tokio::test]
async fn a_query_may_count_rows_of_other_tables() {
    let sim = instance();
    let find = async |query: &str| {
        let uri = format!("/api/now/table/sys_user_group?sysparm_fields=name&sysparm_query={query}");
        get(&sim, &uri).await.result()
    };
    let empty = find("RLQUERYsys_user_grmember.group,=0^ENDRLQUERY^ORDERBYname").await;
    assert_eq!(empty, json!([{ "name": "Network" }]));
    let join = "JOINsys_user_group.sys_id=sys_user_grmember.group!user.user_name=bob.cab";
    assert_eq!(find(join).await, json!([{ "name": "CAB Approval" }]));
}

#[tokio::test]
async fn words_are_found_in_any_field() {
    let sim = instance();
    create(&sim, json!({ "short_description": "Disk is full", "description": "on web01" })).await;
    create(&sim, json!({ "short_description": "Disk is empty" })).await;
    assert_eq!(numbers(&sim, "change_request", "123TEXTQUERY321=full WEB01").await, "1");
}

#[tokio::test]
async fn the_parent_table_shows_its_own_fields_with_the_labels_of_each_class() {
    let sim = instance();
    create(&sim, json!({})).await;
    call(&sim, "POST", "/api/now/table/incident", json!({ "state": "2" })).await;
    let uri = "/api/now/table/task?sysparm_display_value=true&sysparm_fields=state,sys_class_name,chg_model";
    let expected = json!([
        { "state": "New", "sys_class_name": "Change Request" },
        { "state": "In Progress", "sys_class_name": "Incident" },
    ]);
    assert_eq!(get(&sim, uri).await.result(), expected);
    assert_eq!(get(&sim, "/api/now/table/task?sysparm_query=chg_model=x").await.status, 501);
}

#[tokio::test]
async fn choices_and_tables_can_be_read() {
    let sim = instance();
    let choices = "name=incident^element=close_code^inactive=false^language=en^ORDERBYsequence";
    let uri = format!("/api/now/table/sys_choice?sysparm_fields=value&sysparm_query={choices}");
    assert_eq!(get(&sim, &uri).await.result()[1]["value"], "Known error");
    let uri = "/api/now/table/sys_db_object?sysparm_fields=label&sysparm_query=name=incident";
    assert_eq!(get(&sim, uri).await.result(), json!([{ "label": "Incident" }]));
}
