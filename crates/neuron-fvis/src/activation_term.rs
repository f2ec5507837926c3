//! The unit's own activation as a part of what is optimised.

use serde::Serialize;

/// Width of the range over which the term fades out, as a share of its goal: half of it lies above the goal.
const FADE: f32 = 0.5;

/// How many times the weight is added to itself while the unit is silent; less as it comes nearer to its references. Where
/// the features' gradient is long and speaks of other things, a unit would stay below them with its weight alone.
const URGENCY: f64 = 4.0;

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
    /// The activation to be reached, as a multiple of the mean over the references: about there the unit is pushed no
    /// further, for more than nature shows is a caricature. `None`: the more, the better.
    pub goal: Option<f64>,
    /// How much the other channels are pushed down where the unit is active, in proportion to their share of the activation
    /// vector: by that a picture shows what excites this unit more than others, and not only much. At 1 the gradient is
    /// that of the unit's value times the cosine between its direction and the activation vector ("dot times cosine" of
    /// Carter et al., "Activation Atlas", Distill 2019).
    pub specificity: f64,
}

impl ActivationTerm {
    /// Whether there is such a term.
    pub fn is_there(&self) -> bool {
        self.weight > 0.0
    }

    /// How one unit is pushed whose mean activation on its references is this.
    ///
    /// Where that is not above 0, as it may be of a logit, no multiple of it is a goal.
    pub(crate) fn push(&self, references: f64) -> Push {
        let goal = self.goal.filter(|goal| references > 0.0 && *goal > 0.0);
        Push {
            goal: goal.map_or(f32::INFINITY, |goal| (goal * references) as f32),
            specificity: self.specificity as f32,
        }
    }

    /// What an activation is divided by where it is compared with others: the references' mean, where that is above 0.
    pub(crate) fn unit_of(references: f64) -> f64 {
        if references > 0.0 { 1.0 / references } else { 1.0 }
    }

    /// Writes the gradient of one picture where the activation is all that counts.
    pub(crate) fn write_alone(&self, gradient: &mut [f32], ascent: &[f32], references: f64) {
        let factor = Self::unit_of(references) as f32;
        gradient.iter_mut().zip(ascent).for_each(|(gradient, ascent)| *gradient = factor * ascent);
    }

    /// Adds the gradient of one picture's term to that of its features.
    ///
    /// # Shapes
    /// * `features`, `ascent`: `[height, width, 3]`; `ascent` is what [`Push::write`] becomes at the pixels
    pub(crate) fn add(&self, features: &mut [f32], ascent: &[f32], (activation, references): (f64, f64)) {
        let length = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let (of_features, of_ascent) = (length(features), length(ascent));
        if of_ascent <= 0.0 {
            return;
        }
        let share = f64::from(self.push(references).share(activation as f32));
        // Beyond the goal, what is left is to be specific.
        let left = share + (1.0 - share) * self.specificity.min(1.0);
        let weight = self.weight * left * urgency(activation, references);
        let wanted = if of_features > 0.0 { weight * of_features } else { LENGTH_IN_SILENCE };
        let factor = (wanted / of_ascent) as f32;
        features.iter_mut().zip(ascent).for_each(|(sum, ascent)| *sum += factor * ascent);
    }
}

/// By how much a weight grows for a unit of such an activation: 1 from its references' mean on.
fn urgency(activation: f64, references: f64) -> f64 {
    if references > 0.0 { 1.0 + URGENCY * (1.0 - activation / references).clamp(0.0, 1.0) } else { 1.0 }
}

/// How a unit is pushed. In single precision and one order of operations, as a GPU does it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Push {
    /// The activation to be reached; infinity for none.
    pub(crate) goal: f32,
    pub(crate) specificity: f32,
}

impl Push {
    /// How much a unit of such an activation is still pushed, 1 to 0.
    fn share(&self, activation: f32) -> f32 {
        ((1.0 + FADE / 2.0 - activation / self.goal) / FADE).clamp(0.0, 1.0)
    }

    /// Writes what the term's gradient starts with.
    ///
    /// Positions count by the eighth power of their share of the unit's maximum, themselves constants; of a silent unit all
    /// count alike.
    ///
    /// # Shapes
    /// * `map`, `gradient`: `[positions, channels]`; `gradient` holds zeros
    pub(crate) fn write(&self, map: &[f32], (channels, channel): (usize, usize), gradient: &mut [f32]) {
        let own = || map.iter().skip(channel).step_by(channels);
        let highest = own().fold(0.0, |highest: f32, value| if *value > highest { *value } else { highest });
        let sum = own().fold(0.0, |sum: f32, value| sum + soft_share(*value, highest));
        let share = self.share(highest);
        for (values, gradient) in map.chunks_exact(channels).zip(gradient.chunks_exact_mut(channels)) {
            let counts = soft_share(values[channel], highest) / sum;
            if counts <= 0.0 {
                continue;
            }
            let squares = values.iter().fold(0.0, |sum: f32, value| sum + value * value);
            let cosine = if squares > 0.0 { values[channel].max(0.0) / squares.sqrt() } else { 0.0 };
            if self.specificity > 0.0 && squares > 0.0 {
                let down = counts * self.specificity * cosine / squares.sqrt();
                gradient.iter_mut().zip(values).for_each(|(gradient, value)| *gradient = down * value);
            }
            let up = 1.0 + self.specificity * (1.0 - cosine * cosine);
            gradient[channel] = -(counts * share * up);
        }
    }
}

