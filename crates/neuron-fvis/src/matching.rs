//! Matching the distribution of a channel's relevant features to that of its references.

use crate::ranking::Ranking;

/// Squared differences of so many neighbouring ranks are added by themselves, and then these sums: the order in which a
/// GPU is fast, and in which the host gets the same bits.
pub(crate) const RANKS_TOGETHER: usize = 128;

/// Keeps the divisor off zero where relevance is the same everywhere.
const EPSILON: f32 = 1e-6;

/// Memory for the work on one channel.
#[derive(Default)]
pub(crate) struct Matching {
    ranking: Ranking,
    /// Relevance, scaled to 0..1; 1 everywhere without relevance.
    attention: Vec<f32>,
    /// Features times attention.
    relevant: Vec<f32>,
}

/// Smallest and largest value; NaN if one is.
pub(crate) fn range(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
        let low = if *value < low || value.is_nan() { *value } else { low };
        (low, if *value > high || value.is_nan() { *value } else { high })
    })
}

impl Matching {
    /// The relevant features of one channel, `S = A * F`, from the smallest to the largest.
    ///
    /// # Shapes
    /// * `features`, `relevance`: `[positions]`
    pub(crate) fn sorted(
        &mut self,
        features: &[f32],
        relevance: Option<&[f32]>,
    ) -> impl Iterator<Item = f32> {
        self.weigh(features, relevance);
        self.ranking.order(&self.relevant).iter().map(|at| self.relevant[*at as usize])
    }

    /// The sum over positions of `(S - t[rank of S])^2`; `gradient` becomes its gradient with respect to the
    /// features, times `scale`. The relevance is a constant.
    ///
    /// # Shapes
    /// * `features`, `relevance`, `gradient`: `[positions]`
    /// * `target`: `[positions]`, ascending
    pub(crate) fn distance(
        &mut self,
        features: &[f32],
        relevance: Option<&[f32]>,
        target: &[f32],
        scale: f32,
        gradient: &mut [f32],
    ) -> f64 {
        self.weigh(features, relevance);
        let order = self.ranking.order(&self.relevant).chunks(RANKS_TOGETHER);
        let mut sum = 0.0;
        for (order, target) in order.zip(target.chunks(RANKS_TOGETHER)) {
            let mut part = 0.0;
            for (at, target) in order.iter().zip(target) {
                let at = *at as usize;
                let difference = self.relevant[at] - target;
                part += f64::from(difference) * f64::from(difference);
                gradient[at] = scale * 2.0 * difference * self.attention[at];
            }
            sum += part;
        }
        sum
    }

    fn weigh(&mut self, features: &[f32], relevance: Option<&[f32]>) {
        self.attention.clear();
        match relevance {
            None => self.attention.resize(features.len(), 1.0),
            Some(relevance) => {
                let (lowest, highest) = range(relevance);
                let divisor = highest - lowest + EPSILON;
                self.attention.extend(relevance.iter().map(|relevance| (relevance - lowest) / divisor));
            }
        }
        self.relevant.clear();
        self.relevant
            .extend(self.attention.iter().zip(features).map(|(attention, feature)| attention * feature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_by_hand() {
        // Attention 0, 1, 1/2: relevant features 0, 4, -1; in order -1, 0, 4.
        let (features, relevance) = ([5.0, 4.0, -2.0], Some(&[1.0, 3.0, 2.0][..]));
        let mut matching = Matching::default();
        let sorted: Vec<f32> = matching.sorted(&features, relevance).collect();
        for (found, want) in sorted.iter().zip([-1.0, 0.0, 4.0]) {
            assert!((found - want).abs() < 1e-5, "{sorted:?}");
        }
        let mut gradient = [0.0; 3];
        let sum = matching.distance(&features, relevance, &[-2.0, 1.0, 1.0], 10.0, &mut gradient);
        assert!((sum - (1.0 + 1.0 + 9.0)).abs() < 1e-4, "{sum}");
        for (found, want) in gradient.iter().zip([0.0, 60.0, 10.0]) {
            assert!((found - want).abs() < 1e-4, "{gradient:?}");
        }
    }

    #[test]
    fn plain_features_are_matched_as_they_are() {
        let features = [5.0, 4.0, -2.0];
        let mut matching = Matching::default();
        assert_eq!(matching.sorted(&features, None).collect::<Vec<_>>(), [-2.0, 4.0, 5.0]);
        let mut gradient = [0.0; 3];
        let sum = matching.distance(&features, None, &[-1.0, 1.0, 7.0], 10.0, &mut gradient);
        assert_eq!(sum, 1.0 + 9.0 + 4.0);
        assert_eq!(gradient, [-40.0, 60.0, -20.0]);
    }

    #[test]
    fn the_gradient_of_plain_features_is_that_of_finite_differences() {
        let features: Vec<f32> = (0u8..37).map(|at| (f32::from(at) * 1.7).sin() * 3.0).collect();
        let target: Vec<f32> = (0u8..37).map(|at| f32::from(at) * 0.2 - 3.0).collect();
        let mut matching = Matching::default();
        let mut gradient = vec![0.0; features.len()];
        matching.distance(&features, None, &target, 0.5, &mut gradient);
        for at in 0..features.len() {
            let mut moved = |step: f32| {
                let mut features = features.clone();
                features[at] += step;
                matching.distance(&features, None, &target, 0.5, &mut vec![0.0; target.len()])
            };
            let slope = 0.5 * (moved(1e-3) - moved(-1e-3)) / 2e-3;
            assert!((slope - f64::from(gradient[at])).abs() < 1e-3, "{slope} for {}", gradient[at]);
        }
    }

    #[test]
    fn equal_distributions_have_no_distance() {
        for relevance in [None, Some(&[0.2, 0.1, 0.4, 0.0][..])] {
            let features = [1.0, 2.0, 3.0, 0.5];
            let mut matching = Matching::default();
            let target: Vec<f32> = matching.sorted(&features, relevance).collect();
            let mut gradient = [1.0; 4];
            assert_eq!(matching.distance(&features, relevance, &target, 1.0, &mut gradient), 0.0);
            assert_eq!(gradient, [0.0; 4]);
        }
    }

    #[test]
    fn nan_is_not_lost() {
        assert!(range(&[1.0, f32::NAN, 0.0]).0.is_nan());
        let relevance = Some(&[f32::NAN, 1.0][..]);
        let sum = Matching::default().distance(&[1.0, 2.0], relevance, &[0.0; 2], 1.0, &mut [0.0; 2]);
        assert!(sum.is_nan());
        let sum = Matching::default().distance(&[f32::NAN, 2.0], None, &[0.0; 2], 1.0, &mut [0.0; 2]);
        assert!(sum.is_nan());
    }
}
