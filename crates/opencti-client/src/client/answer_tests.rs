use super::*;
use crate::client::operations as op;

/// What an answer is to be understood as: class, seen, code, and a piece of the message.
type Expect<'a> = (ErrorClass, Seen, Option<&'a str>, &'a str);

static NOTHING_SECRET: Redaction = Redaction::NONE;

use ErrorClass::{Contract, Credentials, Forbidden, Transient, WorkGone};

#[test]
fn data_without_errors_is_handed_on() {
    for body in [
        r#"{"data":{"about":{"version":"6.9.29"}}}"#,
        r#"{"errors":[],"data":{"about":{"version":"6.9.29"}}}"#,
        r#"{"errors":null,"data":{"about":{"version":"6.9.29"}},"extensions":{}}"#,
    ] {
        let data = read(&op::ABOUT, &answer(200, body)).unwrap();
        assert_eq!(data["about"]["version"], "6.9.29", "{body}");
    }
}

#[test]
fn the_code_is_found_wherever_a_platform_puts_it() {
    let expect: Expect<'_> = (
        Credentials,
        Seen::Final,
        Some("AUTH_REQUIRED"),
        "check OPENCTI_TOKEN (You must be logged in to do this.)",
    );
    // To 6.2.12: at the top, without extensions.
    check_data(
        r#"{"message":"You must be logged in to do this.","name":"AUTH_REQUIRED","time_thrown":"2024-01-01T00:00:00.000Z","data":{"http_status":401,"genre":"TECHNICAL"}}"#,
        expect,
    );
    // 6.2.13: in the extensions only.
    check_data(
        r#"{"message":"You must be logged in to do this.","locations":[],"path":["about"],"extensions":{"code":"AUTH_REQUIRED","name":"AUTH_REQUIRED","data":{"http_status":401}}}"#,
        expect,
    );
    // From 6.2.14 on: in both.
    check_data(
        r#"{"message":"You must be logged in to do this.","path":["about"],"extensions":{"code":"AUTH_REQUIRED","data":{"http_status":401}},"name":"AUTH_REQUIRED"}"#,
        expect,
    );
    // A place that holds no text hides no other.
    for nothing in ["null", "7", "{}"] {
        check_data(
            &format!(
                r#"{{"message":"You must be logged in to do this.","extensions":{{"code":{nothing}}},"name":"AUTH_REQUIRED"}}"#
            ),
            expect,
        );
    }
}

