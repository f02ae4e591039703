//! What the operator sets: one table of settings, and all that derives from it.

mod applicants;
mod forms;
mod layers;
mod load;
mod metrics;
mod model;
mod network;
mod overview;
mod place;
mod problem;
mod reader;
mod reference;
mod s3;
mod setting;
mod sources;
mod state_path;
mod table;
mod transport;
mod unknown;

pub(crate) use load::{Inputs, Loaded, load_content_rules, load_state_path};
pub(crate) use model::{
    ContentRules, LogLevel, MetricsSettings, Mq, QueueProtocol, Sending, Settings,
};
pub(crate) use overview::{Row, overview};
pub(crate) use place::Place;
pub(crate) use problem::Refusal;
pub(crate) use reference::configuration_page;
pub(crate) use s3::{S3Settings, names};
