#![doc = include_str!("../README.md")]

mod atomic;
mod claim;
mod identity;
mod target;
mod together;

pub use atomic::{remove, write, write_bytes};
pub use claim::{Claim, ClaimError};
pub use target::Target;
pub use together::Together;
