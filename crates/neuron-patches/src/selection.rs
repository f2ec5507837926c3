//! Which windows of an image are worth keeping.

use std::collections::HashSet;

use crate::error::PatchError;

/// The best window of one image, for every channel.
///
/// With at most one window per image, a top-k list of these holds the exact best patches of distinct images.
#[derive(Clone, Debug, PartialEq)]
pub struct BestWindows {
    /// `[channels]`; NaN where any window's score was.
    pub scores: Vec<f32>,
    /// Index of the window, `[channels]`; the first one on ties.
    pub windows: Vec<u32>,
}

impl BestWindows {
    /// Reduces the scores of an image's windows.
    ///
    /// A NaN is passed on rather than reported: only the caller knows which image it came from, and a top-k
    /// list refuses it with that name.
    ///
    /// # Shapes
    /// * `scores`: `[windows, channels]`, with at least one window
    ///
    /// # Errors
    /// [`PatchError::Zero`] for zero channels, [`PatchError::Length`] unless the scores are whole rows.
    pub fn of(scores: &[f32], channels: usize) -> Result<Self, PatchError> {
        if channels == 0 {
            return Err(PatchError::Zero { what: "the number of channels" });
        }
        if scores.is_empty() || !scores.len().is_multiple_of(channels) {
            let expected = scores.len().next_multiple_of(channels).max(channels);
            return Err(PatchError::Length { what: "the windows' scores", expected, found: scores.len() });
        }
        let mut best = Self { scores: scores[..channels].to_vec(), windows: vec![0; channels] };
        for (window, row) in (0..).zip(scores.chunks_exact(channels)) {
            for ((score, best), best_window) in row.iter().zip(&mut best.scores).zip(&mut best.windows) {
                // Nothing compares greater than a NaN, so once there it stays.
                if score > best || score.is_nan() {
                    (*best, *best_window) = (*score, window);
                }
            }
        }
        Ok(best)
    }
}

/// A window of an image with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredWindow {
    /// The score; not NaN.
    pub score: f32,
    /// Index of the image.
    pub image: u32,
    /// Index of the window in the image.
    pub window: u32,
}

/// The rule by which the published implementation of the baseline keeps patches, for one unit.
///
/// It takes the windows of a batch in chunks as long as its list. The first chunk becomes the list, in the order
/// in which it came. With every later one the list is sorted (equal scores stay in order) and cut to its length,
/// and only then does each image lose all but its best window. Windows pushed out by ones that were dropped a
/// moment later are lost, so the list can miss patches that belong there and end short; [`BestWindows`] with a
/// top-k list is the exact rule. The result depends on how the windows were batched.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceBaseline {
    keep: usize,
    patches: Vec<ScoredWindow>,
}

impl ReferenceBaseline {
    /// An empty list of at most `keep` patches; the published implementation keeps 50.
    ///
    /// # Errors
    /// [`PatchError::Zero`] if `keep` is 0.
    pub fn new(keep: usize) -> Result<Self, PatchError> {
        Self::resume(keep, Vec::new())
    }

    /// Continues from what [`patches`](Self::patches) held between two batches.
    ///
    /// # Errors
    /// [`PatchError::Zero`] if `keep` is 0.
    pub fn resume(keep: usize, patches: Vec<ScoredWindow>) -> Result<Self, PatchError> {
        match keep {
            0 => Err(PatchError::Zero { what: "the number of patches to keep" }),
            _ => Ok(Self { keep, patches }),
        }
    }

    /// Takes all windows of a batch of images, image by image and by index.
    ///
    /// # Errors
    /// [`PatchError::NanScore`] for the first NaN; the list is then as it was.
    pub fn push_batch(&mut self, windows: &[ScoredWindow]) -> Result<(), PatchError> {
        if let Some(&ScoredWindow { image, window, .. }) = windows.iter().find(|window| window.score.is_nan())
        {
            return Err(PatchError::NanScore { image, window });
        }
        windows.chunks(self.keep).for_each(|chunk| self.push_chunk(chunk));
        Ok(())
    }

    fn push_chunk(&mut self, chunk: &[ScoredWindow]) {
        let first = self.patches.is_empty();
        self.patches.extend_from_slice(chunk);
        if first {
            return;
        }
        // -0.0 and 0.0 tie; NaN was refused.
        self.patches.sort_by(|a, b| (b.score + 0.0).total_cmp(&(a.score + 0.0)));
        self.patches.truncate(self.keep);
        let mut seen = HashSet::new();
        self.patches.retain(|patch| seen.insert(patch.image));
    }

