#![doc = include_str!("../README.md")]

mod class;
mod clutter;
mod dataset;
mod dice;
mod error;
mod palette;
mod pattern;
mod picture;

pub use class::Class;
pub use dataset::{Dataset, Existing};
pub use dice::Dice;
pub use error::DemoError;
pub use picture::Picture;
