#![doc = include_str!("../README.md")]

mod check;
mod constant;
mod error;
mod grey;
mod imported;
mod modules;
mod onnx;
mod open;
mod patterns;
mod program;
mod pt2;
mod stored;
mod translate;

pub use check::{Difference, check};
pub use error::{ImportError, Missing};
pub use imported::{Format, Imported};
pub use open::{is_exported, open};
