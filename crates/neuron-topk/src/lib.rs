#![doc = include_str!("../README.md")]

mod entry;
mod error;
mod file;
mod list;
mod state;
mod top_k;

pub use entry::Entry;
pub use error::TopkError;
pub use top_k::TopK;
