#![doc = include_str!("../README.md")]

mod feed;
mod random;
mod shape;

pub use feed::{CONNECTOR_ID, Feed};
pub use shape::Shape;
