//! Whether metrics are served, where, and by what names.

use super::{LEAST, load, refuse};

#[test]
fn metrics_are_served_where_they_are_asked_for() {
    let metrics = |more: &[(&str, &str)], config| load(more, config).value.connector.metrics;
    let (on, port) = (
        ("CONNECTOR_EXPOSE_METRICS", "yes"),
        ("CONNECTOR_METRICS_PORT", "9100"),
    );
    let (namespace, subsystem) = ("CONNECTOR_METRICS_NAMESPACE", "CONNECTOR_METRICS_SUBSYSTEM");
    for (more, expect) in [
        (&[on][..], (9095, None)),
        (&[on, port], (9100, None)),
        (&[on, (namespace, "opencti")], (9095, Some("opencti"))),
        (&[on, (subsystem, "_diode2")], (9095, Some("_diode2"))),
        (
            &[on, (namespace, "opencti"), (subsystem, "2nd_diode")],
            (9095, Some("opencti_2nd_diode")),
        ),
        (&[on, (namespace, " "), (subsystem, "d")], (9095, Some("d"))),
    ] {
        let found = metrics(more, None).unwrap();
        assert_eq!((found.port, found.prefix.as_deref()), expect, "{more:?}");
    }
    assert_eq!(metrics(&[port, (namespace, "opencti")], None), None);
    let config = "connector: {expose_metrics: true, metrics_port: 9200, metrics_namespace: cti}";
    let found = metrics(&[], Some(config)).unwrap();
    assert_eq!((found.port, found.prefix.as_deref()), (9200, Some("cti")));
}

#[test]
fn metrics_are_served_at_the_address_that_is_named() {
    let on = ("CONNECTOR_EXPOSE_METRICS", "true");
    let address = "DIODE_IMPORT_METRICS_ADDRESS";
    let found = |more: &[(&str, &str)]| load(more, None).value.connector.metrics.unwrap();
    assert_eq!(found(&[on]).address.to_string(), "0.0.0.0");
    for (written, expect) in [
        ("127.0.0.1", "127.0.0.1"),
        (" ::1 ", "::1"),
        ("[::]", "::"),
        ("", "0.0.0.0"),
    ] {
        let found = found(&[on, (address, written)]).address;
        assert_eq!(found.to_string(), expect, "{written}");
    }
    let config = "connector: {expose_metrics: true}\ndiode_import: {metrics_address: '::1'}";
    let found = load(&[], Some(config)).value.connector.metrics.unwrap();
    assert_eq!(found.address.to_string(), "::1");
    for wrong in [
        "localhost",
        "127.0.0.1:9095",
        "[::1]:9095",
        "::1%lo",
        "0.0.0",
        "9095",
        "[",
    ] {
        let told = refuse(&[LEAST, &[(address, wrong)]], None);
        let expect = format!(
            "error: DIODE_IMPORT_METRICS_ADDRESS (diode_import.metrics_address), from the environment: \
             {wrong:?} is not an IP address; write one such as 127.0.0.1, ::1 or 0.0.0.0"
        );
        assert!(told.starts_with(&expect), "{told}");
    }
}

#[test]
fn what_names_no_metric_is_refused_whether_it_is_served_or_not() {
    let (namespace, subsystem) = ("CONNECTOR_METRICS_NAMESPACE", "CONNECTOR_METRICS_SUBSYSTEM");
    for value in [
        "open-cti",
        "open cti",
        "ns:sub",
        "größe",
        "a{b=\"c\"}",
        "a.b",
    ] {
        for setting in [namespace, subsystem] {
            let told = refuse(&[LEAST, &[(setting, value)]], None);
            assert!(told.contains("cannot be part of a metric's name"), "{told}");
        }
    }
    for more in [
        &[(namespace, "2a"), (subsystem, "b")][..],
        &[(subsystem, "2a")],
    ] {
        let told = refuse(&[LEAST, more], None);
        assert!(told.contains("begins with a digit"), "{told}");
    }
    let more = [
        ("CONNECTOR_EXPOSE_METRICS", "perhaps"),
        ("CONNECTOR_METRICS_PORT", "70000"),
        (namespace, "2nd"),
        (subsystem, "a-b"),
    ];
    insta::assert_snapshot!(refuse(&[LEAST, &more], None), @r#"
    error: CONNECTOR_EXPOSE_METRICS (connector.expose_metrics), from the environment: "perhaps" is not a boolean; write true or false
    error: CONNECTOR_METRICS_PORT (connector.metrics_port), from the environment: "70000" is out of range; write a whole number from 1 to 65535, without a unit
    error: CONNECTOR_METRICS_NAMESPACE (connector.metrics_namespace), from the environment: "2nd" begins with a digit, which no metric's name does; begin it with a letter
    error: CONNECTOR_METRICS_SUBSYSTEM (connector.metrics_subsystem), from the environment: "a-b" cannot be part of a metric's name; write letters of ASCII, digits and underscores
    "#);
}

#[test]
fn a_rehearsal_serves_no_metrics_and_that_is_said() {
    let more = [
        ("CONNECTOR_EXPOSE_METRICS", "true"),
        ("CONNECTOR_SEND_TO_QUEUE", "false"),
    ];
    insta::assert_snapshot!(load(&more, None).warnings.join("\n"), @r#"CONNECTOR_SEND_TO_QUEUE is false, so CONNECTOR_EXPOSE_METRICS has no effect: a rehearsal serves no metrics"#);
    assert_eq!(load(&more[1..], None).warnings, [""; 0]);
}
