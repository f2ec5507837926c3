//! Whether a picture goes through a network as the unit's references do.

use serde::Serialize;

use crate::rank_sum::RankSum;

/// References that are so little more like one another than like images in general say nothing about a picture.
const LEAST_DIFFERENCE: f64 = 0.01;

/// How alike a layer's values are on a picture and on the unit's references, after Geirhos et al. 2024 ("Don't trust
/// your eyes", arXiv 2306.04719, section 3): mean Spearman correlations of all values of the layer's map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LayerSimilarity {
    /// Mean correlation of the picture with a reference; over several pictures, of each with each.
    pub picture: f64,
    /// Mean correlation of two references.
    pub references: f64,
    /// Mean correlation of a reference with an image of the population.
    pub population: f64,
    /// `(picture - population) / (references - population)`: 1 if the picture is like the references as they are like
    /// one another, 0 if it is like them no more than any image. `None` where the references are not at least 0.01 more
    /// like one another than like the population.
    pub normalised: Option<f64>,
}

impl LayerSimilarity {
    /// `None` with fewer than two references, without a population or without a picture.
    pub fn of(pictures: &RankSum, references: &RankSum, population: &RankSum) -> Option<Self> {
        let picture = pictures.correlation(references)?;
        let within = references.correlation_within()?;
        let outside = references.correlation(population)?;
        let difference = within - outside;
        let normalised = (difference >= LEAST_DIFFERENCE).then(|| (picture - outside) / difference);
        Some(Self { picture, references: within, population: outside, normalised })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of(images: &[[f32; 3]]) -> RankSum {
        RankSum::of_values(images.iter().map(|values| &values[..]))
    }

    #[test]
    fn a_similarity_by_hand() {
        const UP: [f32; 3] = [1.0, 2.0, 3.0];
        const DOWN: [f32; 3] = [3.0, 2.0, 1.0];
        const MIXED: [f32; 3] = [2.0, 1.0, 3.0];
        // 0.5 with UP, -0.5 with DOWN.
        let (references, population) = (sum_of(&[UP, UP]), sum_of(&[DOWN, UP, DOWN, DOWN]));
        let of = |picture| LayerSimilarity::of(&sum_of(&[picture]), &references, &population).unwrap();
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found}");
        near(of(UP).normalised.unwrap(), 1.0);
        near(of(MIXED).picture, 0.5);
        near(of(MIXED).population, -0.5);
        near(of(MIXED).normalised.unwrap(), 2.0 / 3.0);
        near(of(DOWN).normalised.unwrap(), -1.0 / 3.0);
        // Two pictures are their mean.
        let both = LayerSimilarity::of(&sum_of(&[UP, DOWN]), &references, &population).unwrap();
        near(both.normalised.unwrap(), 1.0 / 3.0);
    }

    #[test]
    fn references_like_everything_else_say_nothing() {
        let same = sum_of(&[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]);
        assert_eq!(LayerSimilarity::of(&same, &same, &same).unwrap().normalised, None);
        let silent = sum_of(&[[0.0; 3], [0.0; 3]]);
        let found = LayerSimilarity::of(&same, &silent, &same).unwrap();
        assert_eq!((found.picture, found.references, found.normalised), (0.0, 0.0, None));
        let one = sum_of(&[[1.0, 2.0, 3.0]]);
        assert_eq!(LayerSimilarity::of(&one, &one, &same), None);
        assert_eq!(LayerSimilarity::of(&one, &same, &RankSum::new()), None);
    }
}
