#![doc = include_str!("../README.md")]

mod address;
mod ahead;
mod breaker;
mod error;
mod hub;
mod object;
mod reader;
mod runtime;
mod several;
mod store;
mod stores;
mod waiting;
mod web;

pub use error::StoreError;
pub use object::{Object, about, check, list, read, remember};
pub use reader::Reader;
pub use several::Several;
pub use waiting::TIMEOUT_VARIABLE;
