use std::ops::{ControlFlow, Range};

use neuron_model::{ByteImages, ChannelsLast, Images, Network, Tap};

#[cfg(feature = "cuda")]
use crate::cuda::{Distribution, Matched};
use crate::error::FvisError;
use crate::features::{FeatureMap, Features};
use crate::matching::{self, Matching};
use crate::planes::{self, BLOCK};
use crate::weighting::FeatureWeighting;

/// Keeps the divisor off zero where all channels are equally relevant.
const EPSILON: f64 = 1e-6;

/// What a picture of each unit is measured against, and how.
///
/// The relevant features of a layer are `S = A * F`, its features times the unit's relevance in them, scaled to
/// 0..1 by channel. For a unit's references, `t[c, r]` is the mean of the r-th smallest value of `S[c]`, and `w[c]` the
/// mean importance of the channel; without relevance ([`FeatureWeighting::None`]), `A` and `w` are 1. A picture's loss at the layer is the mean over channels and positions of
/// `w[c] * (S[c, i] - t[c, rank of i])^2`.
pub struct Objective {
    features: Features,
    /// How much each layer counts.
    weights: Vec<f64>,
    /// The channels of the target.
    units: Vec<usize>,
    /// For each unit, what its references have at each layer.
    targets: Vec<Vec<LayerTarget>>,
    /// With respect to the pictures that a GPU compared last.
    #[cfg(feature = "cuda")]
    gradient: Vec<f32>,
}

/// What a unit's references have in common at one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTarget {
    /// Mean over the references of the r-th smallest relevant feature, `[channels, positions]`.
    pub sorted: Vec<f32>,
    /// Mean over the references of each channel's importance, `[channels]`.
    pub importance: Vec<f64>,
}

/// How far some pictures are from their targets, and where to move their pixels.
pub struct Distance<'a> {
    /// Of each picture.
    pub items: Vec<ItemDistance>,
    /// The gradient of the weighted sum of the layers' losses, `[batch, height, width, 3]`.
    pub gradient: &'a [f32],
}

/// How far a picture is from the target of its unit.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemDistance {
    /// The unweighted loss of each layer.
    pub layers: Vec<f64>,
    /// The sum of the weighted losses.
    pub weighted: f64,
    /// The unit's greatest activation.
    pub activation: f64,
}

impl Objective {
    /// An objective for some units of a tap, without references yet.
    ///
    /// # Errors
    /// [`FvisError::NoFeatures`] if `layers` is empty, and [`FvisError::Model`] for a channel that the tap has not.
    pub fn new(
        network: &Network,
        target: &Tap,
        units: &[usize],
        weighting: impl Into<FeatureWeighting>,
        layers: Vec<(Tap, f64)>,
    ) -> Result<Self, FvisError> {
        network.check_channels(target, units)?;
        let (taps, weights) = layers.into_iter().unzip();
        let features = Features::new(network, target, weighting.into(), taps)?;
        Ok(Self {
            features,
            weights,
            units: units.to_vec(),
            targets: Vec::new(),
            #[cfg(feature = "cuda")]
            gradient: Vec::new(),
        })
    }

    /// The network that is looked into.
    pub fn network(&self) -> &Network {
        self.features.network()
    }

    /// The tap that the units belong to.
    pub fn target(&self) -> &Tap {
        self.features.target()
    }

    /// The layers whose features are compared.
    pub fn layers(&self) -> &[Tap] {
        self.features.layers()
    }

    /// How much each layer counts.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// What the references of a unit have at each layer; empty before they are measured.
    pub fn targets(&self, unit: usize) -> &[LayerTarget] {
        self.targets.get(unit).map_or(&[], |targets| targets)
    }

    /// Measures the references of every unit, `at_once` images at a time; only their means are kept.
    ///
    /// `on_images` hears after each batch how many images have been measured, and may stop.
    ///
    /// # Errors
    /// [`FvisError::NoReferences`] if a unit has none, [`FvisError::Reference`] for one on which the unit is NaN or
    /// infinite, [`FvisError::Stopped`], and those of the network.
    pub fn measure(
        &mut self,
        references: &[&dyn Images],
        at_once: usize,
        on_images: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<(), FvisError> {
        assert_eq!(references.len(), self.units.len(), "references for each unit");
        self.targets.clear();
        let mut before = 0;
        for (unit, images) in self.units.clone().into_iter().zip(references) {
            let count = images.count();
            if count == 0 {
                let tap = self.features.target().name.clone();
                return Err(FvisError::NoReferences { tap, channel: unit });
            }
            let mut sums = Vec::new();
            for first in (0..count).step_by(at_once) {
                let part = Part { images: *images, first, count: at_once.min(count - first) };
                self.features.run(&part, &vec![unit; part.count])?;
                self.check_references(unit, first, part.count)?;
                self.add_references(part.count, &mut sums);
                if on_images(before + first + part.count).is_break() {
                    return Err(FvisError::Stopped);
                }
            }
            before += count;
            self.targets.push(sums.into_iter().map(|sum: Sum| sum.mean(count)).collect());
        }
        #[cfg(feature = "cuda")]
        self.bring_targets()?;
        Ok(())
    }

    /// Refuses references of the last run, from `first` on, on which the unit says what is no number.
    fn check_references(&self, channel: usize, first: usize, count: usize) -> Result<(), FvisError> {
        (0..count).try_for_each(|item| {
            let refused = |source| FvisError::Reference { channel, reference: first + item, source };
            self.features.check_activation(item).map_err(refused)
        })
    }

    /// Adds what the last run found to the sums of each layer, in the order of the items.
    fn add_references(&self, items: usize, sums: &mut Vec<Sum>) {
        let features = &self.features;
        for layer in 0..self.weights.len() {
            if sums.len() == layer {
                sums.push(Sum::new(features.map(0, layer)));
            }
            for item in 0..items {
                features.network().install(|| sums[layer].add(features.map(item, layer)));
            }
        }
    }

    /// Compares pictures with the references of their units.
    ///
    /// # Shapes
    /// * `pictures`: `[batch, height, width, 3]`, of the references' size
    /// * `units`: the index of each picture's unit
    ///
    /// # Errors
    /// Those of the network.
    ///
    /// # Panics
    /// If the references were not measured, or were of another size.
    pub fn compare(
        &mut self,
        pictures: &[f32],
        (height, width): (usize, usize),
        units: &[usize],
    ) -> Result<Distance<'_>, FvisError> {
        let channels: Vec<usize> = units.iter().map(|unit| self.units[*unit]).collect();
        let pictures = ChannelsLast::new(pictures, height, width);
        #[cfg(feature = "cuda")]
        if let Some(matched) = self.features.matched(&pictures, &channels, units) {
            return Ok(self.distance(matched?, units));
        }
        self.compare_here(&pictures, &channels, units)
    }

