//! Whether a network takes a picture for one of the unit's own references.

use serde::Serialize;

use crate::place::place;
use crate::tap_scores::TapScores;

/// How near a picture's feature is to the mean feature of its unit's references, among those of other units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Retrieval {
    /// Cosine between the picture's feature and the mean feature of the unit's references; 0 where one of them is zero.
    pub cosine: f64,
    /// Place of the unit among all of them by that cosine; 1 is the first. Equals count as better.
    pub rank: usize,
    /// Number of units.
    pub units: usize,
}

impl Retrieval {
    /// Of a picture's feature; `units` are the mean features of all units' references, that at `own` of its own unit.
    ///
    /// # Shapes
    /// * `feature`: `[channels]`
    /// * `units`: `[channels]` each
    ///
    /// # Panics
    /// If there is no unit `own`.
    pub fn of(feature: &[f32], own: usize, units: &[Vec<f64>]) -> Self {
        let cosines: Vec<f64> = units.iter().map(|unit| cosine(feature, unit)).collect();
        Self { cosine: cosines[own], rank: place(&cosines, own), units: units.len() }
    }
}

/// The mean over some images of a tap's spatial means.
///
/// # Shapes
/// * returns: `[channels]`
pub fn mean_feature(scores: &TapScores) -> Vec<f64> {
    let mut mean = vec![0.0; scores.channels()];
    for image in 0..scores.images() {
        let feature = scores.means(image);
        mean.iter_mut().zip(feature).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    mean.iter_mut().for_each(|sum| *sum /= scores.images().max(1) as f64);
    mean
}

fn cosine(feature: &[f32], unit: &[f64]) -> f64 {
    let (mut dot, mut squares, mut others) = (0.0, 0.0, 0.0);
    for (value, other) in feature.iter().map(|value| f64::from(*value)).zip(unit) {
        dot += value * other;
        squares += value * value;
        others += other * other;
    }
    let lengths = squares.sqrt() * others.sqrt();
    if lengths > 0.0 { dot / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retrieval_by_hand() {
        let units = [vec![1.0, 0.0], vec![3.0, 4.0], vec![0.0, 2.0]];
        let of = |own| Retrieval::of(&[0.0, 5.0], own, &units);
        assert_eq!(of(2), Retrieval { cosine: 1.0, rank: 1, units: 3 });
        assert_eq!(of(1), Retrieval { cosine: 0.8, rank: 2, units: 3 });
        assert_eq!(of(0), Retrieval { cosine: 0.0, rank: 3, units: 3 });
    }

    #[test]
    fn equals_and_silence_are_not_the_first() {
        let alike = [vec![1.0, 1.0], vec![2.0, 2.0]];
        assert_eq!(Retrieval::of(&[3.0, 3.0], 0, &alike).rank, 2);
        let silent = Retrieval::of(&[0.0, 0.0], 0, &alike);
        assert_eq!((silent.cosine, silent.rank), (0.0, 2));
        assert_eq!(Retrieval::of(&[1.0], 0, &[vec![0.0]]), Retrieval { cosine: 0.0, rank: 1, units: 1 });
    }

    #[test]
    fn the_mean_is_over_images() {
        let scores = TapScores::new(2, vec![9.0; 4], vec![1.0, 2.0, 3.0, 6.0]);
        assert_eq!(mean_feature(&scores), [2.0, 4.0]);
        assert_eq!(mean_feature(&TapScores::new(2, Vec::new(), Vec::new())), [0.0, 0.0]);
    }
}
