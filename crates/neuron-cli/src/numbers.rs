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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one() {
        assert_eq!((counted(1, "image"), counted(0, "image")), ("1 image".into(), "0 images".into()));
    }

    #[test]
    fn only_what_counts_is_a_count() {
        assert_eq!(count("7").map(NonZeroUsize::get), Ok(7));
        for wrong in ["0", "-1", "1.5", "", "99999999999999999999999"] {
            assert!(count(wrong).unwrap_err().contains("whole number"), "{wrong}");
        }
    }
}