    /// The list so far; best first, except while it is still the first chunk.
    pub fn patches(&self) -> &[ScoredWindow] {
        &self.patches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_best_window_wins() {
        let scores = [
            1.0, -5.0, 0.5, // window 0
            3.0, -2.0, 0.5, // window 1
            3.0, -2.5, 0.5, // window 2
        ];
        let best = BestWindows::of(&scores, 3).expect("whole rows");
        assert_eq!(best, BestWindows { scores: vec![3.0, -2.0, 0.5], windows: vec![1, 1, 0] });
    }

    #[test]
    fn a_nan_is_not_hidden_by_better_windows() {
        for nan_at in 0..3 {
            let mut scores = [1.0, 2.0, 3.0];
            scores[nan_at] = f32::NAN;
            let best = BestWindows::of(&scores, 1).expect("whole rows");
            assert!(best.scores[0].is_nan());
            assert_eq!(best.windows[0], nan_at as u32);
        }
    }

    #[test]
    fn broken_rows_are_errors() {
        let length = |expected, found| PatchError::Length { what: "the windows' scores", expected, found };
        assert_eq!(BestWindows::of(&[1.0, 2.0, 3.0], 2), Err(length(4, 3)));
        assert_eq!(BestWindows::of(&[], 2), Err(length(2, 0)));
        assert_eq!(BestWindows::of(&[1.0], 0), Err(PatchError::Zero { what: "the number of channels" }));
    }

    fn windows(scores: &[(u32, f32)]) -> Vec<ScoredWindow> {
        (0..).zip(scores).map(|(window, &(image, score))| ScoredWindow { score, image, window }).collect()
    }

    fn kept(baseline: &ReferenceBaseline) -> Vec<(u32, f32)> {
        baseline.patches().iter().map(|patch| (patch.image, patch.score)).collect()
    }

    #[test]
    fn the_first_chunk_is_taken_as_it_is() {
        let mut baseline = ReferenceBaseline::new(3).expect("not zero");
        baseline.push_batch(&windows(&[(0, 1.0), (0, 2.0), (0, 3.0)])).expect("numbers");
        assert_eq!(kept(&baseline), [(0, 1.0), (0, 2.0), (0, 3.0)]);
    }

    #[test]
    fn images_are_made_distinct_after_the_cut() {
        let mut baseline = ReferenceBaseline::new(3).expect("not zero");
        let batch = windows(&[(0, 9.0), (0, 8.0), (1, 7.0), (1, 6.0), (2, 7.5), (2, 1.0)]);
        baseline.push_batch(&batch).expect("numbers");
        // 9, 8 (image 0) and 7.5 (image 2) survive the cut, so image 1 is lost though there is room for it.
        assert_eq!(kept(&baseline), [(0, 9.0), (2, 7.5)]);
    }

    #[test]
    fn chunks_end_with_their_batch() {
        let batch = |scores| windows(scores);
        let mut baseline = ReferenceBaseline::new(3).expect("not zero");
        baseline.push_batch(&batch(&[(0, 1.0), (0, 2.0)])).expect("numbers");
        assert_eq!(kept(&baseline), [(0, 1.0), (0, 2.0)]);
        // In one batch, 5.0 would have completed the first chunk; on its own it is a second one.
        baseline.push_batch(&batch(&[(1, 5.0)])).expect("numbers");
        assert_eq!(kept(&baseline), [(1, 5.0), (0, 2.0)]);
    }

    #[test]
    fn a_nan_is_named_and_changes_nothing() {
        let mut baseline = ReferenceBaseline::new(2).expect("not zero");
        let error = baseline.push_batch(&windows(&[(4, 1.0), (5, f32::NAN)]));
        assert_eq!(error, Err(PatchError::NanScore { image: 5, window: 1 }));
        assert_eq!(kept(&baseline), []);
    }

    /// The rule word by word: numbered steps of a loop over index lists, nothing shared with the above.
    fn by_definition(batches: &[Vec<ScoredWindow>], keep: usize) -> Vec<ScoredWindow> {
        let mut list: Option<Vec<ScoredWindow>> = None;
        for batch in batches {
            let mut start = 0;
            while start < batch.len() {
                let chunk = batch[start..batch.len().min(start + keep)].to_vec();
                start += keep;
                let Some(old) = list else {
                    list = Some(chunk);
                    continue;
                };
                let mut rest = [old, chunk].concat();
                let mut best = Vec::new();
                while best.len() < keep && !rest.is_empty() {
                    let top = rest.iter().map(|patch| patch.score).fold(f32::NEG_INFINITY, f32::max);
                    let place = rest.iter().position(|patch| patch.score == top).expect("the top is there");
                    best.push(rest.remove(place));
                }
                let is_first = |at: usize| best[..at].iter().all(|earlier| earlier.image != best[at].image);
                list = Some((0..best.len()).filter(|&at| is_first(at)).map(|at| best[at]).collect());
            }
        }
        list.unwrap_or_default()
    }

    proptest! {
        #[test]
        fn the_reference_rule_is_its_definition(
            keep in 1..12_usize,
            per_image in 1..6_u32,
            sizes in proptest::collection::vec(1..9_u32, 1..5),
            scores in proptest::collection::vec((-3..6_i8).prop_map(f32::from), 5 * 9 * 6),
        ) {
            let mut scores = scores.into_iter();
            let mut images = 0..;
            let batches: Vec<Vec<ScoredWindow>> = sizes.iter().map(|&size| {
                let of_image = |image: u32| (0..per_image).map(move |window| (image, window));
                let places: Vec<_> = images.by_ref().take(size as usize).flat_map(of_image).collect();
                let scored = |(image, window)| ScoredWindow { score: scores.next().expect("enough"), image, window };
                places.into_iter().map(scored).collect()
            }).collect();

            let mut baseline = ReferenceBaseline::new(keep).expect("not zero");
            for batch in &batches {
                baseline.push_batch(batch).expect("numbers");
                baseline = ReferenceBaseline::resume(keep, baseline.patches().to_vec()).expect("not zero");
            }
            prop_assert_eq!(baseline.patches(), by_definition(&batches, keep));
        }
    }
}
