//! Rank correlations between many images at the cost of a sum.
//!
//! Spearman's correlation of two images at a layer is the scalar product of their *standardised ranks*: the ranks of all
//! values of the map, ties averaged, minus their mean, divided by their length. It is linear in each of the two: the mean
//! correlation of a picture with many images is the product with the mean of their standardised ranks. So none of them
//! has to be kept, and pairs cost nothing.

/// The standardised ranks of a layer's values, summed over some images.
#[derive(Clone, Debug, PartialEq)]
pub struct RankSum {
    /// One for each channel and position.
    sum: Vec<f64>,
    images: usize,
    /// Images whose values are not all equal: their ranks have length 1, those of the others are zero.
    telling: usize,
}

impl RankSum {
    /// Of no images yet.
    pub fn new() -> Self {
        Self { sum: Vec::new(), images: 0, telling: 0 }
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Adds an image by its standardised ranks.
    ///
    /// # Panics
    /// If it has another number of values than those before.
    pub(crate) fn add(&mut self, ranks: &StandardisedRanks) {
        if self.sum.is_empty() {
            self.sum.resize(ranks.values.len(), 0.0);
        }
        assert_eq!(self.sum.len(), ranks.values.len(), "images of one size have as many values");
        self.sum.iter_mut().zip(&ranks.values).for_each(|(sum, value)| *sum += f64::from(*value));
        self.images += 1;
        self.telling += usize::from(ranks.telling);
    }

    /// Adds the images of another sum.
    ///
    /// # Panics
    /// If they have another number of values.
    pub fn extend(&mut self, other: &Self) {
        if self.sum.is_empty() {
            self.sum.resize(other.sum.len(), 0.0);
        }
        assert!(other.images == 0 || self.sum.len() == other.sum.len(), "the sums are of one layer");
        self.sum.iter_mut().zip(&other.sum).for_each(|(sum, value)| *sum += value);
        self.images += other.images;
        self.telling += other.telling;
    }

    /// Of some images by their values.
    #[cfg(test)]
    pub(crate) fn of_values<'v>(images: impl IntoIterator<Item = &'v [f32]>) -> Self {
        let mut sum = Self::new();
        for values in images {
            let mut ranks = StandardisedRanks::default();
            ranks.replace(values, &mut Vec::new());
            sum.add(&ranks);
        }
        sum
    }

    /// The sum of the images that are not among those of `part`, all of which must be among these.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        let mut rest = self.clone();
        rest.sum.iter_mut().zip(&part.sum).for_each(|(sum, value)| *sum -= value);
        rest.images -= part.images;
        rest.telling -= part.telling;
        rest
    }

    /// Mean correlation over all pairs of an image of this and one of the other; `None` without pairs.
    pub fn correlation(&self, other: &Self) -> Option<f64> {
        let pairs = self.images * other.images;
        (pairs > 0).then(|| dot(&self.sum, &other.sum) / pairs as f64)
    }

    /// Mean correlation over all pairs of different images of this; `None` if there are fewer than two.
    pub fn correlation_within(&self) -> Option<f64> {
        let pairs = self.images * self.images.saturating_sub(1);
        (pairs > 0).then(|| (dot(&self.sum, &self.sum) - self.telling as f64) / pairs as f64)
    }
}

