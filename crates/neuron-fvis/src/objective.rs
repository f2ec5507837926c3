use std::ops::ControlFlow;

use neuron_model::{ChannelsLast, ImageRange, Images, Network, Positions, Tap};

use crate::activation_term::{ActivationTerm, Push};
use crate::aim::Aim;
use crate::anchor::Anchor;
#[cfg(feature = "cuda")]
use crate::cuda::Matched;
use crate::error::FvisError;
use crate::features::Features;
use crate::layer_target::{LayerTarget, Sum};
use crate::planes;
use crate::weighting::FeatureWeighting;

/// What a picture of each unit is measured against, and how.
///
/// This is [`Aim::Vital`]; [`Objective::with_aim`] chooses another.
///
/// The relevant features of a layer are `S = A * F`, its features times the unit's relevance in them, scaled to
/// 0..1 by channel. For a unit's references, `t[c, r]` is the mean of the r-th smallest value of `S[c]`, and `w[c]` the
/// mean importance of the channel; without relevance ([`FeatureWeighting::None`]), `A` and `w` are 1. A
/// picture's loss at the layer is the mean over channels and positions of `w[c] * (S[c, i] - t[c, rank of i])^2`.
pub struct Objective {
    features: Features,
    /// How much each layer counts.
    weights: Vec<f64>,
    /// The channels of the target.
    units: Vec<usize>,
    /// For each unit, what its references have at each layer.
    targets: Vec<Vec<LayerTarget>>,
    aim: Aim,
    term: ActivationTerm,
    /// Of [`Aim::Accentuation`], for each picture and layer.
    anchors: Vec<Vec<Anchor>>,
    /// For each unit, the mean of its greatest activations on the references.
    activations: Vec<f64>,
    /// With respect to the pictures that were compared last.
    gradient: Vec<f32>,
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
    /// [`FvisError::Model`] for a channel that the tap has not, and with what the device cannot compute.
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
            aim: Aim::default(),
            term: ActivationTerm::default(),
            anchors: Vec::new(),
            activations: Vec::new(),
            gradient: Vec::new(),
        })
    }

    /// The same objective with another aim, and a term that raises the units' activations.
    ///
    /// [`Aim::Activation`] wants no layers, [`Aim::Accentuation`] an [anchor](Objective::anchor).
    #[must_use]
    pub fn with_aim(self, aim: Aim, term: ActivationTerm) -> Self {
        Self { aim, term, ..self }
    }

    /// The same objective, in which all features of a layer count alike, however others are weighed.
    #[must_use]
    pub fn with_plain_layer(self, layer: Option<Tap>) -> Self {
        Self { features: self.features.with_plain(layer), ..self }
    }

    /// The same objective for what units say at some positions alone, such as the class token.
    ///
    /// # Errors
    /// [`neuron_model::ModelError::NoClassToken`] if the target has none.
    pub fn at_positions(self, positions: Positions, size: (usize, usize)) -> Result<Self, FvisError> {
        let target = std::slice::from_ref(self.features.target());
        self.network().graph().check_positions(target, positions, size)?;
        Ok(Self { features: self.features.at_positions(positions), ..self })
    }

    /// Checks that features can be weighed so.
    ///
    /// # Errors
    /// [`neuron_model::ModelError::Unsupported`] with what the device cannot compute.
    pub(crate) fn check(&self, weighting: FeatureWeighting) -> Result<(), FvisError> {
        self.features.weighed(weighting)?;
        Ok(())
    }

    /// Weighs features so from now on. The references have to be measured again if it was in another way before.
    ///
    /// # Errors
    /// [`neuron_model::ModelError::Unsupported`] with what the device cannot compute.
    pub(crate) fn weigh(&mut self, weighting: FeatureWeighting) -> Result<(), FvisError> {
        if self.features.weighting() != weighting {
            self.features = self.features.weighed(weighting)?;
            self.targets.clear();
        }
        Ok(())
    }

    /// What a unit's activation is multiplied by in the loss, where that is what is optimised; 0 elsewhere.
    pub fn activation_weight(&self, unit: usize) -> f64 {
        match (self.aim, self.activations.get(unit)) {
            (Aim::Activation, Some(references)) => -ActivationTerm::unit_of(*references),
            _ => 0.0,
        }
    }

    /// Measures pictures whose features those should keep that are compared next, each its own.
    ///
    /// # Shapes
    /// * `pictures`: `[batch, height, width, 3]`, normalised
    ///
    /// # Errors
    /// Those of the network.
    pub fn anchor(&mut self, pictures: &[f32], (height, width): (usize, usize)) -> Result<(), FvisError> {
        let pictures = ChannelsLast::new(pictures, height, width);
        self.features.run(&pictures, &vec![self.units[0]; pictures.count()])?;
        let layers = |item| (0..self.weights.len()).map(move |layer| (item, layer));
        let anchor = |(item, layer)| Anchor::new(self.features.map(item, layer));
        self.anchors = (0..pictures.count()).map(|item| layers(item).map(anchor).collect()).collect();
        Ok(())
    }

    /// How the unit of each picture is pushed, if the units' own gradients are a part of it.
    fn pushes(&self, units: &[usize]) -> Option<Vec<Push>> {
        self.aim
            .ascends(&self.term)
            .then(|| units.iter().map(|unit| self.term.push(self.activations[*unit])).collect())
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
        self.activations.clear();
        let mut before = 0;
        for (unit, images) in self.units.clone().into_iter().zip(references) {
            let count = images.count();
            if count == 0 {
                let tap = self.features.target().name.clone();
                return Err(FvisError::NoReferences { tap, channel: unit });
            }
            let (mut sums, mut activation) = (Vec::new(), 0.0);
            for first in (0..count).step_by(at_once) {
                let part = at_once.min(count - first);
                let images = ImageRange::new(*images, first..first + part);
                self.features.run(&images, &vec![unit; part])?;
                self.check_references(unit, first, part)?;
                self.add_references(part, &mut sums);
                activation += (0..part).map(|item| f64::from(self.features.activation(item))).sum::<f64>();
                if on_images(before + first + part).is_break() {
                    return Err(FvisError::Stopped);
                }
            }
            before += count;
            self.activations.push(activation / count as f64);
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
        if let Some(matched) =
            self.features.matched(&pictures, &channels, units, self.pushes(units).as_deref())
        {
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
        let pushes = self.pushes(units);
        let Self { features, weights, targets, anchors, gradient, .. } = self;
        features.run(pictures, channels)?;
        let activations: Vec<f64> = (0..units.len()).map(|item| features.activation(item).into()).collect();
        let mut losses = vec![vec![0.0; weights.len()]; units.len()];
        let mut planes = Vec::new();
        let of_features = features.pull_back(|features, layer, item, seed| {
            planes.resize(seed.len(), 0.0);
            let map = features.map(item, layer);
            losses[item][layer] = features.network().install(|| match anchors.get(item) {
                Some(anchors) => anchors[layer].distance(map, weights[layer], seed),
                None => {
                    let loss = targets[units[item]][layer].distance(map, weights[layer], &mut planes);
                    planes::scatter(&planes, map.channels, seed);
                    loss
                }
            });
        })?;
        gradient.clear();
        gradient.extend_from_slice(of_features);
        if let Some(pushes) = pushes {
            let ascent = self.features.ascend(&pushes)?.to_vec();
            self.add_ascent(&ascent, &activations, units);
        }
        Ok(Distance { items: self.items(losses, &activations, units), gradient: &self.gradient })
    }

    /// Adds the gradients of minus the units to those of the features.
    fn add_ascent(&mut self, ascent: &[f32], activations: &[f64], units: &[usize]) {
        let item_len = self.gradient.len() / units.len();
        let items = self.gradient.chunks_exact_mut(item_len).zip(ascent.chunks_exact(item_len));
        for ((gradient, ascent), (activation, unit)) in items.zip(activations.iter().zip(units)) {
            let references = self.activations[*unit];
            match self.aim {
                Aim::Activation => self.term.write_alone(gradient, ascent, references),
                Aim::Vital | Aim::Accentuation => {
                    self.term.add(gradient, ascent, (*activation, references));
                }
            }
        }
    }

    /// What is said of each picture.
    fn items(&self, losses: Vec<Vec<f64>>, activations: &[f64], units: &[usize]) -> Vec<ItemDistance> {
        let item = |(layers, (activation, unit)): (Vec<f64>, (&f64, &usize))| {
            let mut item = ItemDistance::new(layers, &self.weights, *activation);
            item.weighted += self.activation_weight(*unit) * activation;
            item
        };
        losses.into_iter().zip(activations.iter().zip(units)).map(item).collect()
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
        let Matched { sums, activations, gradient, ascent } = matched;
        self.gradient = gradient;
        let activations: Vec<f64> = activations.into_iter().map(f64::from).collect();
        if let Some(ascent) = ascent {
            self.add_ascent(&ascent, &activations, units);
        }
        let losses = |(item, unit): (usize, &usize)| {
            let targets = self.targets[*unit].iter().zip(&sums);
            let losses = targets.map(|(target, sums)| {
                let channels = target.importance.len();
                target.loss(&sums[item * channels..][..channels])
            });
            losses.collect()
        };
        let losses = units.iter().enumerate().map(losses).collect();
        Distance { items: self.items(losses, &activations, units), gradient: &self.gradient }
    }
}

impl ItemDistance {
    fn new(layers: Vec<f64>, weights: &[f64], activation: f64) -> Self {
        let weighted = layers.iter().zip(weights).map(|(loss, weight)| loss * weight).sum();
        Self { layers, weighted, activation }
    }
}
