use super::*;

const SECRET: &str = "example-github-secret";
const BODY: &str = r#"{"action":"requested","environment":"production"}"#;
const DIGEST: &str = "3ecad2743ed67e354e8cf672c5b3574539b5e5d278a418996bc021df4a0bd2bb";

fn header() -> HeaderName {
    HeaderName::from_static("x-hub-signature-256")
}

fn scheme() -> HmacSignature {
    HmacSignature::new(header(), Encoding::Hex).with_prefix("sha256=")
}

fn webhook(body: &str, signatures: &[&str]) -> Webhook {
    let mut headers = HeaderMap::new();
    for signature in signatures {
        headers.append(header(), signature.parse().unwrap());
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    Webhook { headers, body, received_at: DateTime::UNIX_EPOCH }
}

fn judged(body: &str, signatures: &[&str], secrets: &[&str]) -> Result<(), NotAuthentic> {
    let secrets: Vec<_> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    scheme().verify(webhook(body, signatures), &secrets).map(|_| ())
}

fn signature() -> String {
    format!("sha256={DIGEST}")
}

#[test]
fn the_signature_of_the_test_vector_fits() {
    assert_eq!(judged(BODY, &[&signature()], &[SECRET]), Ok(()));
}

#[test]
fn upper_case_hexadecimal_fits_too() {
    assert_eq!(judged(BODY, &[&format!("sha256={}", DIGEST.to_uppercase())], &[SECRET]), Ok(()));
}

#[test]
fn either_of_two_secrets_fits_while_they_rotate() {
    assert_eq!(judged(BODY, &[&signature()], &["new", SECRET]), Ok(()));
    assert_eq!(judged(BODY, &[&signature()], &[SECRET, "old"]), Ok(()));
}

#[test]
fn one_changed_byte_or_another_secret_does_not_fit() {
    let mismatch = Err(NotAuthentic::Mismatch(header()));
    assert_eq!(judged(&BODY.replace("production", "productioN"), &[&signature()], &[SECRET]), mismatch);
    assert_eq!(judged(BODY, &[&signature()], &["another"]), mismatch);
}

#[test]
fn a_missing_or_repeated_header_is_refused_even_if_one_of_them_fits() {
    assert_eq!(judged(BODY, &[], &[SECRET]), Err(NotAuthentic::Missing(header())));
    let twice = judged(BODY, &[&signature(), &signature()], &[SECRET]);
    assert_eq!(twice, Err(NotAuthentic::Repeated(header())));
}

#[test]
fn what_is_no_signature_is_refused() {
    let two = format!("sha256={},{}", "0".repeat(64), signature());
    let cases = [
        DIGEST,
        "sha256=",
        &signature()[..70],
        &format!("sha1={DIGEST}"),
        "sha256=zz",
        &two,
        &(signature() + "00"),
    ];
    for case in cases {
        let judged = judged(BODY, &[case], &[SECRET]);
        assert!(matches!(judged, Err(NotAuthentic::Malformed { .. })), "{case}: {judged:?}");
    }
}

#[test]
fn an_empty_secret_never_fits() {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"").unwrap();
    mac.update(BODY.as_bytes());
    let forged = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    for secrets in [&[][..], &[""][..]] {
        assert!(matches!(judged(BODY, &[&forged], secrets), Err(NotAuthentic::NoSecret(_))));
    }
}

#[test]
fn a_digest_in_base64_without_prefix_fits() {
    let scheme = HmacSignature::new(header(), Encoding::Base64);
    let digest = BASE64_STANDARD.encode(hex::decode(DIGEST).unwrap());
    assert!(scheme.verify(webhook(BODY, &[&digest]), &[SECRET.into()]).is_ok());
    assert!(scheme.verify(webhook(BODY, &[DIGEST]), &[SECRET.into()]).is_err());
}

#[test]
fn a_reason_tells_neither_the_expected_nor_the_sent_digest() {
    let sent = "0".repeat(64);
    let said = judged(BODY, &[&format!("sha256={sent}")], &[SECRET]).unwrap_err().to_string();
    assert!(!said.contains(DIGEST) && !said.contains(&sent) && !said.contains(SECRET), "{said}");
}

#[test]
fn nesting_is_counted_outside_of_texts_only() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(check_nesting(nested(NESTING_MAX).as_bytes()), Ok(()));
    assert!(check_nesting(nested(NESTING_MAX + 1).as_bytes()).is_err());
    let text = format!(r#"{{"a":"{}\"{}"}}"#, "[".repeat(80), "{".repeat(80));
    assert_eq!(check_nesting(text.as_bytes()), Ok(()));
    assert_eq!(check_nesting("[]".repeat(200).as_bytes()), Ok(()));
}

#[test]
fn a_fault_of_the_json_does_not_repeat_the_body() {
    let error = serde_json::from_str::<u8>("\n \"hunter2\"").unwrap_err();
    let said = Unreadable::from(error).to_string();
    assert!(said.contains("line 2") && !said.contains("hunter2"), "{said}");
}
