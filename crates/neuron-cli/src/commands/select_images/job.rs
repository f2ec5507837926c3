use std::num::NonZeroUsize;
use std::sync::Arc;

use neuron_data::{Batch, Dataset, Preprocessing};
use neuron_model::{Keep, ModelError, Network, Reduction, Scoring, Session, Tap};
use neuron_topk::{TopK, TopkError};
use serde_json::Value;

use super::Settings;
use crate::not_finite;
use crate::scan::{Job, crops};

/// Scores every crop by the maxima of each layer's maps and keeps the best images of every channel.
pub(super) struct SelectImages {
    session: Session,
    scoring: Scoring,
    preprocessing: Preprocessing,
    /// Names the images.
    dataset: Arc<Dataset>,
    layers: Vec<LayerScores>,
    forwards: u64,
}

struct LayerScores {
    /// Channels of the tap.
    width: usize,
    /// The kept channels, if they are not all.
    selection: Option<Vec<usize>>,
    list: TopK,
    /// `[batch, width]`
    scores: Vec<f32>,
    positions: Vec<u32>,
}

impl SelectImages {
    pub(super) fn new(
        network: &Network,
        taps: &[Tap],
        preprocessing: &Preprocessing,
        settings: &Settings,
        dataset: &Arc<Dataset>,
    ) -> Result<Self, ModelError> {
        let keep = NonZeroUsize::new(settings.topk_images).unwrap_or(NonZeroUsize::MIN);
        let layers = taps.iter().zip(&settings.layers).map(|(tap, layer)| {
            let width = network.channels(tap);
            let all = layer.channels.iter().copied().eq(0..width);
            LayerScores {
                width,
                selection: (!all).then(|| layer.channels.clone()),
                list: TopK::new(layer.channels.len(), keep),
                scores: Vec::new(),
                positions: Vec::new(),
            }
        });
        Ok(Self {
            session: network.session(taps, Keep::Taps)?,
            scoring: Scoring { reduction: Reduction::Max, positions: settings.positions },
            preprocessing: preprocessing.clone(),
            dataset: dataset.clone(),
            layers: layers.collect(),
            forwards: 0,
        })
    }

    /// The lists, one a layer.
    pub(super) fn into_lists(self) -> Vec<TopK> {
        self.layers.into_iter().map(|layer| layer.list).collect()
    }
}

impl Job for SelectImages {
    fn absorb(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let items = batch.items.len();
        for layer in &mut self.layers {
            layer.scores.resize(items * layer.width, 0.0);
            layer.positions.resize(items * layer.width, 0);
        }
        let layers = &mut self.layers;
        let images = crops(batch.pixels(), &self.preprocessing);
        let scored = self.session.scores(&images, self.scoring, &mut |scored| {
            let layer = &mut layers[scored.tap];
            layer.scores[scored.range()].copy_from_slice(scored.scores);
            layer.positions[scored.range()].copy_from_slice(scored.positions);
        });
        let name = |item: usize| self.dataset.entry(batch.items[item]);
        scored.map_err(|error| not_finite::named(error, name))?;
        self.forwards += items as u64;
        let indices: Vec<u32> = batch.items.iter().map(|index| *index as u32).collect();
        for layer in &mut self.layers {
            layer.absorb(&indices)?;
        }
        Ok(())
    }

    fn lists(&self) -> Vec<&TopK> {
        self.layers.iter().map(|layer| &layer.list).collect()
    }

    fn restore(&mut self, lists: Vec<TopK>, _rest: Value) -> anyhow::Result<()> {
        anyhow::ensure!(
            lists.len() == self.layers.len(),
            "the checkpoint holds a different number of layers"
        );
        for (layer, list) in self.layers.iter_mut().zip(lists) {
            layer.list = list;
        }
        Ok(())
    }

    fn forwards(&self) -> u64 {
        self.forwards
    }
}

impl LayerScores {
    fn absorb(&mut self, indices: &[u32]) -> Result<(), TopkError> {
        if let Some(selection) = &self.selection {
            pick(&mut self.scores, self.width, selection);
            pick(&mut self.positions, self.width, selection);
        }
        self.list.push_batch(indices, &self.scores, Some(&self.positions))
    }
}

/// Keeps only the selected columns of rows of `width` values.
fn pick<T: Copy>(values: &mut Vec<T>, width: usize, selection: &[usize]) {
    *values = values.chunks_exact(width).flat_map(|row| selection.iter().map(|at| row[*at])).collect();
}
