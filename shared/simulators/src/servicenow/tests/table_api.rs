use super::*;

#[tokio::test]
async fn a_post_answers_201_with_location_and_defaults() {
    let sim = instance();
    let answer = call(&sim, "POST", CHANGES, json!({ "short_description": "Deploy" })).await;
    let result = answer.result();
    assert_eq!(answer.status, 201);
    let sys_id = result["sys_id"].as_str().unwrap();
    assert!(answer.header("location").ends_with(&format!("{CHANGES}/{sys_id}")));
    assert_eq!(result["number"], "CHG0030001");
    assert_eq!(result["state"], "-5");
    assert_eq!(result["approval"], "not requested");
    assert_eq!(result["sys_mod_count"], "0");
    assert_eq!(result["sys_created_by"], "interlock");
    assert_eq!(result["sys_created_on"], "2026-03-01 10:00:00");
    assert_eq!(result["assignment_group"], "");
    assert_eq!(result.as_object().unwrap().len(), 111);
}

#[tokio::test]
async fn every_answer_carries_the_simulated_date() {
    let sim = instance();
    for uri in [CHANGES, "/api/nowhere", "/__sim/knobs"] {
        assert_eq!(get(&sim, uri).await.header("date"), "Sun, 01 Mar 2026 10:00:00 GMT");
    }
}

#[tokio::test]
async fn a_reference_is_an_object_and_all_else_a_string() {
    let sim = instance();
    let id = create(&sim, json!({ "assignment_group": NETWORK, "on_hold": false, "impact": 2 })).await;
    let result = get(&sim, &format!("{CHANGES}/{id}")).await.result();
    assert_eq!(result["assignment_group"]["value"], NETWORK);
    let link = result["assignment_group"]["link"].as_str().unwrap();
    assert!(link.ends_with(&format!("/api/now/table/sys_user_group/{NETWORK}")));
    assert_eq!(result["on_hold"], "false");
    assert_eq!(result["impact"], "2");
}

#[tokio::test]
async fn display_modes_show_label_value_or_both() {
    let sim = instance();
    let id = create(&sim, json!({ "assignment_group": NETWORK })).await;
    let show = async |parameters: &str| {
        let uri = format!("{CHANGES}/{id}?sysparm_fields=state,assignment_group&{parameters}");
        get(&sim, &uri).await.result()
    };
    let bare = "sysparm_exclude_reference_link=true";
    assert_eq!(show(bare).await, json!({ "state": "-5", "assignment_group": NETWORK }));
    assert_eq!(
        show(&format!("{bare}&sysparm_display_value=true")).await,
        json!({ "state": "New", "assignment_group": "Network" })
    );
    assert_eq!(
        show(&format!("{bare}&sysparm_display_value=all")).await,
        json!({
            "state": { "display_value": "New", "value": "-5" },
            "assignment_group": { "display_value": "Network", "value": NETWORK },
        })
    );
    assert_eq!(show("sysparm_display_value=False").await["state"], "-5");
}

#[tokio::test]
async fn fields_may_walk_through_references_and_unknown_ones_are_left_out() {
    let sim = instance();
    let id = create(&sim, json!({ "assignment_group": NETWORK })).await;
    let uri = format!("{CHANGES}/{id}?sysparm_fields=number,assignment_group.name,nonsense");
    let expected = json!({ "number": "CHG0030001", "assignment_group.name": "Network" });
    assert_eq!(get(&sim, &uri).await.result(), expected);
}

#[tokio::test]
async fn fields_come_in_the_order_in_which_they_were_asked_for() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let fields = "sysparm_fields=sys_mod_count,number,nonsense,approval";
    let expected = r#"{"sys_mod_count":"0","number":"CHG0030001","approval":"not requested"}"#;
    let one = get(&sim, &format!("{CHANGES}/{id}?{fields}")).await.text;
    assert_eq!(one, format!("{{\"result\":{expected}}}"));
    let all = get(&sim, &format!("{CHANGES}?{fields}")).await.text;
    assert_eq!(all, format!("{{\"result\":[{expected}]}}"));
}

