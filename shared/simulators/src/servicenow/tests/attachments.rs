use super::*;

const FILE: &str = "/api/now/attachment/file";

fn upload(uri: &str, content_type: &str, body: Vec<u8>) -> Request<Body> {
    let mut request = request("interlock", "POST", uri, &Value::Null);
    request.headers_mut().insert("content-type", content_type.parse().unwrap());
    *request.body_mut() = Body::from(body);
    request
}

fn file_uri(id: &str, name: &str) -> String {
    format!("{FILE}?table_name=change_request&table_sys_id={id}&file_name={name}")
}

#[tokio::test]
async fn a_file_is_kept_with_its_size_and_digest_and_read_back() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let answer = send(&sim, upload(&file_uri(&id, "a.txt"), "text/plain", b"abc".to_vec())).await;
    let kept = answer.result();
    assert_eq!((answer.status, &kept["size_bytes"]), (201, &json!("3")));
    assert_eq!(kept["hash"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let uri = format!("/api/now/attachment/{}", kept["sys_id"].as_str().unwrap());
    assert!(answer.header("location").ends_with(&format!("{uri}/file")));
    let file = get(&sim, &format!("{uri}/file")).await;
    assert_eq!((file.text.as_str(), file.header("content-type")), ("abc", "text/plain"));
    assert!(file.header("x-attachment-metadata").contains("\"file_name\":\"a.txt\""));
    let listed = get(&sim, &format!("/api/now/attachment?table_sys_id={id}&sysparm_limit=1")).await;
    assert_eq!((listed.header("x-total-count"), &listed.result()[0]["file_name"]), ("1", &json!("a.txt")));
}

#[tokio::test]
async fn an_attachment_is_renamed_and_deleted_with_204() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let kept = send(&sim, upload(&file_uri(&id, "a.txt"), "text/plain", b"abc".to_vec())).await.result();
    let uri = format!("/api/now/attachment/{}", kept["sys_id"].as_str().unwrap());
    assert_eq!(call(&sim, "PATCH", &uri, json!({ "file_name": "b.txt" })).await.status, 204);
    assert_eq!(get(&sim, &uri).await.result()["file_name"], "b.txt");
    assert_eq!(call(&sim, "DELETE", &uri, Value::Null).await.status, 204);
    assert_eq!(get(&sim, &uri).await.status, 404);
}

#[tokio::test]
async fn a_form_is_taken_by_upload_and_stored_as_it_is_by_file() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"table_name\"\r\n\r\nchange_request\r\n--b\r\n\
         Content-Disposition: form-data; name=\"table_sys_id\"\r\n\r\n{id}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"uploadFile\"; filename=\"a.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nabc\r\n--b--\r\n"
    );
    let kind = "multipart/form-data; boundary=b";
    let kept = send(&sim, upload("/api/now/attachment/upload", kind, form.clone().into_bytes())).await;
    assert_eq!((kept.status, &kept.result()["size_bytes"]), (201, &json!("3")));
    let trapped = send(&sim, upload(&file_uri(&id, "a.txt"), kind, form.clone().into_bytes())).await;
    assert_eq!(trapped.result()["size_bytes"], form.len().to_string());
}

#[tokio::test]
async fn an_upload_needs_its_parameters_its_type_and_its_record() {
    let sim = instance();
    let id = create(&sim, json!({})).await;
    let bare = format!("{FILE}?table_name=change_request&table_sys_id={id}");
    assert_eq!(send(&sim, upload(&bare, "text/plain", b"abc".to_vec())).await.status, 400);
    let mut untyped = upload(&file_uri(&id, "a.txt"), "text/plain", b"abc".to_vec());
    untyped.headers_mut().remove("content-type");
    assert_eq!(send(&sim, untyped).await.status, 400);
    let nowhere = upload(&file_uri("none", "a.txt"), "text/plain", b"abc".to_vec());
    assert_eq!(send(&sim, nowhere).await.status, 404);
}

#[tokio::test]
async fn attachment_bytes_max_refuses_larger_files() {
    let sim = with_knobs(|knobs| knobs.attachment_bytes_max = 2);
    let id = create(&sim, json!({})).await;
    let answer = send(&sim, upload(&file_uri(&id, "a.txt"), "text/plain", b"abc".to_vec())).await;
    assert_eq!((answer.status, sim.records("sys_attachment").len()), (413, 0));
}

#[tokio::test]
async fn attachment_extensions_refuses_others_with_the_status_that_is_set() {
    for status in [400, 403, 415] {
        let sim = with_knobs(|knobs| {
            knobs.attachment_extensions = vec!["pdf".into()];
            knobs.attachment_refused_status = status;
        });
        let id = create(&sim, json!({})).await;
        let kept = send(&sim, upload(&file_uri(&id, "a.PDF"), "text/plain", b"abc".to_vec())).await;
        let refused = send(&sim, upload(&file_uri(&id, "a.txt"), "text/plain", b"abc".to_vec())).await;
        assert_eq!((kept.status, refused.status), (201, status));
        assert!(refused.detail().contains("glide.attachment.extensions"), "{}", refused.text);
    }
}
