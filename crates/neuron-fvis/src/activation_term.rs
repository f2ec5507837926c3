//! The unit's own activation as a part of what is optimised.

use serde::Serialize;

/// Width of the range over which the term fades out, as a share of its goal: half of it lies above the goal.
const FADE: f64 = 0.5;

/// Length of the gradient while the unit is silent and no feature counts: small beside what features usually give, so that
/// what Adam knows of their size is soon its own again.
const LENGTH_IN_SILENCE: f64 = 1e-4;

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

/// Writes the gradient of minus the soft maximum of a unit's values over zeros: the mean of the values, in which each
/// counts by `exp(value / temperature)`, itself a constant.
///
/// # Shapes
/// * `map`, `gradient`: `[positions, channels]`
pub(crate) fn write_ascent(
    map: &[f32],
    (channels, channel): (usize, usize),
    temperature: f64,
    gradient: &mut [f32],
) {
    let own = || map.iter().skip(channel).step_by(channels).map(|value| f64::from(*value));
    let highest = own().fold(f64::NEG_INFINITY, f64::max);
    let shares = || own().map(|value| ((value - highest) / temperature).exp());
    let sum: f64 = shares().sum();
    let own = gradient.iter_mut().skip(channel).step_by(channels);
    own.zip(shares()).for_each(|(gradient, share)| *gradient = -(share / sum) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_fades_out_around_its_goal() {
        let term = ActivationTerm { weight: 0.3, goal: Some(1.25) };
        let share = |activation| term.share(activation, 8.0);
        assert_eq!((share(0.0), share(7.5), share(10.0), share(12.5), share(99.0)), (1.0, 1.0, 0.5, 0.0, 0.0));
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
        assert_eq!(silent, [0.0, -(LENGTH_IN_SILENCE as f32)]);
        term.add(&mut features, &[0.0; 2], (1.0, 1.0));
        assert_eq!(features, [3.0, 1.5]);
    }

    #[test]
    fn a_soft_maximum_by_hand() {
        // Channel 1 of two: 0, ln 2, 0 at temperature 1 count 1/4, 1/2, 1/4.
        let map = [9.0, 0.0, 9.0, std::f32::consts::LN_2, 9.0, 0.0];
        let mut gradient = [0.0; 6];
        write_ascent(&map, (2, 1), 1.0, &mut gradient);
        for (found, want) in gradient.iter().zip([0.0, -0.25, 0.0, -0.5, 0.0, -0.25]) {
            assert!((found - want).abs() < 1e-6, "{gradient:?}");
        }
    }
}