#[tokio::test]
async fn a_list_is_paged_with_count_and_links() {
    let sim = instance();
    for _ in 0..5 {
        create(&sim, json!({})).await;
    }
    let uri = format!(
        "{CHANGES}?sysparm_query=ORDERBYnumber&sysparm_limit=2&sysparm_offset=2&sysparm_fields=number"
    );
    let answer = get(&sim, &uri).await;
    assert_eq!(answer.header("x-total-count"), "5");
    assert_eq!(answer.result(), json!([{ "number": "CHG0030003" }, { "number": "CHG0030004" }]));
    for rel in ["first", "prev", "next", "last"] {
        assert!(answer.header("link").contains(&format!("rel=\"{rel}\"")), "{rel}");
    }
    let uncounted = get(&sim, &format!("{CHANGES}?sysparm_no_count=true")).await;
    assert_eq!(uncounted.header("x-total-count"), "");
}

#[tokio::test]
async fn an_encoded_query_selects_and_sorts() {
    let sim = instance();
    create(&sim, json!({ "correlation_id": "il1.aaa.1", "correlation_display": "Interlock" })).await;
    create(&sim, json!({ "correlation_id": "il1.aab.1", "correlation_display": "Interlock" })).await;
    create(&sim, json!({ "correlation_id": "il1.aaa.2", "correlation_display": "Other" })).await;
    let find = async |query: &str| {
        let uri = format!("{CHANGES}?sysparm_fields=number&sysparm_query={query}");
        let rows = get(&sim, &uri).await.result();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["number"].as_str().unwrap()[9..].to_owned()).collect::<String>()
    };
    assert_eq!(find("correlation_idSTARTSWITHil1.aaa.^correlation_display=Interlock").await, "1");
    assert_eq!(find("numberINCHG0030001,CHG0030003^ORDERBYDESCnumber").await, "31");
    assert_eq!(find("active=true^correlation_id=il1.aaa.1^ORcorrelation_id=il1.aab.1").await, "12");
    assert_eq!(find("correlation_display=Other^NQcorrelation_id=il1.aab.1").await, "23");
    assert_eq!(find("requested_by.user_name=interlock").await, "123");
}

#[tokio::test]
async fn pairs_filter_by_value_or_label() {
    let sim = instance();
    create(&sim, json!({})).await;
    for pair in ["state=-5", "state=new", "number=CHG0030001"] {
        let rows = get(&sim, &format!("{CHANGES}?{pair}")).await.result();
        assert_eq!(rows.as_array().unwrap().len(), 1, "{pair}");
    }
    assert_eq!(get(&sim, &format!("{CHANGES}?state=closed")).await.result(), json!([]));
}

#[tokio::test]
async fn a_patch_counts_only_what_changes() {
    let sim = instance();
    let id = create(&sim, json!({ "short_description": "a" })).await;
    let same = patch(&sim, &id, json!({ "short_description": "a" })).await;
    assert_eq!(same.result()["sys_mod_count"], "0");
    let other = patch(&sim, &id, json!({ "short_description": "b" })).await;
    assert_eq!(other.result()["sys_mod_count"], "1");
}

#[tokio::test]
async fn unknown_and_system_fields_are_ignored_without_a_word() {
    let sim = instance();
    let id = create(&sim, json!({ "bunk_field": "x", "sys_created_by": "me" })).await;
    let result = get(&sim, &format!("{CHANGES}/{id}")).await.result();
    assert!(result.get("bunk_field").is_none());
    assert_eq!(result["sys_created_by"], "interlock");
}

#[tokio::test]
async fn long_text_is_cut_without_a_word() {
    let sim = instance();
    let long = "x".repeat(200);
    let id = create(&sim, json!({ "correlation_id": long, "short_description": long })).await;
    assert_eq!(field(&sim, &id, "correlation_id").len(), 100);
    assert_eq!(field(&sim, &id, "short_description").len(), 160);
}

