//! The queue behind the platform's API, for where its broker cannot be reached.

mod options;
mod pushes;
mod queue;

pub use options::ApiOptions;
pub use queue::ApiQueue;
