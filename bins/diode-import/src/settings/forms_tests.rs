//! Tables of values as operators write them.

use std::fmt::Debug;

use super::*;

/// What a form makes of a value: the typed value, or what is wrong with it.
fn check<T: Debug>(form: impl Fn(&Value) -> Form<T>, value: impl Into<Value>, expected: &str) {
    let value = value.into();
    let outcome = match form(&value) {
        Ok(typed) => format!("{typed:?}"),
        Err(wrong) => format!("wrong: {}", wrong.what),
    };
    assert_eq!(outcome, expected, "{value:?}");
}

fn pairs(pairs: &[(&str, &str)]) -> Value {
    let pairs = pairs
        .iter()
        .map(|(source, target)| ((*source).to_owned(), Value::from(*target)));
    Value::from(pairs.collect::<Dict>())
}

#[test]
fn booleans() {
    for word in [
        "true", "True", "TRUE", "yes", "Yes", "on", "ON", "1", " true ",
    ] {
        check(boolean, word, "true");
    }
    for word in ["false", "False", "no", "NO", "off", "0"] {
        check(boolean, word, "false");
    }
    for word in ["maybe", "2", "y", "truee"] {
        check(boolean, word, "wrong: is not a boolean");
    }
    check(boolean, true, "true");
    check(boolean, 1, "true");
    check(boolean, 0, "false");
    check(boolean, 2, "wrong: is not a boolean");
    check(boolean, vec!["true"], "wrong: is not a boolean");
}

