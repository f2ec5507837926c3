//! What a file's metadata choose, where the name of a network leaves two forms of it open.

use crate::error::ModelError;
use crate::weights::Weights;

/// A key of the metadata, and its two values. The first is meant where a file does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    key: &'static str,
    values: [&'static str; 2],
}

impl Choice {
    pub(super) const fn new(key: &'static str, values: [&'static str; 2]) -> Self {
        Self { key, values }
    }

    /// Whether the weights choose the second value. Letters' case is not told apart: Python writes `True`.
    pub(super) fn is_second(&self, weights: &Weights) -> bool {
        weights.metadata().get(self.key).is_some_and(|value| value.eq_ignore_ascii_case(self.values[1]))
    }

    /// # Errors
    /// [`ModelError::WrongMetadata`] if the weights say something else.
    pub(super) fn check(&self, weights: &Weights) -> Result<(), ModelError> {
        match weights.metadata().get(self.key) {
            Some(value) if !self.values.iter().any(|known| value.eq_ignore_ascii_case(known)) => {
                Err(ModelError::WrongMetadata { key: self.key, value: value.clone(), expected: self.values })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_are_known_in_any_case() {
        const CHOICE: Choice = Choice::new("stride_in_1x1", ["false", "true"]);
        let saying = |value: &str| {
            Weights::default().with_metadata([("stride_in_1x1".to_owned(), value.to_owned())].into())
        };
        CHOICE.check(&Weights::default()).unwrap();
        assert!(!CHOICE.is_second(&Weights::default()));
        for (value, is_second) in [("true", true), ("True", true), ("false", false), ("FALSE", false)] {
            CHOICE.check(&saying(value)).unwrap();
            assert_eq!(CHOICE.is_second(&saying(value)), is_second, "{value}");
        }
        for value in ["1", "yes", "", "true "] {
            let error = CHOICE.check(&saying(value)).unwrap_err().to_string();
            assert!(error.contains("stride_in_1x1") && error.contains("false or true"), "{error}");
        }
    }
}
