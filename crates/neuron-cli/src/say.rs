//! Lines on stderr.

use std::fmt::Display;
use std::io::{Write, stderr};

/// Writes a line to stderr. A message that cannot be written (its reader is gone, the log's disk is full) changes
/// nothing about the outcome.
pub(crate) fn line(message: impl Display) {
    // One write for the whole line, so that those of several processes do not mix.
    let _ = stderr().lock().write_all(format!("{message}\n").as_bytes());
}
