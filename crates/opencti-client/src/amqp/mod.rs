//! The queue itself: RabbitMQ, with publisher confirms in a sliding window.

mod close;
mod dialer;
mod failure;
mod freight;
mod link;
mod options;
mod outage;
mod queue;
mod run;
mod stall;
mod window;

pub use options::AmqpOptions;
pub use queue::AmqpQueue;
