//! Objects of stores, if this build reads them; otherwise every request is an error that says so.

#[cfg(not(feature = "cloud"))]
mod absent;
#[cfg(feature = "cloud")]
mod present;

#[cfg(not(feature = "cloud"))]
pub(crate) use absent::{Object, Reader, Several, about, check, list, read, read_one, remember};
#[cfg(feature = "cloud")]
pub(crate) use present::{Object, Reader, Several, about, check, list, read, read_one, remember};
