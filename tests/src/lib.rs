//! What the tests and the demo stand on: a double of the platform, the program under test as a
//! process, and envelopes to feed it.

pub mod bench;
pub mod bucket;
pub mod certificates;
pub mod envelope;
pub mod front;
pub mod json;
pub mod measure;
pub mod platform;
pub mod program;
pub mod proxy;
pub mod soak;
