//! The soak: a stream of files, the real program, and faults at random; then everything is counted.
//!
//! Files of several source connectors are written into a folder, in the ways in which files
//! arrive: renamed into place, appended to, filled in place, replaced; or put into a bucket. Some
//! are broken, some are somebody else's. Meanwhile the program is killed and started again, the broker, the platform and
//! the store fail in all the ways that can be made here, and what arrives at the queues is counted: each
//! object's id tells its file and its number in it. In the end nothing may be missing, and a file may
//! have been sent again only as often as faults met it under way: when something of it had been sent,
//! and the program's ledger did not yet say that it was delivered.
//!
//! Which files and which faults come, and in which order, follows from the seed; at which instant
//! they meet does not.

mod book;
mod collector;
mod disturb;
mod feed;
mod ledger;
mod options;
mod random;
mod report;
mod run;
mod shelves;
mod stand;
#[expect(dead_code, reason = "the tests of the bucket itself use more of it")]
#[path = "../../../crates/bundle-source/tests/s3/proxy.rs"]
mod store;
mod writer;

pub use options::{AfterImport, Goal, Options, Sources};
pub use report::Report;
pub use run::soak;
