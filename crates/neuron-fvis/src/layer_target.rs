//! What a unit's references have in common at one layer, and how far a picture is from it.

use std::ops::Range;

#[cfg(feature = "cuda")]
use crate::cuda::Distribution;
use crate::features::FeatureMap;
use crate::matching::{self, Matching};
use crate::planes::{self, BLOCK};

/// Keeps the divisor off zero where all channels are equally relevant.
const EPSILON: f64 = 1e-6;

/// What a unit's references have in common at one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTarget {
    /// Mean over the references of the r-th smallest relevant feature, `[channels, positions]`.
    pub sorted: Vec<f32>,
    /// Mean over the references of each channel's importance, `[channels]`.
    pub importance: Vec<f64>,
}

impl LayerTarget {
    /// The loss of one item; `gradient` becomes that of `weight` times it, with respect to the features.
    ///
    /// # Shapes
    /// * `gradient`: `[channels, positions]`
    pub(crate) fn distance(&self, map: FeatureMap<'_>, weight: f64, gradient: &mut [f32]) -> f64 {
        let channels = map.channels;
        let positions = map.values.len() / channels;
        let scales = self.scales(weight);
        let mut sums = vec![0.0; channels];
        let blocks = gradient.chunks_mut(BLOCK * positions).zip(sums.chunks_mut(BLOCK));
        neuron_threads::for_each_with(Channels::default, blocks, |scratch, block, (gradient, sums)| {
            scratch.gather(map, block * BLOCK, sums.len());
            let rows = gradient.chunks_exact_mut(positions).zip(sums).enumerate();
            for (index, (gradient, sum)) in rows {
                let channel = block * BLOCK + index;
                let target = &self.sorted[channel * positions..][..positions];
                *sum = scratch.distance(index, target, scales[channel], gradient);
            }
        });
        self.loss(&sums)
    }

    /// What a layer's features are matched to on a GPU where its loss counts `weight`.
    #[cfg(feature = "cuda")]
    pub(crate) fn distribution(&self, weight: f64) -> Distribution<'_> {
        Distribution { sorted: &self.sorted, scale: self.scales(weight) }
    }

    /// The factor of each channel's gradient where the loss counts `weight`.
    fn scales(&self, weight: f64) -> Vec<f32> {
        let len = self.sorted.len() as f64;
        self.importance.iter().map(|importance| (weight * importance / len) as f32).collect()
    }

    /// The loss for each channel's sum of squared differences; in one order of summation, whatever the threads.
    pub(crate) fn loss(&self, sums: &[f64]) -> f64 {
        let weighted = self.importance.iter().zip(sums).map(|(importance, sum)| importance * sum);
        weighted.sum::<f64>() / self.sorted.len() as f64
    }
}

/// Sums over references at one layer.
pub(crate) struct Sum {
    sorted: Vec<f64>,
    importance: Vec<f64>,
}

impl Sum {
    pub(crate) fn new(map: FeatureMap<'_>) -> Self {
        Self { sorted: vec![0.0; map.values.len()], importance: vec![0.0; map.channels] }
    }

    pub(crate) fn add(&mut self, map: FeatureMap<'_>) {
        let positions = map.values.len() / map.channels;
        let mut strongest = vec![0.0; map.channels];
        let blocks = self.sorted.chunks_mut(BLOCK * positions).zip(strongest.chunks_mut(BLOCK));
        neuron_threads::for_each_with(Channels::default, blocks, |scratch, block, (sums, strongest)| {
            scratch.gather(map, block * BLOCK, strongest.len());
            for (index, (sums, strongest)) in sums.chunks_exact_mut(positions).zip(strongest).enumerate() {
                *strongest = scratch.strongest(index);
                sums.iter_mut().zip(scratch.sorted(index)).for_each(|(sum, value)| *sum += f64::from(value));
            }
        });
        let (lowest, highest) = matching::range(&strongest);
        let (lowest, highest) = (f64::from(lowest), f64::from(highest));
        for (sum, strongest) in self.importance.iter_mut().zip(&strongest) {
            *sum += match map.relevance {
                None => 1.0,
                Some(_) => (f64::from(*strongest) - lowest) / (highest - lowest + EPSILON),
            };
        }
    }

