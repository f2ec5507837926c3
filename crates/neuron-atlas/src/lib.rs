#![doc = include_str!("../README.md")]

mod classes;
mod error;
mod event;
mod maker;
mod pages;
mod pictures;
mod read;
mod run;
mod settings;
mod site;
mod skipped;
mod slug;
mod staging;
mod unit;

pub use error::AtlasError;
pub use event::{Event, Observer};
pub use maker::Maker;
pub use read::Atlas;
pub use settings::Settings;
pub use site::{Site, Written};
pub use skipped::Skipped;
