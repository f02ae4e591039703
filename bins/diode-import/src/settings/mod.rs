//! What the operator sets: one table of settings, and all that derives from it.

mod forms;
mod layers;
mod load;
mod model;
mod problem;
mod reader;
mod reference;
mod setting;
mod state_path;
mod table;
mod unknown;

pub(crate) use load::{Inputs, Loaded, load_limits};
pub(crate) use model::{LogLevel, Mq, OpenCti, QueueProtocol, Settings, SslVerify};
pub(crate) use problem::Refusal;
pub(crate) use reference::configuration_page;
