//! Lines on stderr.

use std::fmt::Display;
use std::io::{Write, stderr};

/// Writes a line to stderr. A message that cannot be written (its reader is gone, the log's disk is full) changes
/// nothing about the outcome.
pub(crate) fn line(message: impl Display) {
    // One write for the whole line, so that those of several processes do not mix.
    let _ = stderr().lock().write_all(format!("{}\n", printable(&message.to_string())).as_bytes());
}

/// Names of files can hold what moves a terminal's cursor, changes its title, and more: here it is escaped.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => printable.push(letter),
            control if control.is_control() => printable.extend(control.escape_debug()),
            letter => printable.push(letter),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\r\u{9b}b\n\tc é"), "a\\u{1b}[2J\\r\\u{9b}b\n\tc é");
    }
}
