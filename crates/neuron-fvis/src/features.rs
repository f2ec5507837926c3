use std::ops::Range;

use neuron_model::{
    Attributor, BackwardPass, Composite, Images, Keep, ModelError, Network, Positions, Session, Tap, View,
};

use crate::activation_term::Push;
#[cfg(feature = "cuda")]
use crate::cuda::{Comparison, DeviceMatching, Distribution, Matched};
use crate::weighting::FeatureWeighting;

/// The features of some images, how much each of them counts, and the way back to the pixels.
pub(crate) struct Features {
    forward: Forward,
    target: Tap,
    layers: Vec<Tap>,
    /// Which channel of the target each item of the batch is about.
    channels: Vec<usize>,
    gradient: BackwardPass,
    ascent: BackwardPass,
    /// The gradient from before the target's own ReLU.
    before_relu: Composite,
    /// Of the target, where the units count.
    positions: Positions,
    weighting: FeatureWeighting,
    /// A layer of which all features count alike, however others are weighed.
    plain: Option<Tap>,
    #[cfg(feature = "cuda")]
    on_device: DeviceMatching,
}

/// What runs the images.
enum Forward {
    /// As far as gradients need it.
    Plain(Session),
    /// And the relevance of each image's unit after that.
    WithRelevance(Box<Attributor>),
}

/// One item's features at one layer, and their relevance where it is what weighs them; channels-last.
///
/// Of layers with class or register tokens they are those of the grid: what is sorted are places of the picture.
#[derive(Clone, Copy)]
pub(crate) struct FeatureMap<'a> {
    /// Number of channels.
    pub(crate) channels: usize,
    /// `[positions, channels]`
    pub(crate) values: &'a [f32],
    /// `[positions, channels]`
    pub(crate) relevance: Option<&'a [f32]>,
}

impl Forward {
    fn new(
        network: &Network,
        target: &Tap,
        weighting: FeatureWeighting,
        layers: &[Tap],
    ) -> Result<Self, ModelError> {
        match weighting.rules(network) {
            None => {
                // The target as well: what the unit says of a picture is part of what is found.
                let taps = [layers, std::slice::from_ref(target)].concat();
                network.session(&taps, Keep::Gradient).map(Self::Plain)
            }
            Some((method, composite)) => {
                let rules = (method.into(), composite);
                let attributor = Attributor::with_composite(network, target, layers, rules)?;
                Ok(Self::WithRelevance(Box::new(attributor)))
            }
        }
    }

    fn session(&self) -> &Session {
        match self {
            Self::Plain(session) => session,
            Self::WithRelevance(attributor) => attributor.session(),
        }
    }

    #[cfg(feature = "cuda")]
    fn session_mut(&mut self) -> &mut Session {
        match self {
            Self::Plain(session) => session,
            Self::WithRelevance(attributor) => attributor.session_mut(),
        }
    }

    fn run(&mut self, images: &dyn Images, channels: &[usize]) -> Result<(), ModelError> {
        match self {
            Self::Plain(session) => session.run(images, &mut |_| {}),
            Self::WithRelevance(attributor) => attributor.run(images, channels).map(|_| ()),
        }
    }

    /// The relevance that the last run found at a layer; `None` if none is looked for.
    fn relevance(&self, layer: &Tap) -> Option<View<'_>> {
        match self {
            Self::Plain(_) => None,
            Self::WithRelevance(attributor) => {
                Some(attributor.last().at(layer).expect("every layer lies below the target"))
            }
        }
    }
}

impl Features {
    /// # Errors
    /// [`ModelError::Unsupported`] with what the device cannot compute.
    pub(crate) fn new(
        network: &Network,
        target: &Tap,
        weighting: FeatureWeighting,
        layers: Vec<Tap>,
    ) -> Result<Self, ModelError> {
        let forward = Forward::new(network, target, weighting, &layers)?;
        let image = network.graph().image_tap();
        let way_back =
            |layer| forward.session().check(&Composite::gradient(), layer, std::slice::from_ref(&image));
        layers.iter().try_for_each(way_back)?;
        Ok(Self {
            forward,
            target: target.clone(),
            layers,
            channels: Vec::new(),
            gradient: BackwardPass::new(),
            ascent: BackwardPass::new(),
            before_relu: Composite::gradient_before_relu(network.graph(), target),
            positions: Positions::All,
            weighting,
            plain: None,
            #[cfg(feature = "cuda")]
            on_device: DeviceMatching::default(),
        })
    }

