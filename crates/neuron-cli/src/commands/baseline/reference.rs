use anyhow::Context;
use neuron_patches::{PatchError, ReferenceBaseline, ScoredWindow};
use serde_json::Value;

/// The reference's keep rule for some units, fed image by image.
///
/// The reference takes the windows of a batch in chunks as long as its list. Here images come as they are loaded:
/// windows wait until a chunk is full, or until the first image of the next batch shows that it is the last.
pub(super) struct ReferenceLists {
    keep: usize,
    batch_size: usize,
    /// Number of the batch that the waiting windows belong to.
    batch: usize,
    lists: Vec<ReferenceBaseline>,
    /// The windows of an incomplete chunk, for each list.
    waiting: Vec<Vec<ScoredWindow>>,
}

impl ReferenceLists {
    pub(super) fn new(units: usize, keep: usize, batch_size: usize) -> Result<Self, PatchError> {
        let lists = vec![ReferenceBaseline::new(keep)?; units];
        Ok(Self { keep, batch_size: batch_size.max(1), batch: 0, lists, waiting: vec![Vec::new(); units] })
    }

    /// Takes the next image; images that could not be read are simply left out, as if they scored nothing.
    ///
    /// # Shapes
    /// * `scores`: `[windows, channels]`, of which unit `u` reads channel `channels[u]`
    pub(super) fn push(
        &mut self,
        image: usize,
        scores: &[f32],
        total: usize,
        channels: &[usize],
    ) -> Result<(), PatchError> {
        let batch = image / self.batch_size;
        if batch != self.batch {
            self.flush()?;
            self.batch = batch;
        }
        for ((list, waiting), channel) in self.lists.iter_mut().zip(&mut self.waiting).zip(channels) {
            for (window, scores) in (0..).zip(scores.chunks_exact(total)) {
                waiting.push(ScoredWindow { score: scores[*channel], image: image as u32, window });
                if waiting.len() == self.keep {
                    list.push_batch(waiting)?;
                    waiting.clear();
                }
            }
        }
        Ok(())
    }

    /// Ends the batch.
    fn flush(&mut self) -> Result<(), PatchError> {
        for (list, waiting) in self.lists.iter_mut().zip(&mut self.waiting) {
            list.push_batch(waiting)?;
            waiting.clear();
        }
        Ok(())
    }

    /// The patches of every unit.
    pub(super) fn into_patches(mut self) -> Result<Vec<Vec<ScoredWindow>>, PatchError> {
        self.flush()?;
        Ok(self.lists.iter().map(|list| list.patches().to_vec()).collect())
    }

    /// For a checkpoint.
    pub(super) fn state(&self) -> Value {
        let words = |windows: &[ScoredWindow]| -> Vec<[u32; 3]> {
            // Scores as bits: decimals would have to be long to come back the same.
            windows.iter().map(|window| [window.score.to_bits(), window.image, window.window]).collect()
        };
        let units = self.lists.iter().zip(&self.waiting);
        let units: Vec<_> = units.map(|(list, waiting)| [words(list.patches()), words(waiting)]).collect();
        serde_json::json!({ "batch": self.batch, "units": units })
    }

    /// Takes up what a checkpoint held.
    pub(super) fn restore(&mut self, state: &Value) -> anyhow::Result<()> {
        let broken = "the checkpoint's lists are not understood";
        let batch = state.get("batch").and_then(Value::as_u64).context(broken)?;
        let units = state.get("units").context(broken)?.clone();
        let units: Vec<[Vec<[u32; 3]>; 2]> = serde_json::from_value(units).context(broken)?;
        anyhow::ensure!(
            units.len() == self.lists.len(),
            "the checkpoint holds a different number of channels"
        );
        let window =
            |[bits, image, window]: [u32; 3]| ScoredWindow { score: f32::from_bits(bits), image, window };
        let windows = |words: Vec<[u32; 3]>| words.into_iter().map(window).collect::<Vec<_>>();
        let flushes = |[_, waiting]: &[Vec<[u32; 3]>; 2]| waiting.len() < self.keep;
        anyhow::ensure!(units.iter().all(flushes), broken);
        self.batch = batch as usize;
        for (unit, [patches, waiting]) in units.into_iter().enumerate() {
            self.lists[unit] = ReferenceBaseline::resume(self.keep, windows(patches))?;
            self.waiting[unit] = windows(waiting);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores that look random; `[images][windows][channels]`.
    fn scores(images: usize, windows: usize, channels: usize) -> Vec<Vec<f32>> {
        let score = |seed: usize| (seed * 7919 % 101) as f32;
        let of_image = |image: usize| (0..windows * channels).map(|at| score(image * 1000 + at)).collect();
        (0..images).map(of_image).collect()
    }

    #[test]
    fn image_by_image_is_batch_by_batch() -> anyhow::Result<()> {
        let (images, windows, channels, keep, batch_size) = (17, 5, 3, 7, 4);
        let scores = scores(images, windows, channels);
        let units = [2, 0];
        let mut lists = ReferenceLists::new(units.len(), keep, batch_size)?;
        for (image, scores) in scores.iter().enumerate() {
            lists.push(image, scores, channels, &units)?;
            // Stopping and going on after any image changes nothing.
            let state = lists.state();
            lists = ReferenceLists::new(units.len(), keep, batch_size)?;
            lists.restore(&state)?;
        }
        let found = lists.into_patches()?;
        for (unit, channel) in units.into_iter().enumerate() {
            let mut expected = ReferenceBaseline::new(keep)?;
            for (batch, images) in scores.chunks(batch_size).enumerate() {
                let mut all = Vec::new();
                for (at, scores) in images.iter().enumerate() {
                    let image = (batch * batch_size + at) as u32;
                    let rows = (0..).zip(scores.chunks_exact(channels));
                    all.extend(rows.map(|(window, row)| ScoredWindow { score: row[channel], image, window }));
                }
                expected.push_batch(&all)?;
            }
            assert_eq!(found[unit], expected.patches());
        }
        Ok(())
    }

    #[test]
    fn a_state_with_more_waiting_than_are_kept_is_refused() {
        let mut lists = ReferenceLists::new(1, 2, 4).unwrap();
        let state =
            |waiting: usize| serde_json::json!({ "batch": 0, "units": [[[], vec![[0, 0, 0]; waiting]]] });
        lists.restore(&state(1)).unwrap();
        assert!(lists.restore(&state(2)).is_err());
    }
}
