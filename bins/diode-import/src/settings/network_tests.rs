//! Tables of values as operators write them.

use super::*;

fn told<T>(outcome: Form<T>, show: impl Fn(T) -> String) -> String {
    match outcome {
        Ok(typed) => show(typed),
        Err(wrong) => format!("wrong: {}", wrong.what),
    }
}

#[test]
fn headers_are_split_as_pycti_does_and_refused_where_it_would_leave_them_out() {
    for (written, expect) in [
        ("a:b", "a=b"),
        (" X-Key : v w ; Y:z;", "X-Key=v w|Y=z"),
        ("a:b:c", "a=b:c"),
        ("a:", "a="),
        ("a:b;;c:d", "a=b|c=d"),
        ("a:b;c", "wrong: has no colon in entry 2"),
        (":b", "wrong: has no header's name in entry 1"),
        ("a b:c", "wrong: has no header's name in entry 1"),
        ("a:é", "wrong: has a character outside ASCII in entry 1"),
        (
            "Content-Length:0",
            "wrong: sets Content-Length in entry 1, which is not for settings to say",
        ),
        (
            "a:b\nc:d",
            "wrong: contains a control character or a line break",
        ),
    ] {
        let shown = told(headers(&written.into()), |headers| {
            let shown = headers
                .iter()
                .map(|(name, value)| format!("{name}={}", value.expose()));
            shown.collect::<Vec<_>>().join("|")
        });
        assert_eq!(shown, expect, "{written}");
    }
}

#[test]
fn proxies_are_addresses_with_or_without_a_scheme() {
    for (written, expect) in [
        ("http://proxy:3128", "proxy:3128"),
        ("proxy:3128", "proxy:3128"),
        ("https://me:secret@proxy", "proxy:443"),
        ("proxy", "proxy:80"),
        (
            "socks5://proxy:1080",
            "wrong: is not an http or https address",
        ),
        ("http://", "wrong: is not an address"),
    ] {
        let shown = told(proxy(&written.into()), |proxy| proxy.to_string());
        assert_eq!(shown, expect, "{written}");
    }
}

#[test]
fn certificates_are_text_or_a_path() {
    let pem_text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    let check = |written: &str, expect: Pem| {
        assert_eq!(pem(&written.into()), Ok(expect), "{written}");
    };
    check(pem_text, Pem::Text(pem_text.to_owned()));
    check(&format!("\n{pem_text}\n"), Pem::Text(pem_text.to_owned()));
    check("/etc/ca.pem", Pem::File("/etc/ca.pem".into()));
    assert!(pem(&"/a\n/b".into()).is_err());
    assert!(pem(&7.into()).is_err());
}

#[test]
fn hosts_are_exempt_by_name_port_or_network() {
    for (entry, url, expect) in [
        ("*", "http://opencti", true),
        ("opencti", "http://opencti:8080", true),
        ("OPENCTI", "http://opencti", true),
        ("example.com", "https://example.com", true),
        ("example.com", "https://cti.example.com", true),
        (".example.com", "https://cti.example.com", true),
        ("*.example.com", "https://cti.example.com", true),
        ("example.com", "https://notexample.com", false),
        ("cti.example.com", "https://example.com", false),
        ("opencti:8080", "http://opencti:8080", true),
        ("opencti:8080", "http://opencti", false),
        ("opencti:443", "https://opencti", true),
        ("127.0.0.1", "http://127.0.0.1:4000", true),
        ("127.0.0.1", "http://127.0.0.11", false),
        ("10.0.0.0/8", "http://10.1.2.3", true),
        ("10.0.0.0/8", "http://11.1.2.3", false),
        ("10.1.2.3/32", "http://10.1.2.3", true),
        ("0.0.0.0/0", "http://10.1.2.3", true),
        ("10.0.0.0/8", "http://opencti", false),
        ("::1", "http://[::1]:80", true),
        ("[::1]:80", "http://[::1]:80", true),
        ("fd00::/8", "http://[fd12::1]", true),
        ("fd00::/8", "http://10.0.0.1", false),
    ] {
        let url = Url::parse(url).unwrap();
        let exempt = exemptions(&entry.into()).unwrap();
        assert_eq!(exempt[0].covers(&url), expect, "{entry} {url}");
    }
    assert_eq!(exemptions(&" a, ,b,".into()).unwrap().len(), 2);
    for entry in ["10.0.0.0/33", "http://opencti", "a/8"] {
        assert!(exemptions(&entry.into()).is_err(), "{entry}");
    }
}
