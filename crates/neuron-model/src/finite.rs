//! Values that are no numbers, and where in the weights they may come from.
//!
//! The kernels hide none of them: a ReLU and a max-pool answer NaN where they read it, sums and reductions carry it
//! on. So that a NaN anywhere below a tap reaches the tap's values, and is found there.

use crate::error::{Cause, ModelError};
use crate::graph::Tap;
use crate::network::Network;
use crate::weights::Weights;

/// The place of the first value that is NaN or infinite.
pub fn first_not_finite(values: &[f32]) -> Option<usize> {
    // Two passes over what holds one, but a vectorised one over all that, as always, holds none.
    let clean =
        values.chunks(1 << 12).all(|part| part.iter().fold(true, |all, value| all & value.is_finite()));
    if clean { None } else { values.iter().position(|value| !value.is_finite()) }
}

impl Weights {
    /// The first value, by the tensors' names, with which no network can compute: NaN, infinite, or a variance
    /// below 0. Reads all weights.
    pub fn cause_of_not_finite(&self) -> Cause {
        let broken = self.iter().find_map(|(name, tensor)| {
            let at = if name.ends_with(".running_var") {
                tensor.data.iter().position(|value| !(value.is_finite() && *value >= 0.0))
            } else {
                first_not_finite(&tensor.data)
            };
            Some(Cause::Weight { tensor: name.to_owned(), value: tensor.data[at?] })
        });
        broken.unwrap_or(Cause::Overflow)
    }
}

impl Network {
    /// The error that says of a tap's value that it is no number.
    ///
    /// `item` is the image's index in the batch.
    pub fn not_finite(&self, tap: &Tap, item: usize, channel: usize, value: f32) -> ModelError {
        let cause = self.weights().cause_of_not_finite();
        ModelError::NotFinite { item, tap: tap.name.clone(), channel, value, cause }
    }

    /// Checks the values of a tap for some items, channels last.
    ///
    /// # Shapes
    /// * `values`: `[items, positions, channels]`
    ///
    /// # Errors
    /// [`ModelError::NotFinite`] for the first NaN or infinity; its item counts from `first_item`.
    pub fn check_finite(
        &self,
        tap: &Tap,
        first_item: usize,
        items: usize,
        values: &[f32],
    ) -> Result<(), ModelError> {
        let Some(at) = first_not_finite(values) else { return Ok(()) };
        let item = first_item + at / (values.len() / items.max(1)).max(1);
        Err(self.not_finite(tap, item, at % self.channels(tap).max(1), values[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightTensor;

    #[test]
    fn the_first_that_is_no_number_is_found_wherever_it_lies() {
        assert_eq!(first_not_finite(&[]), None);
        assert_eq!(first_not_finite(&[f32::MAX, f32::MIN, 0.0, f32::MIN_POSITIVE]), None);
        let mut values = vec![1.0; 10_000];
        for (at, value) in [(9_999, f32::NAN), (5_000, f32::NEG_INFINITY), (0, f32::INFINITY)] {
            values[at] = value;
            assert_eq!(first_not_finite(&values), Some(at));
        }
    }

    #[test]
    fn the_weights_tell_the_cause() {
        let weights = |name: &str, values: &[f32]| {
            let tensors = [("a.weight", &[1.0][..]), (name, values)];
            let tensors = tensors
                .map(|(name, values)| (name.to_owned(), WeightTensor::new([values.len()], values.to_vec())));
            Weights::from_tensors(tensors, Default::default()).cause_of_not_finite()
        };
        assert_eq!(weights("b.weight", &[f32::MAX, -1.0]), Cause::Overflow);
        assert_eq!(weights("b.running_var", &[0.0]), Cause::Overflow);
        let infinite = Cause::Weight { tensor: "b.weight".into(), value: f32::INFINITY };
        assert_eq!(weights("b.weight", &[1.0, f32::INFINITY]), infinite);
        let negative = Cause::Weight { tensor: "b.running_var".into(), value: -0.5 };
        assert_eq!(weights("b.running_var", &[1.0, -0.5]), negative);
        let nan = weights("b.bias", &[f32::NAN]).to_string();
        assert!(nan.contains("NaN in b.bias"), "{nan}");
    }
}
