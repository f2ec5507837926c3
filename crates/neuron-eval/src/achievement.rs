//! How well a picture excites its unit, beside the unit's references and images in general.

use serde::Serialize;

use crate::place::place;
use crate::tap_scores::TapScores;

/// A mean activation up to here is rounding: a ratio to it would be any number.
const NOTHING: f64 = 1e-6;

/// What a picture does to its unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Achievement {
    /// The greatest activation over all positions.
    pub max: Reached,
    /// The mean activation over all positions.
    pub mean: Reached,
    /// How many standard deviations the unit's greatest activation lies above its mean over the population.
    pub z_score: f64,
    /// Place of the unit among all channels of its tap by that number; 1 is the first.
    pub rank: usize,
    /// Number of channels of the tap.
    pub channels: usize,
    /// Number of images of the population.
    pub population: usize,
}

/// An activation beside those of the unit's references.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reached {
    /// On the picture.
    pub value: f64,
    /// Mean over the references.
    pub references: f64,
    /// `value / references`, where it says how far the picture comes: nothing of it is below 0, and the mean over the
    /// references is more than nothing.
    pub ratio: Option<f64>,
    /// Share of the references that the picture exceeds, in percent.
    pub percentile: f64,
    /// Whether the references are such that a share of them says something.
    #[serde(skip)]
    comparable: bool,
}

impl Achievement {
    /// What image `item` of `pictures` does to `channel`, beside what the unit's `references` do and what images in
    /// general (the `population`) do to every channel.
    pub fn of(
        (pictures, item): (&TapScores, usize),
        channel: usize,
        references: &TapScores,
        population: &TapScores,
    ) -> Self {
        let channels = pictures.channels();
        let greatest = pictures.maxima(item);
        let z_scores: Vec<f64> = greatest
            .iter()
            .enumerate()
            .map(|(channel, value)| z_score(population, channel, *value))
            .collect();
        Self {
            max: Reached::of(greatest[channel], references.maxima_of(channel)),
            mean: Reached::of(pictures.means(item)[channel], references.means_of(channel)),
            z_score: z_scores[channel],
            rank: place(&z_scores, channel),
            channels,
            population: population.images(),
        }
    }
}

impl Reached {
    fn of(value: f32, references: impl Iterator<Item = f32> + Clone) -> Self {
        let count = references.clone().count().max(1) as f64;
        let mean = references.clone().map(f64::from).sum::<f64>() / count;
        let comparable = references.clone().all(|value| value >= 0.0) && mean > NOTHING;
        let exceeded = references.filter(|reference| *reference < value).count() as f64;
        let value = f64::from(value);
        let ratio = (comparable && value >= 0.0).then_some(value / mean);
        Self { value, references: mean, ratio, percentile: 100.0 * exceeded / count, comparable }
    }

    /// As `ratio`, for means over pictures: a picture on which the unit is below 0 counts as 0, and is not left out. It
    /// depends on the references alone whether there is one.
    pub fn share(&self) -> Option<f64> {
        self.comparable.then(|| (self.value / self.references).max(0.0))
    }
}

/// Distance of a value from the population's mean in standard deviations; 0 where the population does not vary.
fn z_score(population: &TapScores, channel: usize, value: f32) -> f64 {
    let values = population.maxima_of(channel).map(f64::from);
    let count = population.images().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let deviation = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    if deviation > 0.0 { (f64::from(value) - mean) / deviation } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_achievement_by_hand() {
        let scores = |max: &[f32]| TapScores::new(2, max.to_vec(), max.to_vec());
        let picture = scores(&[0.0, 0.0, 9.0, 7.0]);
        let references = scores(&[1.0, 5.0, 2.0, 6.0, 3.0, 10.0]);
        // Means 4 and 2, deviations 1 and 2.
        let population = scores(&[3.0, 0.0, 5.0, 4.0]);
        let found = Achievement::of((&picture, 1), 1, &references, &population);
        assert_eq!(
            found.max,
            Reached {
                value: 7.0,
                references: 7.0,
                ratio: Some(1.0),
                percentile: 200.0 / 3.0,
                comparable: true
            }
        );
        assert_eq!((found.z_score, found.rank, found.channels, found.population), (2.5, 2, 2, 2));
        assert_eq!(Achievement::of((&picture, 1), 0, &references, &population).rank, 1);
    }

    #[test]
    fn a_silent_population_has_no_spread() {
        let silent = TapScores::new(1, vec![0.0; 2], vec![0.0; 2]);
        let picture = TapScores::new(1, vec![3.0], vec![3.0]);
        let found = Achievement::of((&picture, 0), 0, &silent, &silent);
        assert_eq!((found.max.ratio, found.max.percentile, found.z_score), (None, 100.0, 0.0));
    }

    #[test]
    fn a_share_is_there_wherever_the_references_say_something() {
        let share = |value: f32, references: &[f32]| Reached::of(value, references.iter().copied()).share();
        assert_eq!((share(3.0, &[4.0, 0.0]), share(-3.0, &[1.0])), (Some(1.5), Some(0.0)));
        for value in [-3.0, 3.0] {
            assert_eq!((share(value, &[-1.0, 9.0]), share(value, &[1e-7])), (None, None));
        }
    }

    #[test]
    fn there_is_no_ratio_where_it_would_say_nothing() {
        let ratio = |value: f32, references: &[f32]| Reached::of(value, references.iter().copied()).ratio;
        assert_eq!(ratio(3.0, &[4.0, 0.0]), Some(1.5));
        assert_eq!(ratio(0.0, &[4.0]), Some(0.0));
        // A more negative picture would be the greater success.
        assert_eq!(ratio(-3.0, &[-1.0, -2.0]), None);
        assert_eq!(ratio(-3.0, &[1.0]), None);
        // A mean of next to nothing, which anything exceeds a million times.
        assert_eq!(ratio(3.0, &[-5.0, 5.000_001]), None);
        assert_eq!(ratio(3.0, &[1e-7]), None);
        assert_eq!(ratio(3.0, &[]), None);
    }
}
