//! The benchmark: the real program against the platform double and a real broker, beside the same
//! messages published as fast as a broker takes them, and, where it is given, the connector in
//! Python that does the same work.
//!
//! All of them run in turns, so that a machine that grows busy is busy for each. A run counts only
//! if the broker holds as many messages at its end as there should be.

mod chart;
mod contest;
mod limit;
mod mark;
mod measured;
mod options;
mod peer;
mod report;
mod run;
mod sample;
mod stand;
mod waits;
mod workload;

pub use limit::publish;
pub use measured::measure;
pub use options::Options;
pub use run::bench;
