use std::num::NonZeroUsize;

use anyhow::Context;
use neuron_data::Preprocessing;
use neuron_model::weights::WeightTensor;
use neuron_model::{Network, Operation, Reduction, Tap, View};
use serde::Serialize;

use super::{Args, Reduce};
use crate::classifier::labels;

/// One of an image's strongest channels.
#[derive(Clone, Serialize)]
pub(super) struct Strong {
    pub(super) channel: usize,
    pub(super) value: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) class: Option<String>,
}

/// What one layer says, image after image.
pub(super) struct Collected {
    name: String,
    /// Axes of one image's values in the file.
    axes: Vec<usize>,
    channels: usize,
    /// Whether the values are wanted, not only the strongest channels.
    keep: bool,
    values: Vec<f32>,
    top_k: usize,
    top: Vec<Vec<Strong>>,
    classes: Vec<String>,
}

impl Collected {
    pub(super) fn new(
        network: &Network,
        tap: &Tap,
        args: &Args,
        preprocessing: &Preprocessing,
    ) -> anyhow::Result<Self> {
        let side = preprocessing.crop;
        let infos = network.tap_infos(side, side)?;
        let info = infos.iter().find(|info| info.name == tap.name).context("a tap is in the list of taps")?;
        let is_linear = matches!(network.graph().node(tap.node).operation, Operation::Linear(_));
        let axes = if args.reduce == Reduce::None && !is_linear {
            vec![info.channels, info.height, info.width]
        } else {
            vec![info.channels]
        };
        Ok(Self {
            name: tap.name.clone(),
            axes,
            channels: info.channels,
            keep: args.out.is_some(),
            values: Vec::new(),
            top_k: args.top.map_or(0, NonZeroUsize::get),
            top: Vec::new(),
            classes: if is_linear { labels(network.weights(), info.channels)? } else { Vec::new() },
        })
    }

    /// The layer.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The strongest channels of an image, if they are wanted.
    pub(super) fn top(&self, image: usize) -> Option<Vec<Strong>> {
        self.top.get(image).cloned()
    }

    /// Bytes of one image.
    pub(super) fn expected_bytes(&self) -> usize {
        if self.keep { self.axes.iter().product::<usize>() * size_of::<f32>() } else { 0 }
    }

    /// Takes up the reduced maps of the next images.
    ///
    /// # Shapes
    /// * `scores`: `[images, channels]`
    pub(super) fn absorb_scores(&mut self, scores: &[f32]) {
        self.rank(scores);
        if self.keep {
            self.values.extend_from_slice(scores);
        }
    }

    /// Takes up the whole maps of the next images.
    pub(super) fn absorb_maps(&mut self, maps: View<'_>) {
        if self.top_k > 0 {
            let mut scores = vec![0.0; maps.batch * maps.channels];
            let mut positions = vec![0; scores.len()];
            Reduction::Max.reduce(maps, &mut scores, &mut positions);
            self.rank(&scores);
        }
        self.values.extend(maps.channels_first());
    }

    fn rank(&mut self, scores: &[f32]) {
        if self.top_k > 0 {
            let strongest = scores.chunks_exact(self.channels).map(|scores| self.strongest(scores));
            let strongest: Vec<_> = strongest.collect();
            self.top.extend(strongest);
        }
    }

    /// The channels of the largest scores: largest first, then by channel.
    fn strongest(&self, scores: &[f32]) -> Vec<Strong> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        order.truncate(self.top_k);
        let strong = |channel: usize| Strong {
            channel,
            value: scores[channel],
            class: self.classes.get(channel).cloned(),
        };
        order.into_iter().map(strong).collect()
    }

    pub(super) fn into_tensor(self, images: usize) -> (String, WeightTensor) {
        let shape: Vec<usize> = std::iter::once(images).chain(self.axes).collect();
        (self.name, WeightTensor::new(shape, self.values))
    }
}
