//! Tests that run within themselves, in an environment made for them: this process's own cannot be
//! changed while other tests read it.

use std::process::Command;

/// Says that a test runs within itself.
const INNER: &str = "DIODE_TEST_INNER";

/// Whether this is the inner one.
pub(crate) fn is_inner() -> bool {
    std::env::var_os(INNER).is_some()
}

/// Runs one test of this program in an environment of its own. What is AWS's in ours is not in it.
pub(crate) fn run_with(test: &str, environment: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    let output = command
        .args(["--exact", test])
        .env(INNER, "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
