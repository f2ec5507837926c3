use std::num::NonZeroUsize;
use std::ops::Range;

use anyhow::Context;
use neuron_data::Preprocessing;
use neuron_model::weights::WeightTensor;
use neuron_model::{Network, Operation, Positions, Reduction, Shape, Tap, View};
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
    /// The positions that count, of all.
    range: Range<usize>,
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
        (preprocessing, positions): (&Preprocessing, Positions),
    ) -> anyhow::Result<Self> {
        let side = preprocessing.crop;
        let Shape { channels, height, width, extra } = network.graph().shape(tap, (side, side))?;
        let range = positions.range(extra, extra + height * width).context("positions were checked")?;
        // Transformers have fully connected layers at every position.
        let is_linear =
            height * width == 1 && matches!(network.graph().node(tap.node).operation, Operation::Linear(_));
        let axes = match positions {
            _ if args.reduce != Reduce::None || is_linear => vec![channels],
            Positions::Class => vec![channels],
            Positions::All if extra > 0 => vec![range.len(), channels],
            Positions::All | Positions::Grid => vec![channels, height, width],
        };
        Ok(Self {
            name: tap.name.clone(),
            axes,
            range,
            channels,
            keep: args.out.is_some(),
            values: Vec::new(),
            top_k: args.top.map_or(0, NonZeroUsize::get),
            top: Vec::new(),
            classes: if is_linear { labels(network.weights(), channels)? } else { Vec::new() },
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
            Reduction::Max.reduce_range(maps, self.range.clone(), &mut scores, &mut positions);
            self.rank(&scores);
        }
        let Range { start, end } = self.range;
        for map in maps.data.chunks_exact(maps.item_len().max(1)) {
            let values = &map[start * self.channels..end * self.channels];
            // Sequences stay as PyTorch has them, `[token, channel]`.
            if self.axes.len() == 3 {
                self.values.extend(View::new(1, 1, end - start, self.channels, values).channels_first());
            } else {
                self.values.extend_from_slice(values);
            }
        }
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
