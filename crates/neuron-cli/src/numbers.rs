//! Numbers as they are typed and told.

use std::fmt::Display;
use std::num::NonZeroUsize;

/// The value of a flag that counts things.
pub(crate) fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| format!("expected a whole number, 1 to {}", usize::MAX))
}

/// `1 image`, `2 images`.
pub(crate) fn counted(count: usize, thing: impl Display) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// `1.5 GB`, `1.5 MB`, `1.5 kB`.
pub(crate) fn size(bytes: f64) -> String {
    let (unit, name) = match bytes {
        bytes if bytes >= 1e8 => (1e9, "GB"),
        bytes if bytes >= 1e5 => (1e6, "MB"),
        _ => (1e3, "kB"),
    };
    format!("{:.1} {name}", bytes / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one() {
        assert_eq!((counted(1, "image"), counted(0, "image")), ("1 image".into(), "0 images".into()));
    }

    #[test]
    fn sizes_are_told_in_what_says_most() {
        assert_eq!([2.34e9, 4.56e6, 780.0].map(size), ["2.3 GB", "4.6 MB", "0.8 kB"]);
    }

    #[test]
    fn only_what_counts_is_a_count() {
        assert_eq!(count("7").map(NonZeroUsize::get), Ok(7));
        for wrong in ["0", "-1", "1.5", "", "99999999999999999999999"] {
            assert!(count(wrong).unwrap_err().contains("whole number"), "{wrong}");
        }
    }
}
