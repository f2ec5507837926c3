//! What many units say together, and how surely.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Serialize;

/// How often units are drawn again.
const RESAMPLES: usize = 2000;
/// The share of an interval on each side that is left out.
const TAIL: f64 = 0.025;
/// The quantile of the normal distribution at `1 - TAIL`.
const DEVIATIONS: f64 = 1.959_963_984_540_054;

/// A mean over units with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean over units.
    pub mean: f64,
    /// How far it may be off, as if the units were drawn at random from many; `None` where that cannot be told.
    pub interval: Option<Interval>,
    /// Number of units that say something.
    pub units: usize,
}

/// An interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

impl Estimate {
    /// Of one finite value a unit, by the percentile bootstrap: the units are drawn with replacement 2,000 times, and the
    /// interval leaves out 2.5 % of the means on either side (Efron and Tibshirani 1993, chapter 13). The generator is
    /// ChaCha8 with a seed of its own, so that the same values give the same interval, and the measures of a set are
    /// drawn alike. A single unit has no interval. `None` without values.
    pub fn of_mean(values: &[f64]) -> Option<Self> {
        let mean = mean(values)?;
        let interval = (values.len() > 1).then(|| bootstrap(values));
        Some(Self { mean, interval, units: values.len() })
    }

    /// Of one share a unit, from 0 to 1, by Wilson's interval (1927) with as many trials as there are units. `None`
    /// without values.
    pub fn of_share(values: &[f64]) -> Option<Self> {
        let mean = mean(values)?;
        Some(Self { mean, interval: Some(wilson(mean, values.len() as f64)), units: values.len() })
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn bootstrap(values: &[f64]) -> Interval {
    let mut rng = ChaCha8Rng::from_seed([0; 32]);
    let mut draw = || {
        // The high half of a product is uniform below the factor, but for what 64 bits are no multiple of.
        let at = (u128::from(rng.next_u64()) * values.len() as u128) >> 64;
        values[at as usize]
    };
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..values.len()).map(|_| draw()).sum::<f64>() / values.len() as f64)
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    Interval { lower: quantile(&means, TAIL), upper: quantile(&means, 1.0 - TAIL) }
}

/// Between the two nearest of sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, rest) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + rest * (sorted[above] - sorted[below])
}

fn wilson(share: f64, trials: f64) -> Interval {
    let squared = DEVIATIONS * DEVIATIONS / trials;
    let centre = share + squared / 2.0;
    let half = DEVIATIONS * (share * (1.0 - share) / trials + squared / (4.0 * trials)).sqrt();
    let scale = 1.0 + squared;
    Interval { lower: ((centre - half) / scale).max(0.0), upper: ((centre + half) / scale).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64, error: f64) {
        assert!((found - expected).abs() <= error, "{found}, expected {expected}");
    }

    #[test]
    fn wilsons_interval_by_hand() {
        // Newcombe 1998, table I: 81 of 263 and 0 of 20 and 1 of 29.
        for (share, trials, lower, upper) in
            [(81.0, 263.0, 0.2553, 0.3662), (0.0, 20.0, 0.0, 0.1611), (1.0, 29.0, 0.0061, 0.1718)]
        {
            let found = wilson(share / trials, trials);
            near(found.lower, lower, 5e-5);
            near(found.upper, upper, 5e-5);
        }
        let all = Estimate::of_share(&[1.0]).unwrap();
        near(all.interval.unwrap().lower, 0.2065, 5e-5);
        assert_eq!((all.mean, all.interval.unwrap().upper), (1.0, 1.0));
    }

    #[test]
    fn the_bootstrap_is_near_the_normal_interval_of_many_units() {
        let values: Vec<f64> = (0..400).map(|at| f64::from(at % 20)).collect();
        let found = Estimate::of_mean(&values).unwrap();
        // Deviation of 0..20: sqrt((400 - 1) / 12), over sqrt(400).
        let half = DEVIATIONS * (399f64 / 12.0).sqrt() / 20.0;
        assert_eq!((found.mean, found.units), (9.5, 400));
        let Interval { lower, upper } = found.interval.unwrap();
        near(lower, 9.5 - half, 0.05);
        near(upper, 9.5 + half, 0.05);
        assert_eq!(Estimate::of_mean(&values), Some(found), "the same values, the same interval");
    }

    #[test]
    fn two_units_span_what_they_say() {
        // A quarter of the resamples are both the lower one: more than is left out.
        let found = Estimate::of_mean(&[2.0, 4.0]).unwrap();
        assert_eq!((found.mean, found.interval), (3.0, Some(Interval { lower: 2.0, upper: 4.0 })));
    }

    #[test]
    fn one_unit_and_none_and_equals() {
        assert_eq!(Estimate::of_mean(&[7.0]), Some(Estimate { mean: 7.0, interval: None, units: 1 }));
        assert_eq!((Estimate::of_mean(&[]), Estimate::of_share(&[])), (None, None));
        let equal = Estimate::of_mean(&[0.5; 9]).unwrap();
        assert_eq!(equal.interval, Some(Interval { lower: 0.5, upper: 0.5 }));
    }

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!((quantile(&[5.0], 0.3), quantile(&[1.0, 2.0], 1.0)), (5.0, 2.0));
    }
}
