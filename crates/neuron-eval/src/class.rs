//! Whether a classifier recognises in a picture what it sees in a unit's references.

use crate::place::place;
use crate::tap_scores::TapScores;

/// The class that most of the images have as their first; the first of several such. `None` without images.
///
/// `scores` are those of a classifier's last layer.
pub fn seen_most(scores: &TapScores) -> Option<usize> {
    let mut counts = vec![0usize; scores.channels()];
    for image in 0..scores.images() {
        let values = scores.maxima(image);
        let first = (0..values.len()).reduce(|best, at| if values[at] > values[best] { at } else { best });
        counts[first?] += 1;
    }
    let most = (0..counts.len()).reduce(|best, at| if counts[at] > counts[best] { at } else { best })?;
    (counts[most] > 0).then_some(most)
}

/// The share of images whose `top` strongest classes hold `class`, from 0 to 1; `None` without images.
///
/// `scores` are those of a classifier's last layer.
pub fn share_with(scores: &TapScores, class: usize, top: usize) -> Option<f64> {
    let images = scores.images();
    let holding = (0..images).filter(|image| place(scores.maxima(*image), class) <= top).count();
    (images > 0).then(|| holding as f64 / images as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(classes: usize, values: &[f32]) -> TapScores {
        TapScores::new(classes, values.to_vec(), values.to_vec())
    }

    #[test]
    fn the_class_that_is_first_most_often() {
        let images = scores(3, &[0.0, 1.0, 2.0, 5.0, 1.0, 0.0, -3.0, -2.0, -1.0]);
        assert_eq!(seen_most(&images), Some(2));
        // One image each, or all alike: the first of them.
        assert_eq!(seen_most(&scores(2, &[0.0, 1.0, 1.0, 0.0])), Some(0));
        assert_eq!(seen_most(&scores(2, &[1.0, 1.0])), Some(0));
        assert_eq!(seen_most(&scores(2, &[])), None);
    }

    #[test]
    fn the_share_of_images_that_hold_a_class() {
        let images = scores(3, &[0.0, 1.0, 2.0, 5.0, 1.0, 0.0, -3.0, -2.0, -1.0, 1.0, 0.0, 2.0]);
        let shares = |class| [1, 2, 3].map(|top| share_with(&images, class, top).unwrap());
        assert_eq!(
            [shares(0), shares(1), shares(2)],
            [[0.25, 0.5, 1.0], [0.0, 0.75, 1.0], [0.75, 0.75, 1.0]]
        );
        // Equals count as stronger, as wherever places are told.
        assert_eq!(share_with(&scores(2, &[1.0, 1.0]), 0, 1), Some(0.0));
        assert_eq!(share_with(&scores(2, &[]), 0, 1), None);
    }
}