#[test]
fn the_status_of_an_unknown_code_is_found_in_both_places() {
    let credentials: Expect<'_> = (
        Credentials,
        Seen::Final,
        Some("NEW_ERROR"),
        "no (NEW_ERROR)",
    );
    check_data(
        r#"{"message":"no","name":"NEW_ERROR","data":{"http_status":403}}"#,
        credentials,
    );
    check_data(
        r#"{"message":"no","extensions":{"code":"NEW_ERROR","data":{"http_status":401}}}"#,
        credentials,
    );
    check_data(
        r#"{"message":"no","name":"NEW_ERROR","extensions":{"data":{"http_status":null}},"data":{"http_status":401}}"#,
        credentials,
    );
    // Nobody knows whether it is about the request, so it may go well later, but not at once.
    let later: Expect<'_> = (Transient, Seen::Final, Some("NEW_ERROR"), "no (NEW_ERROR)");
    check_data(
        r#"{"message":"no","name":"NEW_ERROR","data":{"http_status":409}}"#,
        later,
    );
    let transient: Expect<'_> = (
        Transient,
        Seen::Perhaps,
        Some("NEW_ERROR"),
        "no (NEW_ERROR)",
    );
    check_data(
        r#"{"message":"no","name":"NEW_ERROR","data":{"http_status":500}}"#,
        transient,
    );
    check_data(r#"{"message":"no","name":"NEW_ERROR"}"#, transient);
    check_data(
        r#"{"message":"no"}"#,
        (Transient, Seen::Perhaps, None, "no"),
    );
    check_data("null", (Transient, Seen::Perhaps, None, "no message"));
    check_data(r#""text""#, (Transient, Seen::Perhaps, None, "no message"));
}

#[test]
fn codes_have_their_class() {
    check_code(&op::REGISTER_CONNECTOR, "FORBIDDEN_ACCESS", Forbidden);
    for code in [
        "AUTH_REQUIRED",
        "OTP_REQUIRED",
        "OTP_REQUIRED_ACTIVATION",
        "LTS_REQUIRED_ACTIVATION",
        "PASSWORD_CHANGE_REQUIRED",
    ] {
        check_code(&op::ABOUT, code, Credentials);
    }
    for code in [
        "GRAPHQL_VALIDATION_FAILED",
        "GRAPHQL_PARSE_FAILED",
        "BAD_USER_INPUT",
        "BAD_REQUEST",
        "VALIDATION_ERROR",
        "UNSUPPORTED_ERROR",
        "RESOURCE_NOT_FOUND",
        "MISSING_REFERENCE_ERROR",
        "ALREADY_DELETED_ERROR",
    ] {
        check_code(&op::REGISTER_CONNECTOR, code, Contract);
    }
    for code in [
        "LOCK_ERROR",
        "DATABASE_ERROR",
        "UNKNOWN_ERROR",
        "INTERNAL_SERVER_ERROR",
        "CLIENT_ABORT_ERROR",
    ] {
        check_code(&op::WORK_ADD, code, Transient);
    }
    check_code(&op::ADD_EXPECTATIONS, "WORK_NOT_ALIVE", WorkGone);
    check_code(&op::ADD_EXPECTATIONS, "RESOURCE_NOT_FOUND", WorkGone);
    check_code(&op::TO_PROCESSED, "ALREADY_DELETED_ERROR", WorkGone);
}

#[test]
fn the_operation_decides_what_is_missing() {
    let not_found = r#"{"errors":[{"message":"No connector found with the specified ID","name":"FUNCTIONAL_ERROR","data":{"http_status":400}}],"data":{"pingConnector":null}}"#;
    let ping: Expect<'_> = (
        WorkGone,
        Seen::Final,
        Some("FUNCTIONAL_ERROR"),
        "No connector found",
    );
    check(&op::PING_CONNECTOR, &answer(200, not_found), ping);
    let work: Expect<'_> = (
        Contract,
        Seen::Final,
        Some("FUNCTIONAL_ERROR"),
        "No connector found",
    );
    check(&op::WORK_ADD, &answer(200, not_found), work);
    let flag = r#"{"errors":[{"message":"Feature not yet available","extensions":{"code":"INTERNAL_SERVER_ERROR"},"name":"INTERNAL_SERVER_ERROR"}],"data":{"draftWorkspaceAdd":null}}"#;
    let off: Expect<'_> = (
        Contract,
        Seen::Final,
        Some("INTERNAL_SERVER_ERROR"),
        "not yet available",
    );
    check(&op::DRAFT_WORKSPACE_ADD, &answer(200, flag), off);
}

#[test]
fn every_shape_of_data_beside_an_error_is_understood() {
    let error = r#""errors":[{"message":"Cannot read properties of undefined","extensions":{"code":"INTERNAL_SERVER_ERROR"},"name":"INTERNAL_SERVER_ERROR"}]"#;
    let expect: Expect<'_> = (
        Transient,
        Seen::Perhaps,
        Some("INTERNAL_SERVER_ERROR"),
        "Cannot read properties",
    );
    for data in [r#","data":{"workEdit":null}"#, r#","data":null"#, ""] {
        check(
            &op::ADD_EXPECTATIONS,
            &answer(200, &format!("{{{error}{data}}}")),
            expect,
        );
    }
}

#[test]
fn errors_are_read_whatever_the_status() {
    let dead = r#"{"errors":[{"message":"Work is no longer alive","extensions":{"code":"WORK_NOT_ALIVE","data":{"http_status":400}},"name":"WORK_NOT_ALIVE"}]}"#;
    check(
        &op::ADD_EXPECTATIONS,
        &answer(500, dead),
        (
            WorkGone,
            Seen::Final,
            Some("WORK_NOT_ALIVE"),
            "no longer alive",
        ),
    );
}