#[test]
fn texts() {
    check(text, " a b ", r#""a b""#);
    check(
        text,
        "ChangeMe",
        "wrong: is still the placeholder of an example",
    );
    check(
        text,
        "changeme",
        "wrong: is still the placeholder of an example",
    );
    check(
        text,
        "a\nb",
        "wrong: contains a control character or a line break",
    );
    check(text, "a\u{fffd}", "wrong: is not UTF-8");
    check(
        text,
        7,
        "wrong: is read as a number or a boolean, not as text",
    );
    check(
        text,
        true,
        "wrong: is read as a number or a boolean, not as text",
    );
    check(text, vec!["a"], "wrong: is not a text");
    check(connector_name, "AB", r#""AB""#);
    check(connector_name, "A", "wrong: is too short for the platform");
}

#[test]
fn what_counts_as_given() {
    for (value, given) in [
        (Value::from(""), false),
        (Value::from(" \t"), false),
        (Value::from(figment::value::Empty::None), false),
        (Value::from("a"), true),
        (Value::from(0), true),
        (Value::from(false), true),
    ] {
        assert_eq!(is_given(&value), given, "{value:?}");
    }
}

#[test]
fn tokens() {
    check(token, "abc-123", "[redacted]");
    check(
        token,
        "Bearer abc",
        "wrong: contains a blank or a character outside ASCII",
    );
    check(
        token,
        "é",
        "wrong: contains a blank or a character outside ASCII",
    );
    check(
        token,
        "ChangeMe",
        "wrong: is still the placeholder of an example",
    );
    assert_eq!(token(&" abc\t".into()).unwrap().expose(), "abc");
}

#[test]
fn whole_numbers() {
    let within = |value: &Value| whole(value, 1, 100);
    check(within, "1", "1");
    check(within, " 100 ", "100");
    check(within, 100, "100");
    check(within, "1_0", "10");
    check(within, "0", "wrong: is out of range");
    check(within, "101", "wrong: is out of range");
    check(within, 101, "wrong: is out of range");
    check(within, -1, "wrong: is not a whole number in range");
    check(within, "-1", "wrong: is not a whole number in range");
    check(within, 1.5, "wrong: is not a whole number in range");
    check(within, 1.0, "wrong: is not a whole number in range");
    check(within, "1 GiB", "wrong: is not a whole number in range");
    check(
        within,
        "99999999999999999999",
        "wrong: is not a whole number in range",
    );
    check(within, true, "wrong: is not a whole number in range");
    check(
        |value| whole(value, 0, u64::MAX),
        "18446744073709551615",
        "18446744073709551615",
    );
}

#[test]
fn addresses() {
    let shown = |value: &Value| url(value).map(String::from);
    check(
        shown,
        "https://opencti.example.com",
        r#""https://opencti.example.com/""#,
    );
    check(
        shown,
        "http://host:8080/base/",
        r#""http://host:8080/base/""#,
    );
    check(shown, "http://host:8080/base", r#""http://host:8080/base""#);
    check(
        shown,
        "opencti.example.com",
        "wrong: is not an address (relative URL without a base)",
    );
    check(
        shown,
        "localhost:8080",
        "wrong: is not an http or https address",
    );
    check(
        shown,
        "https://u:p@host",
        "wrong: contains a user or a password",
    );
    check(
        shown,
        "https://host/?a=b",
        "wrong: has a query or a fragment",
    );
    check(
        shown,
        "ChangeMe",
        "wrong: is still the placeholder of an example",
    );
}

#[test]
fn hosts() {
    check(host, "mq.example.com", r#""mq.example.com""#);
    check(host, "[::1]", r#""[::1]""#);
    check(host, "amqp://mq", "wrong: is more than a host");
    check(host, "user:pass@mq", "wrong: is more than a host");
    for (address, expect) in [
        ("mq:5672", "mq:5672"),
        ("http://mq/a", "http://mq/a"),
        ("a:b@mq", "[redacted]@mq"),
        ("https://a:b@c@mq:1/d", "https://[redacted]@mq:1/d"),
        ("a@b://c@mq", "[redacted]@mq"),
    ] {
        assert_eq!(without_user(address), expect);
    }
}

#[test]
fn verification() {
    check(ssl_verify, "true", "System");
    check(ssl_verify, false, "Anyone");
    check(
        ssl_verify,
        "/etc/ssl/ca.pem",
        r#"Only(File("/etc/ssl/ca.pem"))"#,
    );
    check(ssl_verify, "ca.pem", r#"Only(File("ca.pem"))"#);
    check(
        ssl_verify,
        "flase",
        "wrong: is neither a boolean nor a path",
    );
    check(
        ssl_verify,
        7,
        "wrong: is read as a number or a boolean, not as text",
    );
}

#[test]
fn lists() {
    check(list, "a", r#"["a"]"#);
    check(list, "a, b,,c ,", r#"["a", "b", "c"]"#);
    check(list, vec!["a", " b ", ""], r#"["a", "b"]"#);
    check(
        list,
        vec![1, 2],
        "wrong: is read as a number or a boolean, not as text",
    );
    check(list, pairs(&[]), "wrong: is not a text");
}

#[test]
fn mappings() {
    let mapped = |value: &Value| mapping(value).map(|mapped| mapped.pairs);
    check(mapped, "a:b", r#"{"a": "b"}"#);
    check(mapped, " a : b , c:d, ", r#"{"a": "b", "c": "d"}"#);
    check(mapped, "a:b,a:b", r#"{"a": "b"}"#);
    check(
        mapped,
        pairs(&[("a", "b"), (" c ", "d")]),
        r#"{"a": "b", "c": "d"}"#,
    );
    check(mapping, r#"{"a":"b"}"#, "wrong: is JSON");
    check(
        mapping,
        "ChangeMe:b",
        "wrong: is still the placeholder of an example",
    );
    check(
        mapping,
        "a:ChangeMe",
        "wrong: is still the placeholder of an example",
    );
    check(
        mapping,
        pairs(&[("a", "")]),
        r#"wrong: has one side empty in "a:""#,
    );
    check(mapping, vec!["a:b"], "wrong: is not a mapping");
}

#[test]
fn mappings_that_the_python_connector_goes_on_without_are_told() {
    let check = |value: &str, pairs: &[(&str, &str)], odd: &[&str]| {
        let mapped = mapping(&value.into()).unwrap();
        let found: Vec<_> = mapped
            .pairs
            .iter()
            .map(|(source, target)| (source.as_str(), target.as_str()))
            .collect();
        assert_eq!(found, pairs, "{value}");
        assert_eq!([mapped.unusable, mapped.oddities].concat(), odd, "{value}");
    };
    check("a:b,a:b", &[("a", "b")], &[]);
    let several = r#"maps "a" to several targets, of which the last counts"#;
    check("a:b,a:c", &[("a", "c")], &[several]);
    check("x:y,a", &[("x", "y")], &["has no colon in entry 2"]);
    check("a:b:c,c:d", &[("c", "d")], &["has two colons in entry 1"]);
    let both = [
        "has one side empty in entry 1",
        "has one side empty in entry 2",
    ];
    check("a:,:b,c:d", &[("c", "d")], &both);
}

#[test]
fn pairs_of_a_connector_s_own_stand_behind_its_id() {
    let own = |value: &Value| mapping(value).map(|mapped| mapped.own);
    let plain = |value: &Value| mapping(value).map(|mapped| mapped.pairs);
    let both = "c/a:b, c / d : e ,f:g,x.y_z-1/a/b:c";
    let expect = r#"{"c": {"a": "b", "d": "e"}, "x.y_z-1": {"a/b": "c"}}"#;
    check(own, both, expect);
    check(plain, both, r#"{"f": "g"}"#);
    let in_yaml = || pairs(&[("c/a", "b"), ("c/x:y", "z"), ("f", "g/h")]);
    check(own, in_yaml(), r#"{"c": {"a": "b", "x:y": "z"}}"#);
    check(plain, in_yaml(), r#"{"f": "g/h"}"#);
    check(own, "c/a:b", r#"{"c": {"a": "b"}}"#);

    let odd = |value: &str| {
        let mapped = mapping(&value.into()).unwrap();
        [mapped.unusable, mapped.oddities].concat()
    };
    assert_eq!(odd("c/a:b,d/a:c,a:d"), [""; 0]);
    let several = r#"maps "c/a" to several targets, of which the last counts"#;
    assert_eq!(odd("c/a:b,c/a:c"), [several]);
    let entries = "/a:b,c/:b,two words/a:b,sync/a:b,c/a:b:c,a:b";
    let expect = [
        "has no connector's id before the slash in entry 1",
        "has nobody behind the slash in entry 2",
        "has no connector's id before the slash in entry 3",
        "has no connector's id before the slash in entry 4",
        "has two colons in entry 5",
    ];
    assert_eq!(odd(entries), expect);
    check(
        whole_mapping,
        "a:b,/a:b",
        "wrong: has no connector's id before the slash in entry 2",
    );
    check(
        mapping,
        pairs(&[("/a", "b")]),
        r#"wrong: has no connector's id before the slash in "/a""#,
    );
    check(
        mapping,
        "c/changeme:b,changeme/a:b",
        "wrong: is still the placeholder of an example",
    );
}

#[test]
fn a_mapping_with_nothing_that_can_be_used_is_none() {
    for value in ["a", "a:b:c", "a:,:b", "a;b", ",", "alice => bob"] {
        check(mapping, value, "wrong: has no entry that can be used");
    }
    check(whole_mapping, "a:b,c", "wrong: has no colon in entry 2");
    check(
        whole_mapping,
        "a:b:c,c:d",
        "wrong: has two colons in entry 1",
    );
    let mapped = |value: &Value| whole_mapping(value).map(|mapped| mapped.pairs);
    check(mapped, "a:b,a:c", r#"{"a": "c"}"#);
    check(mapped, pairs(&[]), "{}");
}

#[test]
fn uuids() {
    let id = "6F2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11";
    check(uuid, format!(" {id} "), &format!("{id:?}"));
    for wrong in [
        "diode",
        "6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b1",
        "6f2b1f6e8d2c4a4e9c430f4f2c6f9b11",
        "{6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11}",
        "urn:uuid:6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11",
        "\"6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11\"",
    ] {
        check(uuid, wrong, "wrong: is not a UUID");
    }
    check(
        uuid,
        "ChangeMe",
        "wrong: is still the placeholder of an example",
    );
}

#[test]
fn values_in_quotes() {
    for (value, expect) in [
        ("\"a\"", true),
        ("'a'", true),
        (" \"a\" ", true),
        ("\"\"", true),
        ("\"", false),
        ("\"a'", false),
        ("\"a", false),
        ("a\"", false),
        ("a", false),
        ("", false),
    ] {
        assert_eq!(is_in_quotes(&value.into()), expect, "{value}");
    }
}

#[test]
fn numbers_with_decimals() {
    let within = |value: &Value| rounded_up(value, 0, 100);
    check(within, "0.5", "1");
    check(within, 0.5, "1");
    check(within, "50.0", "50");
    check(within, 50.0, "50");
    check(within, "99.01", "100");
    check(within, "0.0", "0");
    check(within, 7, "7");
    check(within, "7", "7");
    check(within, "100.5", "wrong: is out of range");
    for wrong in ["-0.5", ".5", "5.", "1e3", "inf", "5,5", "1.2.3"] {
        check(within, wrong, "wrong: is not a whole number in range");
    }
    check(within, -0.5, "wrong: is not a whole number in range");
}

#[test]
fn what_is_below_zero() {
    for (value, expect) in [
        (Value::from("-1"), true),
        (Value::from(-7), true),
        (Value::from(0), false),
        (Value::from("7"), false),
        (Value::from("-1.5"), false),
        (Value::from("never"), false),
    ] {
        assert_eq!(is_negative(&value), expect, "{value:?}");
    }
}

#[test]
fn words() {
    check(log_level, "WARNING", "Warn");
    check(log_level, "warn", "Warn");
    check(log_level, "debug", "Debug");
    check(log_level, "trace", "Trace");
    check(log_level, "CRITICAL", "Error");
    check(log_level, "verbose", "wrong: is not a log level");
    check(queue_protocol, "API", "Api");
    check(queue_protocol, "amqp", "Amqp");
    check(queue_protocol, "kafka", "wrong: is not a queue protocol");
    check(connector_type, "EXTERNAL_IMPORT", "ExternalImport");
    check(connector_type, "stream", "Stream");
    check(connector_type, "EXTERNAL", "wrong: is not a connector type");
}

#[test]
fn whether_things_are_sent_and_validated() {
    check(sending, "true", "ForReal");
    check(sending, false, "Rehearsal");
    check(sending, "no", "Rehearsal");
    check(sending, "maybe", "wrong: is not a boolean");
    check(unsaid, "yes", "Validate");
    check(unsaid, false, "ImportAtOnce");
    check(validation_mode, "Draft", "Draft");
    check(validation_mode, "workbench", "Workbench");
    check(validation_mode, "OFF", "Off");
    check(validation_mode, "auto", "Auto");
    check(validation_mode, "on", "wrong: is not a mode of validation");
}

#[test]
fn durations() {
    for (written, expected) in [
        ("PT1M", "60s"),
        ("pt90s", "90s"),
        ("P1D", "86400s"),
        ("P1W", "604800s"),
        ("P1DT2H3M4S", "93784s"),
        ("PT0S", "0ns"),
        ("P0D", "0ns"),
    ] {
        check(duration, written, expected);
    }
    for written in [
        "60",
        "P",
        "PT",
        "P1DT",
        "P1M",
        "P1Y",
        "PT1.5S",
        "PT-1S",
        "PT+1S",
        "PT1S1M",
        "PT1M1M",
        "PTS",
        "PT1M2",
        "T1M",
        "PT99999999999999999999S",
        "PT18446744073709551615H",
    ] {
        check(
            duration,
            written,
            "wrong: is not an ISO 8601 duration without years and months",
        );
    }
}