    /// Compares pictures on the host.
    pub(crate) fn compare_here(
        &mut self,
        pictures: &dyn Images,
        channels: &[usize],
        units: &[usize],
    ) -> Result<Distance<'_>, FvisError> {
        let Self { features, weights, targets, .. } = self;
        features.run(pictures, channels)?;
        let activations: Vec<f64> = (0..units.len()).map(|item| features.activation(item).into()).collect();
        let mut losses = vec![vec![0.0; weights.len()]; units.len()];
        let mut planes = Vec::new();
        let gradient = features.pull_back(|features, layer, seed| {
            let item_len = seed.len() / units.len();
            planes.resize(item_len, 0.0);
            for (item, seed) in seed.chunks_exact_mut(item_len).enumerate() {
                let (map, target) = (features.map(item, layer), &targets[units[item]][layer]);
                losses[item][layer] = features.network().install(|| {
                    let loss = target.distance(map, weights[layer], &mut planes);
                    planes::scatter(&planes, map.channels, seed);
                    loss
                });
            }
        })?;
        let items = losses.into_iter().zip(activations);
        let items = items.map(|(layers, activation)| ItemDistance::new(layers, weights, activation));
        Ok(Distance { items: items.collect(), gradient })
    }
}

#[cfg(feature = "cuda")]
impl Objective {
    /// Brings the targets to where features are compared, if that is not the host.
    fn bring_targets(&mut self) -> Result<(), FvisError> {
        let Self { features, weights, targets, .. } = self;
        let mut units = Vec::new();
        for layers in &*targets {
            let weighted = layers.iter().zip(&*weights);
            units.push(weighted.map(|(target, weight)| target.distribution(*weight)).collect());
        }
        Ok(features.bring(&units)?)
    }

    /// What a GPU's comparison says of each picture.
    fn distance(&mut self, matched: Matched, units: &[usize]) -> Distance<'_> {
        let Matched { sums, activations, gradient } = matched;
        self.gradient = gradient;
        let item = |(item, (unit, activation)): (usize, (&usize, f32))| {
            let targets = self.targets[*unit].iter().zip(&sums);
            let losses = targets.map(|(target, sums)| {
                let channels = target.importance.len();
                target.loss(&sums[item * channels..][..channels])
            });
            ItemDistance::new(losses.collect(), &self.weights, activation.into())
        };
        let items = units.iter().zip(activations).enumerate().map(item).collect();
        Distance { items, gradient: &self.gradient }
    }
}

impl ItemDistance {
    fn new(layers: Vec<f64>, weights: &[f64], activation: f64) -> Self {
        let weighted = layers.iter().zip(weights).map(|(loss, weight)| loss * weight).sum();
        Self { layers, weighted, activation }
    }
}

impl LayerTarget {
    /// The loss of one item; `gradient` becomes that of `weight` times it, with respect to the features.
    ///
    /// # Shapes
    /// * `gradient`: `[channels, positions]`
    fn distance(&self, map: FeatureMap<'_>, weight: f64, gradient: &mut [f32]) -> f64 {
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
    fn distribution(&self, weight: f64) -> Distribution<'_> {
        Distribution { sorted: &self.sorted, scale: self.scales(weight) }
    }

    /// The factor of each channel's gradient where the loss counts `weight`.
    fn scales(&self, weight: f64) -> Vec<f32> {
        let len = self.sorted.len() as f64;
        self.importance.iter().map(|importance| (weight * importance / len) as f32).collect()
    }

    /// The loss for each channel's sum of squared differences; in one order of summation, whatever the threads.
    fn loss(&self, sums: &[f64]) -> f64 {
        let weighted = self.importance.iter().zip(sums).map(|(importance, sum)| importance * sum);
        weighted.sum::<f64>() / self.sorted.len() as f64
    }
}

/// Some of a range of images.
struct Part<'a> {
    images: &'a dyn Images,
    first: usize,
    count: usize,
}

impl Images for Part<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn size(&self) -> (usize, usize) {
        self.images.size()
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        self.images.write(self.first + index, pixels);
    }

    fn bytes(&self) -> Option<ByteImages<'_>> {
        Some(self.images.bytes()?.slice(self.first..self.first + self.count))
    }
}

/// Sums over references at one layer.
struct Sum {
    sorted: Vec<f64>,
    importance: Vec<f64>,
}

impl Sum {
    fn new(map: FeatureMap<'_>) -> Self {
        Self { sorted: vec![0.0; map.values.len()], importance: vec![0.0; map.channels] }
    }

    fn add(&mut self, map: FeatureMap<'_>) {
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

    fn mean(self, count: usize) -> LayerTarget {
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
