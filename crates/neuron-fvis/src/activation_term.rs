//! The unit's own activation as a part of what is optimised.

use serde::Serialize;

/// Width of the range over which the term fades out, as a share of its goal: half of it lies above the goal.
const FADE: f64 = 0.5;

/// Length of the gradient where there is none of features to be balanced with: about what these usually have.
const LENGTH_IN_SILENCE: f64 = 1e-2;

/// A term that raises the unit's activation beside the features that are matched.
///
/// The features say what a picture shows; of a unit that does not respond to it yet, or not any more, they say little or
/// nothing. The gradient of the unit's value is added to theirs, taken before the unit's own ReLU, which would stop it
/// while the unit is silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ActivationTerm {
    /// Length of its gradient, as a share of the length of the features' gradient. 0: there is no such term.
    pub weight: f64,
    /// The activation to be reached, as a multiple of the mean over the references: about there the term fades out, for
    /// more than nature shows is a caricature. `None`: the more, the better.
    pub goal: Option<f64>,
}

impl ActivationTerm {
    /// Whether there is such a term.
    pub fn is_there(&self) -> bool {
        self.weight > 0.0
    }

    /// How much of the term is left at an activation, 0 to 1; `references` is the mean over the references.
    ///
    /// Where that is not above 0, as it may be of a logit, no multiple of it is a goal.
    fn share(&self, activation: f64, references: f64) -> f64 {
        match self.goal {
            Some(goal) if references > 0.0 && goal > 0.0 => {
                let reached = activation / (goal * references);
                ((1.0 + FADE / 2.0 - reached) / FADE).clamp(0.0, 1.0)
            }
            _ => 1.0,
        }
    }

    /// What an activation is divided by where it is compared with others: the references' mean, where that is above 0.
    pub(crate) fn unit_of(references: f64) -> f64 {
        if references > 0.0 { 1.0 / references } else { 1.0 }
    }

    /// Writes the gradient of one picture where the activation is all that counts.
    pub(crate) fn write_alone(
        &self,
        gradient: &mut [f32],
        ascent: &[f32],
        (activation, references): (f64, f64),
    ) {
        let factor = (self.share(activation, references) * Self::unit_of(references)) as f32;
        gradient.iter_mut().zip(ascent).for_each(|(gradient, ascent)| *gradient = factor * ascent);
    }

    /// Adds the gradient of one picture's term to that of its features.
    ///
    /// # Shapes
    /// * `features`, `ascent`: `[height, width, 3]`; `ascent` is the gradient of minus the unit's value
    pub(crate) fn add(&self, features: &mut [f32], ascent: &[f32], (activation, references): (f64, f64)) {
        let length = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let (of_features, of_ascent) = (length(features), length(ascent));
        if of_ascent <= 0.0 {
            return;
        }
        let wanted = match of_features > 0.0 {
            true => self.weight * self.share(activation, references) * of_features,
            false => LENGTH_IN_SILENCE,
        };
        let factor = (wanted / of_ascent) as f32;
        features.iter_mut().zip(ascent).for_each(|(sum, ascent)| *sum += factor * ascent);
    }
}

/// Writes the gradient of minus the soft maximum of a unit's values: the mean of its values, in which each counts by the
/// eighth power of its share of the maximum, itself a constant. Of a silent unit all count alike.
///
/// In single precision and one order, as a GPU does it.
///
/// # Shapes
/// * `map`, `gradient`: `[positions, channels]`; `gradient` holds zeros
pub(crate) fn write_ascent(map: &[f32], (channels, channel): (usize, usize), gradient: &mut [f32]) {
    let own = || map.iter().skip(channel).step_by(channels);
    let highest = own().fold(0.0, |highest: f32, value| if *value > highest { *value } else { highest });
    let count_of = |value: &f32| {
        if highest <= 0.0 {
            return 1.0;
        }
        let share = if *value > 0.0 { value / highest } else { 0.0 };
        let square = share * share;
        let fourth = square * square;
        fourth * fourth
    };
    let sum = own().fold(0.0, |sum: f32, value| sum + count_of(value));
    let gradient = gradient.iter_mut().skip(channel).step_by(channels);
    gradient.zip(own()).for_each(|(gradient, value)| *gradient = -(count_of(value) / sum));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_fades_out_around_its_goal() {
        let term = ActivationTerm { weight: 0.3, goal: Some(1.25) };
        let share = |activation| term.share(activation, 8.0);
        assert_eq!(
            (share(0.0), share(7.5), share(10.0), share(12.5), share(99.0)),
            (1.0, 1.0, 0.5, 0.0, 0.0)
        );
        assert_eq!(ActivationTerm { goal: None, ..term }.share(99.0, 8.0), 1.0);
        assert_eq!((term.share(5.0, 0.0), term.share(-5.0, -1.0)), (1.0, 1.0));
    }

    #[test]
    fn gradients_are_balanced_by_their_lengths() {
        let term = ActivationTerm { weight: 0.5, goal: None };
        let mut features = [3.0, 4.0];
        term.add(&mut features, &[0.0, -10.0], (1.0, 1.0));
        assert_eq!(features, [3.0, 1.5]);
        // In silence there is nothing to be balanced with.
        let mut silent = [0.0; 2];
        term.add(&mut silent, &[0.0, -10.0], (0.0, 1.0));
        assert!(silent[0] == 0.0 && (f64::from(silent[1]) + LENGTH_IN_SILENCE).abs() < 1e-8, "{silent:?}");
        term.add(&mut features, &[0.0; 2], (1.0, 1.0));
        assert_eq!(features, [3.0, 1.5]);
    }

    #[test]
    fn a_soft_maximum_by_hand() {
        // Channel 1 of two: 1, 2 and -3 count 1/256, 1 and 0.
        let mut gradient = [0.0; 6];
        write_ascent(&[9.0, 1.0, 9.0, 2.0, 9.0, -3.0], (2, 1), &mut gradient);
        assert_eq!(gradient, [0.0, -1.0 / 257.0, 0.0, -256.0 / 257.0, 0.0, -0.0]);
        let mut silent = [0.0; 4];
        write_ascent(&[5.0, 0.0, 5.0, -1.0], (2, 1), &mut silent);
        assert_eq!(silent, [0.0, -0.5, 0.0, -0.5]);
    }
}
