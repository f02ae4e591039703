//! Keys as OpenSSL writes them. They were made for these tests and open nothing.

use super::*;

const PLAIN: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgA+IcG5zOI+jiMoQ1
LGQk/IsQsHJnH4tlXjz2WGBKT+ahRANCAAQcM8BL9DecB2EORA8mfH7zNsaCBqNB
3H9c4MO4qCXnCZ+FThjw3kCD5HPaDGBsyc9RTxt4BNs7lQdHtiDZUUYC
-----END PRIVATE KEY-----
";

/// `openssl pkcs8 -topk8 -v2 aes-256-cbc`, with the passphrase `correct`.
const ENCRYPTED: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhS8hJ/5qd3JwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKYZU1ljMAKowa509nynhbYEgZDD
eSf8gjGXnGzDZrWuFiruFiusVb3fXqIvIKYv2cPTx3egwycWOzp4vSvfKagf9x/H
y/tyCoto+OSiMvw7mvXrwVmQoMlMmQ8m1A2yYMKMuH/eMXt/DWt7hwJXdkfrcGM1
23iQBKTCFO0v/SF5/Y2Zoi3U4PPX4YpkbIQB4SunKxradm4ZY64Wftbls+AmoiM=
-----END ENCRYPTED PRIVATE KEY-----
";

/// The same with `-scrypt -scrypt_N 16`, which is quick.
const SCRYPT: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHjME4GCSqGSIb3DQEFDTBBMCAGCSsGAQQB2kcECzATBAhzoSbNuK+JpwIBEAIB
CAIBATAdBglghkgBZQMEASoEEE7btrWvpf0C9QODnK1KHFoEgZAyvpREt9sj9CjJ
TmpXqZLE9hUzZqVqnk+ftresOC0R+tFuh6qMQGjlgNUJoSs8U9cUJKuma94VMuQ8
MUeCdA9HQC3p/m2IbTVoQ07k+MYrCxk+LswB5SQUYiHKHrXDX87APOW6bOzkovoz
2T9wFvW2Rivi7LFS32cLRjoz1Sci+rz9vLuYuR0wt03UYgGPTNs=
-----END ENCRYPTED PRIVATE KEY-----
";

/// The same with `-v1 PBE-SHA1-3DES`.
const OLD: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGxMBwGCiqGSIb3DQEMAQMwDgQIucwgGvtKYhgCAggABIGQzVdzH3eFJY1z8yJ1
WeCDlPOY3GmWZfxbAAS1Imq2jBF+kbXW/WZVRQK1thA0qhx38jgELXi6TAnzExX+
Nsae7vSOytrp49V/Qlg7G+fm2LP/D1XnGbUFDm2tvH4xeJMCAovAAh70Uqq7p1tS
PXVVO87hoD/LU66uEBfEi6EelLRguts/uBNnmV06A3ECNrFt
-----END ENCRYPTED PRIVATE KEY-----
";

/// The same with `-v2 des3`.
const DES: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAiAxWpdoNnZwwICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQI2JHx3ftPbP0EgZDtTYdB6mNsWOJ0
pEdPApivWBqJNK8syoyH07kY3FVIvZnhNXEO+hrvUrYsRbfGmrEgUUmHWRy2rq2a
gvYR1Pq84ip8WQCTdAvuVTdML1P6LLLmtFzYEItCEGACl6u6jkMPrzGWbDkQi0jC
v8lo8CdFFG+5DKoUnS8n1m05aGtSHWFX7Fip1NRsRKltVRHXNT0=
-----END ENCRYPTED PRIVATE KEY-----
";

/// As `openssl rsa -aes256 -traditional` writes it, without its content.
const TRADITIONAL: &str = "\
-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF

AAAA
-----END RSA PRIVATE KEY-----
";

#[test]
fn keys_are_read_or_refused_with_a_reason() {
    let place = "in the text given";
    let passphrase = format!("the passphrase does not fit the private key {place}");
    let missing = format!("the private key {place} is encrypted, and no passphrase is given");
    let encryption = format!("the private key {place} is encrypted in an old or rare way");
    let none = format!("no private key {place}");
    let damaged = "the text given is damaged PEM";
    for (text, given, expect) in [
        (PLAIN, None, "a key"),
        (PLAIN, Some("of no use"), "a key"),
        (ENCRYPTED, Some("correct"), "a key"),
        (SCRYPT, Some("correct"), "a key"),
        (ENCRYPTED, Some("wrong"), &passphrase),
        (ENCRYPTED, None, &missing),
        (OLD, Some("correct"), &encryption),
        (DES, Some("correct"), &encryption),
        (TRADITIONAL, Some("correct"), &encryption),
        ("nothing", None, &none),
        (
            "-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----",
            None,
            damaged,
        ),
    ] {
        let passphrase = given.map(Secret::new);
        let found = match Pem::Text(text.to_owned()).key(passphrase.as_ref()) {
            Ok(_) => "a key".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(found.starts_with(expect), "{found}, not {expect}");
    }
}

#[test]
fn text_around_an_encrypted_key_does_no_harm() {
    let text = format!("Bag Attributes: <none>\n{ENCRYPTED}\nmore");
    let passphrase = Secret::new("correct");
    assert!(Pem::Text(text).key(Some(&passphrase)).is_ok());
}

#[test]
fn a_missing_file_is_named() {
    let error = Pem::File("/nonexistent/key.pem".into()).key(None);
    assert_eq!(
        error.unwrap_err().to_string(),
        "cannot read /nonexistent/key.pem"
    );
}
