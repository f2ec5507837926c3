use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context;
use neuron_data::{Batch, Dataset};
use neuron_topk::{Entry, TopK};
use serde_json::Value;

use super::Rule;
use super::reference::ReferenceLists;
use crate::not_finite;
use crate::patches::{Boxes, Kept, WindowScorer};
use crate::scan::Job;

/// Scores the windows of every image and keeps the best patches of each unit.
pub(super) struct Baseline<'a> {
    scorer: WindowScorer,
    dataset: &'a Arc<Dataset>,
    channels: &'a [usize],
    lists: Lists,
}

enum Lists {
    /// An entry's index is the image's, its payload the window.
    Exact(TopK),
    Reference(ReferenceLists),
}

impl<'a> Baseline<'a> {
    pub(super) fn new(
        scorer: WindowScorer,
        dataset: &'a Arc<Dataset>,
        channels: &'a [usize],
        topk_patches: NonZeroUsize,
        rule: Rule,
    ) -> anyhow::Result<Self> {
        let lists = match rule {
            Rule::Exact => Lists::Exact(TopK::new(channels.len(), topk_patches)),
            Rule::Reference { batch_size } => {
                Lists::Reference(ReferenceLists::new(channels.len(), topk_patches.get(), batch_size)?)
            }
        };
        Ok(Self { scorer, dataset, channels, lists })
    }

    /// The patches of every unit, best first.
    pub(super) fn into_kept(self, boxes: &Boxes) -> anyhow::Result<Vec<Vec<Kept>>> {
        match self.lists {
            Lists::Exact(best) => kept(&best, boxes),
            Lists::Reference(lists) => {
                let units = lists.into_patches()?.into_iter().map(|patches| {
                    let kept = patches.into_iter().map(|patch| {
                        let window = boxes.at(patch.window)?;
                        Ok(Kept {
                            image: patch.image as usize,
                            window,
                            score: patch.score,
                            image_score: None,
                        })
                    });
                    kept.collect()
                });
                units.collect()
            }
        }
    }
}

/// The patches in lists that were filled by the exact rule.
pub(super) fn kept(best: &TopK, boxes: &Boxes) -> anyhow::Result<Vec<Vec<Kept>>> {
    let of_entry = |entry: Entry| {
        let window = boxes.at(entry.payload)?;
        Ok(Kept { image: entry.index as usize, window, score: entry.score, image_score: None })
    };
    (0..best.channels()).map(|unit| best.channel(unit).into_iter().map(of_entry).collect()).collect()
}

impl Job for Baseline<'_> {
    fn absorb(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let name = |image: usize| self.dataset.entry(image);
        let windows = self.scorer.windows().len();
        let of_window = |item: usize| name(batch.items[item / windows]);
        match &mut self.lists {
            Lists::Exact(best) => {
                let places = self.scorer.best(batch.pixels());
                let places = places.map_err(|error| not_finite::named(error, of_window))?;
                for (item, image) in batch.items.iter().enumerate() {
                    let (scores, windows) = places.of(item);
                    for (unit, channel) in self.channels.iter().enumerate() {
                        let (score, payload) = (scores[*channel], windows[*channel]);
                        let entry = Entry { score, index: *image as u32, payload };
                        best.push_one(unit, entry).with_context(|| name(*image))?;
                    }
                }
            }
            Lists::Reference(lists) => {
                let channels = self.scorer.channels();
                let scores = self.scorer.score(batch.pixels());
                let scores = scores.map_err(|error| not_finite::named(error, of_window))?;
                for (image, scores) in batch.items.iter().zip(scores.chunks_exact(windows * channels)) {
                    lists.push(*image, scores, channels, self.channels).with_context(|| name(*image))?;
                }
            }
        }
        Ok(())
    }

    fn lists(&self) -> Vec<&TopK> {
        match &self.lists {
            Lists::Exact(best) => vec![best],
            Lists::Reference(_) => Vec::new(),
        }
    }

    fn rest(&self) -> Value {
        match &self.lists {
            Lists::Exact(_) => Value::Null,
            Lists::Reference(lists) => lists.state(),
        }
    }

    fn restore(&mut self, mut lists: Vec<TopK>, rest: Value) -> anyhow::Result<()> {
        match &mut self.lists {
            Lists::Exact(best) => *best = lists.pop().context("the checkpoint holds no lists")?,
            Lists::Reference(lists) => lists.restore(&rest)?,
        }
        Ok(())
    }

    fn forwards(&self) -> u64 {
        self.scorer.forwards()
    }
}