/// How much a value counts in the soft maximum of its channel.
fn soft_share(value: f32, highest: f32) -> f32 {
    if highest <= 0.0 {
        return 1.0;
    }
    let share = if value > 0.0 { value / highest } else { 0.0 };
    let square = share * share;
    let fourth = square * square;
    fourth * fourth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_fades_out_around_its_goal() {
        let term = ActivationTerm { weight: 0.3, goal: Some(1.25), specificity: 0.0 };
        let share = |activation| term.push(8.0).share(activation);
        assert_eq!([0.0, 7.5, 10.0, 12.5, 99.0].map(share), [1.0, 1.0, 0.5, 0.0, 0.0]);
        assert_eq!(ActivationTerm { goal: None, ..term }.push(8.0).share(99.0), 1.0);
        assert_eq!((term.push(0.0).share(5.0), term.push(-1.0).share(-5.0)), (1.0, 1.0));
    }

    #[test]
    fn gradients_are_balanced_by_their_lengths() {
        let term = ActivationTerm { weight: 0.5, goal: None, specificity: 0.0 };
        let mut features = [3.0, 4.0];
        term.add(&mut features, &[0.0, -10.0], (1.0, 1.0));
        assert_eq!(features, [3.0, 1.5]);
        // In silence there is nothing to be balanced with.
        let mut silent = [0.0; 2];
        term.add(&mut silent, &[0.0, -10.0], (0.0, 1.0));
        assert!(silent[0] == 0.0 && (f64::from(silent[1]) + LENGTH_IN_SILENCE).abs() < 1e-8, "{silent:?}");
        term.add(&mut features, &[0.0; 2], (1.0, 1.0));
        assert_eq!(features, [3.0, 1.5]);
        // Of half its references' activation, it weighs three times as much.
        let mut half = [3.0, 4.0];
        term.add(&mut half, &[0.0, -10.0], (2.0, 4.0));
        assert_eq!(half, [3.0, -3.5]);
        // Far beyond the goal nothing is left, unless it is to be specific.
        let reached = ActivationTerm { goal: Some(1.0), ..term };
        reached.add(&mut features, &[0.0, -10.0], (9.0, 1.0));
        assert_eq!(features, [3.0, 1.5]);
        ActivationTerm { specificity: 2.0, ..reached }.add(&mut [1.0, 0.0], &[0.0, -10.0], (9.0, 1.0));
    }

    fn written(push: Push, map: &[f32]) -> Vec<f32> {
        let mut gradient = vec![0.0; map.len()];
        push.write(map, (2, 1), &mut gradient);
        gradient
    }

    const ALONE: Push = Push { goal: f32::INFINITY, specificity: 0.0 };

    #[test]
    fn a_soft_maximum_by_hand() {
        // Channel 1 of two: 1, 2 and -3 count 1/256, 1 and 0.
        let found = written(ALONE, &[9.0, 1.0, 9.0, 2.0, 9.0, -3.0]);
        for (found, want) in found.iter().zip([0.0, -1.0 / 257.0, 0.0, -256.0 / 257.0, 0.0, 0.0]) {
            assert!((found - want).abs() < 1e-7, "{found} for {want}");
        }
        assert_eq!(written(ALONE, &[5.0, 0.0, 5.0, -1.0]), [0.0, -0.5, 0.0, -0.5]);
        // Half way down to its goal.
        let half = Push { goal: 2.0, ..ALONE };
        assert_eq!(written(half, &[9.0, 2.0]), [0.0, -0.5]);
    }

    /// The gradient of minus the value times the cosine, by differences.
    #[test]
    fn specific_is_the_value_times_its_cosine() {
        let objective = |v: &[f32]| -v[1] * v[1] / (v[0] * v[0] + v[1] * v[1]).sqrt();
        let map = [3.0, 4.0];
        let found = written(Push { specificity: 1.0, ..ALONE }, &map);
        let cosine = 0.8;
        for at in 0..2 {
            let moved = |by: f32| {
                let mut map = map;
                map[at] += by;
                objective(&map)
            };
            // The derivative of v c is c (2 - c^2) of the unit, - c^2 v_j / n of another: c times what is written.
            let want = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((cosine * found[at] - want).abs() < 1e-3, "{found:?}: {want}");
        }
    }
}
