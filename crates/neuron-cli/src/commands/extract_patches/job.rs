use std::num::NonZeroUsize;

use anyhow::Context;
use neuron_data::Batch;
use neuron_topk::{Entry, TopK};
use serde_json::Value;

use super::lists::Lists;
use super::scorer::Scorer;
use crate::not_finite;
use crate::scan::Job;

/// Scores every image once, and offers its best patch to each unit that listed it.
///
/// In the lists an entry's index is the image's rank in the unit's list, which decides ties; its payload is the
/// place of the patch.
pub(super) struct ExtractPatches<'a> {
    scorer: Scorer,
    lists: &'a Lists,
    best: TopK,
}

impl<'a> ExtractPatches<'a> {
    pub(super) fn new(scorer: Scorer, lists: &'a Lists, topk_patches: NonZeroUsize) -> Self {
        Self { scorer, lists, best: TopK::new(lists.units(), topk_patches) }
    }

    /// The best patches of every unit.
    pub(super) fn into_best(self) -> TopK {
        self.best
    }
}

impl Job for ExtractPatches<'_> {
    fn absorb(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let per_image = self.scorer.forwards_per_image();
        let name = |item: usize| self.lists.dataset().entry(batch.items[item / per_image]);
        let places = self.scorer.best(batch.pixels()).map_err(|error| not_finite::named(error, name))?;
        for (item, image) in batch.items.iter().enumerate() {
            let (scores, places) = places.of(item);
            for listing in self.lists.listings_of(*image) {
                let channel = self.lists.channel(listing.unit as usize);
                let entry = Entry { score: scores[channel], index: listing.rank, payload: places[channel] };
                let pushed = self.best.push_one(listing.unit as usize, entry);
                pushed.with_context(|| self.lists.dataset().entry(*image))?;
            }
        }
        Ok(())
    }

    fn lists(&self) -> Vec<&TopK> {
        vec![&self.best]
    }

    fn restore(&mut self, mut lists: Vec<TopK>, _rest: Value) -> anyhow::Result<()> {
        self.best = lists.pop().context("the checkpoint holds no lists")?;
        Ok(())
    }

    fn forwards(&self) -> u64 {
        self.scorer.forwards()
    }
}
