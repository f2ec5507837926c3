//! Files of results: there completely or not at all, and written by one run at a time.
//!
//! [`write()`] and [`remove`] are the only way in which the other crates write results. [`Claim`] keeps two runs from
//! writing to one place.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use std::io::Write;
//! let path = folder.path().join("result.txt");
//! neuron_files::write(&path, |file| file.write_all(b"all of it"))?;
//! assert_eq!(std::fs::read(&path)?, b"all of it");
//! # Ok::<(), std::io::Error>(())
//! ```

mod atomic;
mod claim;
mod identity;
mod target;

pub use atomic::{remove, write, write_bytes};
pub use claim::{Claim, ClaimError};
pub use target::Target;