    /// The same features, of which all of a layer count alike.
    pub(crate) fn with_plain(self, plain: Option<Tap>) -> Self {
        Self { plain, ..self }
    }

    /// The same features of units that count at some positions alone.
    pub(crate) fn at_positions(self, positions: Positions) -> Self {
        let forward = match self.forward {
            Forward::WithRelevance(attributor) => {
                Forward::WithRelevance(Box::new(attributor.at_positions(positions)))
            }
            plain => plain,
        };
        Self { forward, positions, ..self }
    }

    /// The same features, weighed in another way.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] with what the device cannot compute.
    pub(crate) fn weighed(&self, weighting: FeatureWeighting) -> Result<Self, ModelError> {
        let features = Self::new(self.network(), &self.target, weighting, self.layers.clone())?;
        Ok(features.at_positions(self.positions).with_plain(self.plain.clone()))
    }

    /// How they are weighed.
    pub(crate) fn weighting(&self) -> FeatureWeighting {
        self.weighting
    }

    /// Of the values of one item of the target, those where its unit counts.
    fn counted(&self) -> Range<usize> {
        let map = self.session().map(&self.target).expect("the features' session keeps its taps");
        let all = map.item_len() / map.channels.max(1);
        let range = self.positions.range(self.session().extra(&self.target), all);
        let range = range.expect("checked when the positions were chosen");
        range.start * map.channels..range.end * map.channels
    }

    fn session(&self) -> &Session {
        self.forward.session()
    }

    pub(crate) fn network(&self) -> &Network {
        self.session().network()
    }

    pub(crate) fn target(&self) -> &Tap {
        &self.target
    }

    pub(crate) fn layers(&self) -> &[Tap] {
        &self.layers
    }

    /// Runs some images, each about its own channel of the target.
    pub(crate) fn run(&mut self, images: &dyn Images, channels: &[usize]) -> Result<(), ModelError> {
        self.channels.clear();
        self.channels.extend_from_slice(channels);
        self.forward.run(images, channels)
    }

    /// Brings what features are matched to, by unit and layer, to where they are, unless that is the host.
    #[cfg(feature = "cuda")]
    pub(crate) fn bring(&mut self, units: &[Vec<Distribution<'_>>]) -> Result<(), ModelError> {
        let Self { forward, on_device, .. } = self;
        let Some(device) = forward.session_mut().on_device() else { return Ok(()) };
        Ok(on_device.set_distributions(&device, units)?)
    }

    /// As [`Features::run`] with all that comes after it, where the features are; `None` if that is the host.
    #[cfg(feature = "cuda")]
    pub(crate) fn matched(
        &mut self,
        images: &dyn Images,
        channels: &[usize],
        units: &[usize],
        pushes: Option<&[Push]>,
    ) -> Option<Result<Matched, ModelError>> {
        // Its kernels sort all positions of a map.
        let has_tokens = |tap: &Tap| match self.network().graph().shape(tap, images.size()) {
            Ok(shape) => shape.extra > 0,
            // The run itself says what is wrong.
            Err(_) => false,
        };
        if self.layers.iter().any(has_tokens) || self.positions != Positions::All {
            return None;
        }
        let Self { forward, target, weighting, plain, layers, on_device, before_relu, .. } = self;
        let ascent = pushes.map(|pushes| (pushes, &*before_relu));
        let (weighting, plain) = (*weighting, plain.as_ref());
        let comparison = Comparison { images, target, channels, units, weighting, plain, layers, ascent };
        Some(on_device.compare(&mut forward.session_mut().on_device()?, &comparison))
    }

    /// The greatest activation of an item's channel of the target in the last run; NaN if there is one.
    pub(crate) fn activation(&self, item: usize) -> f32 {
        let map = self.session().map(&self.target).expect("the features' session keeps its taps");
        let values = &map.data[item * map.item_len()..(item + 1) * map.item_len()][self.counted()];
        let channel = values.iter().skip(self.channels[item]).step_by(map.channels);
        // `f32::max` would lose a NaN.
        let greater = |high: f32, value: f32| if value > high || value.is_nan() { value } else { high };
        channel.copied().fold(f32::NEG_INFINITY, greater)
    }

    /// Checks that what the last run says about an item's unit is a number.
    ///
    /// # Errors
    /// [`ModelError::NotFinite`]
    pub(crate) fn check_activation(&self, item: usize) -> Result<(), ModelError> {
        let activation = self.activation(item);
        if activation.is_finite() {
            return Ok(());
        }
        Err(self.network().not_finite(&self.target, item, self.channels[item], activation))
    }

    /// What the last run found for one of its items at one of the layers.
    pub(crate) fn map(&self, item: usize, layer: usize) -> FeatureMap<'_> {
        let tap = &self.layers[layer];
        let map = self.session().map(tap).expect("the features' session keeps its taps");
        let before = self.session().extra(tap) * map.channels;
        let range = item * map.item_len() + before..(item + 1) * map.item_len();
        let weighed = (self.plain.as_ref() != Some(tap)).then_some(tap);
        let relevance = weighed.and_then(|tap| self.forward.relevance(tap));
        let relevance = relevance.map(|relevance| &relevance.data[range.clone()]);
        FeatureMap { channels: map.channels, values: &map.data[range], relevance }
    }