#[tokio::test]
async fn a_chosen_sys_id_is_kept_and_its_repeat_refused() {
    let sim = instance();
    let chosen = "8da031c52efd08404a4a5b4f070cdf91";
    assert_eq!(create(&sim, json!({ "sys_id": chosen })).await, chosen);
    let repeat = call(&sim, "POST", CHANGES, json!({ "sys_id": chosen })).await;
    assert_eq!(repeat.status, 403);
    assert!(repeat.detail().contains("Unique Key violation"));
    assert_eq!(sim.changes().len(), 1);
    let sim = with_knobs(|knobs| knobs.honour_chosen_sys_id = false);
    assert_ne!(create(&sim, json!({ "sys_id": chosen })).await, chosen);
}

#[tokio::test]
async fn a_note_becomes_a_journal_entry_and_reads_back_empty() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let answer = patch(&sim, &id, json!({ "work_notes": "released [a1]" })).await;
    assert_eq!(answer.result()["work_notes"], "");
    let uri = format!(
        "/api/now/table/sys_journal_field?sysparm_query=element_id={id}^elementINwork_notes,comments&sysparm_fields=element,value,sys_created_by"
    );
    let entry = json!({ "element": "work_notes", "value": "released [a1]", "sys_created_by": "interlock" });
    assert_eq!(get(&sim, &uri).await.result(), json!([entry]));
    let shown = get(&sim, &format!("{CHANGES}/{id}?sysparm_display_value=true")).await;
    assert!(shown.result()["work_notes"].as_str().unwrap().contains("released [a1]"));
}

#[tokio::test]
async fn display_values_are_understood_on_input_when_asked_for() {
    let sim = instance();
    let uri = format!("{CHANGES}?sysparm_input_display_value=true&sysparm_exclude_reference_link=true");
    let answer =
        call(&sim, "POST", &uri, json!({ "assignment_group": "Network", "type": "Emergency" })).await;
    assert_eq!(answer.result()["assignment_group"], NETWORK);
    assert_eq!(answer.result()["type"], "emergency");
}

#[tokio::test]
async fn the_errors_have_the_texts_of_an_instance() {
    let sim = instance();
    let unknown = get(&sim, &format!("{CHANGES}/{}", "0".repeat(32))).await;
    assert_eq!((unknown.status, unknown.message().as_str()), (404, "No Record found"));
    assert_eq!(unknown.json()["status"], "failure");
    let table = get(&sim, "/api/now/table/nonsense").await;
    assert_eq!((table.status, table.message().as_str()), (400, "Invalid table nonsense"));
    let path = get(&sim, "/api/nonsense").await;
    assert_eq!(path.message(), "Requested URI does not represent any resource");
    let mut broken = request("interlock", "POST", CHANGES, &Value::Null);
    *broken.body_mut() = Body::from("{");
    let broken = send(&sim, broken).await;
    assert_eq!((broken.status, broken.message().as_str()), (400, "Exception while reading request"));
}

#[tokio::test]
async fn a_deleted_record_is_gone_with_204() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let uri = format!("{CHANGES}/{id}");
    assert_eq!(call(&sim, "DELETE", &uri, Value::Null).await.status, 204);
    assert_eq!(get(&sim, &uri).await.status, 404);
}

#[tokio::test]
async fn the_first_version_may_answer_404_to_an_empty_list() {
    let sim = with_knobs(|knobs| knobs.empty_list_v1_404 = true);
    assert_eq!(get(&sim, "/api/now/v1/table/change_request").await.status, 404);
    assert_eq!(get(&sim, "/api/now/v2/table/change_request").await.status, 200);
}

#[tokio::test]
async fn the_parent_table_sees_the_rows_of_its_children() {
    let sim = instance();
    create(&sim, json!({})).await;
    call(&sim, "POST", "/api/now/table/incident", json!({ "short_description": "x" })).await;
    let rows = get(&sim, "/api/now/table/task?sysparm_fields=number").await.result();
    assert_eq!(rows, json!([{ "number": "CHG0030001" }, { "number": "INC0010001" }]));
}

#[tokio::test]
async fn the_body_is_left_out_when_asked_for() {
    let sim = instance();
    let mut silent = request("interlock", "POST", CHANGES, &json!({}));
    silent.headers_mut().insert("x-no-response-body", "true".parse().unwrap());
    let answer = send(&sim, silent).await;
    assert_eq!((answer.status, answer.text.as_str()), (201, ""));
}
