//! Whatever a store answers to a listing: it is read or refused, and refused in words that a terminal can
//! show.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Err(error) = bundle_source::fuzzing::read_listing(data) {
        let error = error.to_string();
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
});
