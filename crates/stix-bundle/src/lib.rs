#![doc = include_str!("../README.md")]

mod bundle;
mod counts;
mod edit;
mod embedded;
mod fields;
mod findings;
mod forms;
mod grammar;
mod graph;
pub mod json;
mod limits;
mod links;
mod names;
mod nested;
mod not_sent;
mod object;
mod objects;
mod profile;
mod refusal;
mod room;
mod rules;
mod seen;
mod split;
mod text;
mod validate;
mod value;
mod versions;
mod walk;

pub use bundle::{Bundle, BundleError};
pub use findings::{Finding, Findings, Level};
pub use limits::Limits;
pub use not_sent::{NotSent, NotSentCode};
pub use profile::Profile;
pub use split::{Part, Split, Stripped};
pub use text::{Text, TextError, Utf16Sign};