    /// Sends gradients with respect to the features back to the pixels.
    ///
    /// `fill` writes the gradients of one layer and item over zeros, laid out as [`Features::map`].
    ///
    /// # Shapes
    /// * returns: `[batch, height, width, 3]`
    ///
    /// # Errors
    /// Those of the network.
    pub(crate) fn pull_back(
        &mut self,
        mut fill: impl FnMut(&Self, usize, usize, &mut [f32]),
    ) -> Result<&[f32], ModelError> {
        let mut gradient = std::mem::take(&mut self.gradient);
        for (layer, tap) in self.layers.iter().enumerate() {
            let before = self.session().extra(tap) * self.network().channels(tap);
            gradient.seed(self.session(), tap, |seed| {
                let item_len = seed.len() / self.channels.len().max(1);
                for (item, seed) in seed.chunks_exact_mut(item_len.max(1)).enumerate() {
                    fill(self, layer, item, &mut seed[before..]);
                }
            });
        }
        let image = self.network().graph().image_tap();
        if self.layers.is_empty() {
            // Nothing pulls.
            gradient.seed(self.session(), &image, |_| {});
        }
        let passed = gradient.run(self.session(), &Composite::gradient(), std::slice::from_ref(&image));
        self.gradient = gradient;
        passed?;
        Ok(self.gradient.signal(&image).expect("every layer lies above the image"))
    }

    /// The gradient of minus each item's unit with respect to the pixels: of the soft maximum over positions, taken before
    /// the unit's own ReLU, so that a silent unit has one as well.
    ///
    /// # Shapes
    /// * `pushes`: one for each item of the last run
    /// * returns: `[batch, height, width, 3]`
    ///
    /// # Errors
    /// Those of the network.
    pub(crate) fn ascend(&mut self, pushes: &[Push]) -> Result<&[f32], ModelError> {
        let mut ascent = std::mem::take(&mut self.ascent);
        let map = self.session().map(&self.target).expect("the features' session keeps its taps");
        let counted = self.counted();
        ascent.seed(self.session(), &self.target, |seed| {
            let items = seed.chunks_exact_mut(map.item_len()).zip(map.data.chunks_exact(map.item_len()));
            for ((seed, values), (channel, push)) in items.zip(self.channels.iter().zip(pushes)) {
                let (values, seed) = (&values[counted.clone()], &mut seed[counted.clone()]);
                push.write(values, (map.channels, *channel), seed);
            }
        });
        let image = self.network().graph().image_tap();
        let passed = ascent.run(self.session(), &self.before_relu, std::slice::from_ref(&image));
        self.ascent = ascent;
        passed?;
        Ok(self.ascent.signal(&image).expect("every layer lies above the image"))
    }
}
