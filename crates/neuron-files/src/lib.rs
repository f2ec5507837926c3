#![doc = include_str!("../README.md")]

mod atomic;
mod claim;
mod identity;
mod target;

pub use atomic::{remove, write, write_bytes};
pub use claim::{Claim, ClaimError};
pub use target::Target;