#[test]
fn a_draft_that_is_closed_is_a_matter_of_the_account_in_it() {
    let draft = r#"{"errors":[{"message":"Can not find draft","extensions":{"code":"DRAFT_LOCKED","data":{"http_status":400}},"name":"DRAFT_LOCKED"}]}"#;
    let expect = |class, text| (class, Seen::Final, Some("DRAFT_LOCKED"), text);
    let ours = "the account of OPENCTI_TOKEN is in a draft that is closed or gone, leave the \
                draft as that user in the platform's interface (Can not find draft)";
    for operation in [&op::ABOUT, &op::REGISTER_CONNECTOR, &op::WORK_ADD] {
        check(operation, &answer(500, draft), expect(Credentials, ours));
    }
    // These may be made in another's name: our own account may be well.
    let another = "the user in whose name it is asked is in a draft that is closed or gone";
    for operation in [&op::STIX_BUNDLE_PUSH, &op::ME] {
        check(operation, &answer(500, draft), expect(Contract, another));
    }
}

#[test]
fn data_that_is_missing_is_an_error_of_its_own() {
    let null = answer(200, r#"{"data":null}"#);
    let expect: Expect<'_> = (Transient, Seen::Final, None, "without the data");
    for operation in [&op::REGISTER_CONNECTOR, &op::WORK_ADD, &op::UPLOAD_PENDING] {
        check(operation, &null, expect);
    }
    // What importing can do without will be no better next time.
    let expect: Expect<'_> = (Contract, Seen::Final, None, "without the data");
    for operation in [
        &op::ABOUT,
        &op::WORK,
        &op::IS_WORK_ALIVE,
        &op::QUEUE_DETAILS,
    ] {
        check(operation, &null, expect);
    }
}

#[test]
fn only_the_platform_itself_refuses_what_a_request_says() {
    let graphql = |code: &str, status: u16| {
        format!(
            r#"{{"errors":[{{"message":"no","name":"{code}","data":{{"http_status":{status}}}}}]}}"#
        )
    };
    for (status, body, refusal, too_large) in [
        (200, graphql("BAD_USER_INPUT", 400), true, false),
        (400, graphql("GRAPHQL_VALIDATION_FAILED", 400), false, false),
        (200, graphql("FUNCTIONAL_ERROR", 400), true, false),
        (200, graphql("VALIDATION_ERROR", 500), true, false),
        (200, graphql("DRAFT_LOCKED", 400), false, false),
        (200, graphql("NEW_ERROR", 400), false, false),
        (200, graphql("LOCK_ERROR", 500), false, false),
        (200, r#"{"data":null}"#.to_owned(), false, false),
        (400, "<html>".to_owned(), false, false),
        (413, "<html>".to_owned(), false, true),
        (
            500,
            r#"{"status":"error","error":"request entity too large"}"#.to_owned(),
            false,
            true,
        ),
    ] {
        let failure = read(&op::REGISTER_CONNECTOR, &answer(status, &body)).unwrap_err();
        let found = (failure.error.is_refusal(), failure.error.is_too_large());
        assert_eq!(found, (refusal, too_large), "{body}");
    }
}

#[test]
fn what_is_no_platform_is_told_apart() {
    let html = "<!DOCTYPE html><html><body>Welcome</body></html>";
    for (status, body, text) in [
        (200, html, "not an OpenCTI platform (not JSON)"),
        (200, "{}", "not an OpenCTI platform (no GraphQL answer)"),
        (200, "[]", "check OPENCTI_URL"),
        (200, "", "check OPENCTI_URL"),
        (404, html, "HTTP 404"),
        (
            404,
            r#"{"status":"error","error":"not found"}"#,
            "base path",
        ),
        (405, r#"{"name":"MethodNotAllowedError"}"#, "HTTP 405"),
    ] {
        check(
            &op::WORK_ADD,
            &answer(status, body),
            (Transient, Seen::Final, None, text),
        );
    }
}

#[test]
fn errors_of_http_have_their_class() {
    let large = r#"{"status":"error","error":"request entity too large"}"#;
    for (status, body, class, seen, text) in [
        (
            401,
            "<html>",
            Credentials,
            Seen::Final,
            "before it reached the platform",
        ),
        (403, "", Credentials, Seen::Final, "HTTP 403"),
        (407, "<html>", Transient, Seen::Final, "HTTP_PROXY"),
        (400, "", Transient, Seen::Final, "malformed (HTTP 400)"),
        (422, "<html>", Transient, Seen::Final, "what stands between"),
        (413, "<html>", Contract, Seen::Final, "larger than"),
        (500, large, Contract, Seen::Final, "larger than"),
        (
            500,
            r#"{"status":"error","error":"boom"}"#,
            Transient,
            Seen::Perhaps,
            "HTTP 500",
        ),
        (
            429,
            r#"{"message":"Too many requests"}"#,
            Transient,
            Seen::No,
            "no more requests for now",
        ),
        (503, "<html>", Transient, Seen::Perhaps, "HTTP 503"),
        (502, "<html>", Transient, Seen::Perhaps, "HTTP 502"),
        (504, "", Transient, Seen::Perhaps, "HTTP 504"),
        // Data beside an error of HTTP is nothing to rely on.
        (
            502,
            r#"{"data":{"workAdd":{"id":"w"}}}"#,
            Transient,
            Seen::Perhaps,
            "HTTP 502",
        ),
    ] {
        check(
            &op::WORK_ADD,
            &answer(status, body),
            (class, seen, None, text),
        );
    }
}

#[test]
fn redirections_are_never_followed() {
    let to = |location| Answer {
        location,
        ..answer(302, "Found")
    };
    let expect = (Contract, Seen::Final, None, "may be too large");
    check(&op::STIX_BUNDLE_PUSH, &to(Some("/")), expect);
    let expect = (
        Transient,
        Seen::Final,
        None,
        "redirected to \"https://elsewhere.example/login\"",
    );
    check(
        &op::ABOUT,
        &to(Some("https://elsewhere.example/login")),
        expect,
    );
    check(
        &op::ABOUT,
        &to(None),
        (Transient, Seen::Final, None, "check OPENCTI_URL"),
    );
}

#[test]
fn deep_or_long_answers_stay_short_errors() {
    let deep = format!(
        r#"{{"errors":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    check(
        &op::ABOUT,
        &answer(200, &deep),
        (Transient, Seen::Final, None, "not JSON"),
    );
    let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "x".repeat(100_000));
    let failure = read(&op::ABOUT, &answer(200, &long)).unwrap_err();
    assert!(failure.error.to_string().len() < 400);
}

fn check_code(operation: &Operation, code: &str, class: ErrorClass) {
    let seen = if class == Transient {
        Seen::Perhaps
    } else {
        Seen::Final
    };
    let body = format!(
        r#"{{"errors":[{{"message":"no","extensions":{{"code":"{code}"}}}}],"data":null}}"#
    );
    check(
        operation,
        &answer(200, &body),
        (class, seen, Some(code), "no"),
    );
    let body = format!(r#"{{"errors":[{{"message":"no","name":"{code}"}}],"data":null}}"#);
    check(
        operation,
        &answer(200, &body),
        (class, seen, Some(code), "no"),
    );
}

fn check_data(error: &str, expect: Expect<'_>) {
    let body = format!(r#"{{"errors":[{error}],"data":{{"about":null}}}}"#);
    check(&op::ABOUT, &answer(200, &body), expect);
}

fn check(operation: &Operation, answer: &Answer<'_>, (class, seen, code, text): Expect<'_>) {
    let body = String::from_utf8_lossy(answer.body);
    let failure = read(operation, answer).unwrap_err();
    assert_eq!(failure.error.class(), class, "{body}");
    assert_eq!(failure.seen, seen, "{body}");
    assert_eq!(failure.error.code(), code, "{body}");
    let message = failure.error.to_string();
    assert!(message.contains(text), "{message:?} for {body}");
    assert!(message.starts_with(operation.name), "{message:?}");
}

fn answer(status: u16, body: &str) -> Answer<'_> {
    Answer {
        status,
        location: None,
        body: body.as_bytes(),
        redaction: &NOTHING_SECRET,
    }
}