impl Default for RankSum {
    fn default() -> Self {
        Self::new()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The ranks of an image's values, of mean 0 and length 1, or all 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StandardisedRanks {
    values: Vec<f32>,
    /// Whether the values are not all equal.
    telling: bool,
}

impl StandardisedRanks {
    /// Of finite values. `order` is memory for sorting.
    ///
    /// Zeros are a run of equals whose place is known: behind a ReLU they are most values, and need no sorting.
    pub(crate) fn replace(&mut self, values: &[f32], order: &mut Vec<u64>) {
        order.clear();
        let telling = values.iter().enumerate().filter(|(_, value)| **value != 0.0);
        order.extend(telling.map(|(at, value)| sortable(*value) << 32 | at as u64));
        order.sort_unstable();
        let zeros = values.len() - order.len();
        let negative = order.partition_point(|entry| entry >> 63 == 0);
        // Ranks are 0, 1, ...: their mean is known, and what a run of equals has in common is the middle of it.
        let centre = (values.len() as f64 - 1.0) / 2.0;
        let middle = |first: usize, len: usize| first as f64 + (len as f64 - 1.0) / 2.0 - centre;
        let runs = || {
            let mut sorted = 0;
            order.chunk_by(|a, b| a >> 32 == b >> 32).map(move |run| {
                let first = if sorted < negative { sorted } else { sorted + zeros };
                sorted += run.len();
                (run, middle(first, run.len()))
            })
        };
        let zero = middle(negative, zeros);
        let squares = runs().map(|(run, middle)| run.len() as f64 * middle * middle).sum::<f64>();
        let length = (squares + zeros as f64 * zero * zero).sqrt();
        self.telling = length > 0.0;
        self.values.clear();
        self.values.resize(values.len(), if self.telling { (zero / length) as f32 } else { 0.0 });
        if self.telling {
            for (run, middle) in runs() {
                let value = (middle / length) as f32;
                run.iter().for_each(|entry| self.values[*entry as u32 as usize] = value);
            }
        }
    }
}

/// Bits that are ordered as the numbers are: the highest is set above 0.
fn sortable(value: f32) -> u64 {
    let bits = value.to_bits();
    u64::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of(images: &[&[f32]]) -> RankSum {
        RankSum::of_values(images.iter().copied())
    }

    /// Spearman's correlation by its definition: Pearson's of the ranks.
    fn spearman(a: &[f32], b: &[f32]) -> f64 {
        let ranks = |values: &[f32]| -> Vec<f64> {
            let rank = |value: &f32| {
                let below = values.iter().filter(|other| *other < value).count() as f64;
                let equal = values.iter().filter(|other| *other == value).count() as f64;
                below + (equal + 1.0) / 2.0
            };
            let ranks: Vec<f64> = values.iter().map(rank).collect();
            let mean = ranks.iter().sum::<f64>() / ranks.len() as f64;
            ranks.iter().map(|rank| rank - mean).collect()
        };
        let (a, b) = (ranks(a), ranks(b));
        let lengths = (dot(&a, &a) * dot(&b, &b)).sqrt();
        if lengths > 0.0 { dot(&a, &b) / lengths } else { 0.0 }
    }

    fn near(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-6, "{found:?}, expected {expected}");
    }

    const IMAGES: [&[f32]; 4] = [
        &[0.0, 1.0, 5.0, -2.0, 3.0, 0.5],
        &[0.0, 0.0, 9.0, 0.0, 1.0, 1.0],
        &[7.0, 6.0, -0.0, 0.0, 0.0, 2.0],
        &[2.0; 6],
    ];

    #[test]
    fn a_correlation_by_hand() {
        let up = sum_of(&[&[1.0, 2.0, 30.0]]);
        near(up.correlation(&sum_of(&[&[-3.0, 0.0, 0.1]])), 1.0);
        near(up.correlation(&sum_of(&[&[3.0, 2.0, 1.0]])), -1.0);
        near(up.correlation(&sum_of(&[&[0.0, 5.0, 0.0]])), 0.0);
        // Ranks 1, 2, 3 and 1.5, 1.5, 3: 1.5 / sqrt(2 * 1.5).
        near(up.correlation(&sum_of(&[&[0.0, -0.0, 5.0]])), 0.75f64.sqrt());
    }

    #[test]
    fn means_over_pairs_are_those_of_the_definition() {
        let all = sum_of(&IMAGES);
        let (first, rest) = (sum_of(&IMAGES[..1]), sum_of(&IMAGES[1..]));
        let pairs = |a: &[usize], b: &[usize]| {
            let pairs: Vec<f64> = a
                .iter()
                .flat_map(|a| {
                    b.iter().filter(move |b| a != *b).map(move |b| spearman(IMAGES[*a], IMAGES[*b]))
                })
                .collect();
            pairs.iter().sum::<f64>() / pairs.len() as f64
        };
        near(first.correlation(&rest), pairs(&[0], &[1, 2, 3]));
        near(all.correlation_within(), pairs(&[0, 1, 2, 3], &[0, 1, 2, 3]));
        let left = all.without(&first);
        near(left.correlation_within(), rest.correlation_within().unwrap());
        let mut both = first.clone();
        both.extend(&rest);
        near(both.correlation_within(), all.correlation_within().unwrap());
        assert_eq!((both.images(), left.images()), (4, 3));
    }

    #[test]
    fn where_there_are_no_pairs_there_is_no_mean() {
        let one = sum_of(&IMAGES[..1]);
        assert_eq!((one.correlation(&RankSum::new()), one.correlation_within()), (None, None));
        assert_eq!(RankSum::new().correlation_within(), None);
        near(sum_of(&[IMAGES[3]; 2]).correlation_within(), 0.0);
        near(sum_of(&[IMAGES[0]; 2]).correlation_within(), 1.0);
    }
}