    pub(crate) fn mean(self, count: usize) -> LayerTarget {
        let mean = |sum: f64| sum / count as f64;
        LayerTarget {
            sorted: self.sorted.into_iter().map(|sum| mean(sum) as f32).collect(),
            importance: self.importance.into_iter().map(mean).collect(),
        }
    }
}

/// The planes of some neighbouring channels, and the memory for the work on them.
#[derive(Default)]
struct Channels {
    features: Vec<f32>,
    /// Where it weighs the features.
    relevance: Option<Vec<f32>>,
    matching: Matching,
    positions: usize,
}

impl Channels {
    fn gather(&mut self, map: FeatureMap<'_>, first: usize, count: usize) {
        self.positions = map.values.len() / map.channels;
        let len = count * self.positions;
        let gather = |values: &[f32], planes: &mut Vec<f32>| {
            planes.resize(len, 0.0);
            planes::gather(values, map.channels, first..first + count, planes);
        };
        gather(map.values, &mut self.features);
        match map.relevance {
            None => self.relevance = None,
            Some(relevance) => gather(relevance, self.relevance.get_or_insert_default()),
        }
    }

    fn range(&self, index: usize) -> Range<usize> {
        index * self.positions..(index + 1) * self.positions
    }

    /// The largest relevance of a channel; 0 without relevance.
    fn strongest(&self, index: usize) -> f32 {
        self.relevance.as_ref().map_or(0.0, |relevance| matching::range(&relevance[self.range(index)]).1)
    }

    fn sorted(&mut self, index: usize) -> impl Iterator<Item = f32> {
        let range = self.range(index);
        let relevance = self.relevance.as_ref().map(|relevance| &relevance[range.clone()]);
        self.matching.sorted(&self.features[range], relevance)
    }

    fn distance(&mut self, index: usize, target: &[f32], scale: f32, gradient: &mut [f32]) -> f64 {
        let range = self.range(index);
        let relevance = self.relevance.as_ref().map(|relevance| &relevance[range.clone()]);
        self.matching.distance(&self.features[range], relevance, target, scale, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels at three positions, of two references.
    const FEATURES: [[f32; 6]; 2] = [[3.0, -1.0, 1.0, 0.0, 2.0, 5.0], [7.0, 2.0, 0.0, 1.0, -4.0, 3.0]];

    fn target(relevance: Option<&[f32]>) -> LayerTarget {
        let map = |values| FeatureMap { channels: 2, values, relevance };
        let mut sum = Sum::new(map(&FEATURES[0]));
        FEATURES.iter().for_each(|values| sum.add(map(values)));
        sum.mean(2)
    }

    #[test]
    fn targets_of_plain_features_are_means_of_what_is_sorted() {
        // Channel 0: 1, 2, 3 and -4, 0, 7; channel 1: -1, 0, 5 and 1, 2, 3.
        let found = target(None);
        assert_eq!(found.sorted, [-1.5, 1.0, 5.0, 0.0, 1.0, 4.0]);
        assert_eq!(found.importance, [1.0, 1.0]);
    }

    #[test]
    fn a_loss_of_plain_features_by_hand() {
        let target = target(None);
        let map = FeatureMap { channels: 2, values: &FEATURES[0], relevance: None };
        let mut gradient = [0.0; 6];
        let loss = target.distance(map, 3.0, &mut gradient);
        // Channel 0: 1, 2, 3 against -1.5, 1, 5; channel 1: -1, 0, 5 against 0, 1, 4.
        assert_eq!(loss, (6.25 + 1.0 + 4.0 + 1.0 + 1.0 + 1.0) / 6.0);
        // 3 / 6 times twice the differences, where each value lies.
        assert_eq!(gradient, [-2.0, 2.5, 1.0, -1.0, -1.0, 1.0]);
    }

    #[test]
    fn relevance_decides_the_importance_of_channels() {
        // The strongest of channel 0 is 4, of channel 1 it is 2.
        let found = target(Some(&[0.0, 2.0, 4.0, 1.0, 1.0, 0.0]));
        assert!((found.importance[0] - 1.0).abs() < 1e-6 && found.importance[1] == 0.0, "{found:?}");
        assert_ne!(found.sorted, target(None).sorted);
    }
}
