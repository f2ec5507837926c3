//! Objects of stores, by their addresses: `s3://bucket/key`, `gs://`, `az://`, `https://host/path` and
//! `hf://datasets/owner/name/path`.
//!
//! Calls block: what waits for the network are two threads of this crate. A request that fails in passing is made again
//! with growing pauses, a connection on which nothing comes is given up ([`TIMEOUT_VARIABLE`]), and where several
//! objects in a row fail for good, the store is [down](StoreError::Down), so that nobody waits for each of a million.
//!
//! Credentials come from the environment under the stores' usual names, and from nowhere else.
//!
//! ```no_run
//! use neuron_store::{Reader, list};
//!
//! let objects = list("s3://photos/train")?;
//! let reader = Reader::of(&objects[0]);
//! let mut header = [0; 512];
//! reader.read_at(0, &mut header)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
