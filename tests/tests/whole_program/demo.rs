//! The first thing that a new user sees.

use std::process::Command;

#[test]
fn the_demo_shows_the_main_job() {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).output().unwrap();
    let (shown, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{shown}{said}");
    assert!(shown.ends_with("\nEverything arrived.\n"), "{shown}");
}
