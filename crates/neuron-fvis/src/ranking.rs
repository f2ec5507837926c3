//! Sorting the values of one channel, the inner loop of an optimisation: exact, and stable on ties.

/// Below this many values, comparison alone is faster than clearing the buckets.
const FEW: usize = 256;

/// Sorts values, and remembers where each was; holds the memory for it.
///
/// Zeros (of either sign: they are equal) need no sorting, and relevance leaves most features at exactly zero. The
/// others become integers in the same order, with the position in the low half, so that no two are equal and any
/// sorting is stable. They are distributed to buckets by their leading bits, and the buckets are sorted.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    /// Key and position of each value that is not zero.
    keyed: Vec<u64>,
    bucketed: Vec<u64>,
    bucket_ends: Vec<u32>,
    /// Positions of zeros.
    zeros: Vec<u32>,
    order: Vec<u32>,
}

impl Ranking {
    /// The positions of the values from the smallest to the largest; those of equal values in ascending order.
    ///
    /// NaN comes last (first, with a sign).
    pub(crate) fn order(&mut self, values: &[f32]) -> &[u32] {
        let negative = self.divide(values);
        self.sort();
        let positions = |keyed: &u64| *keyed as u32;
        self.order.clear();
        self.order.extend(self.keyed[..negative].iter().map(positions));
        self.order.extend_from_slice(&self.zeros);
        self.order.extend(self.keyed[negative..].iter().map(positions));
        &self.order
    }

    /// Tells zeros from other values, and returns how many of these are negative. Without branches: half of the features
    /// behind a ReLU are zero, and which ones cannot be foreseen.
    fn divide(&mut self, values: &[f32]) -> usize {
        let Self { keyed, zeros, .. } = self;
        keyed.resize(values.len(), 0);
        zeros.resize(values.len(), 0);
        let [mut others, mut equal, mut negative] = [0; 3];
        for (at, value) in (0u32..).zip(values) {
            let is_zero = usize::from(*value == 0.0);
            keyed[others] = u64::from(key(*value)) << 32 | u64::from(at);
            zeros[equal] = at;
            others += 1 - is_zero;
            equal += is_zero;
            negative += usize::from(value.is_sign_negative()) & (1 - is_zero);
        }
        keyed.truncate(others);
        zeros.truncate(equal);
        negative
    }

    /// Sorts `keyed`.
    fn sort(&mut self) {
        let Self { keyed, bucketed, bucket_ends, .. } = self;
        if keyed.len() < FEW {
            keyed.sort_unstable();
            return;
        }
        let (lowest, highest) =
            keyed.iter().fold((u64::MAX, 0), |(low, high), keyed| (low.min(*keyed), high.max(*keyed)));
        let (lowest, highest) = (lowest >> 32, highest >> 32);
        let bits = u64::BITS - (highest - lowest).leading_zeros();
        // One or two values a bucket, if they lie evenly.
        let buckets = keyed.len().next_power_of_two() / 2;
        let shift = bits.saturating_sub(buckets.ilog2());
        let bucket = |keyed: u64| (((keyed >> 32) - lowest) >> shift) as usize;

        // Counting, one place later: the sums are then the starts, and after the distribution the ends.
        bucket_ends.clear();
        bucket_ends.resize(buckets + 1, 0);
        keyed.iter().for_each(|keyed| bucket_ends[bucket(*keyed) + 1] += 1);
        for at in 1..=buckets {
            bucket_ends[at] += bucket_ends[at - 1];
        }
        bucketed.resize(keyed.len(), 0);
        for keyed in &*keyed {
            let end = &mut bucket_ends[bucket(*keyed)];
            bucketed[*end as usize] = *keyed;
            *end += 1;
        }
        let mut start = 0;
        for end in &bucket_ends[..buckets] {
            let end = *end as usize;
            match end - start {
                0 | 1 => {}
                2 if bucketed[start] > bucketed[start + 1] => bucketed.swap(start, start + 1),
                2 => {}
                _ => bucketed[start..end].sort_unstable(),
            }
            start = end;
        }
        std::mem::swap(keyed, bucketed);
    }
}

/// An integer that orders as the float does.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_definition(values: &[f32]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        // A stable sort; zeros of both signs compare as equal.
        order.sort_by(|a, b| values[*a as usize].partial_cmp(&values[*b as usize]).expect("no NaN"));
        order
    }

    fn values() -> impl Strategy<Value = Vec<f32>> {
        let value = prop_oneof![
            3 => Just(0.0),
            1 => Just(-0.0),
            2 => prop::sample::select(vec![1.0, -1.0, 2.5, f32::MIN_POSITIVE, f32::MAX, f32::MIN]),
            3 => -1.0f32..1.0,
            1 => (-30i32..30, -1.0f32..1.0).prop_map(|(power, value)| value * 2f32.powi(power)),
        ];
        prop::collection::vec(value, 0..3 * FEW)
    }

    proptest! {
        #[test]
        fn any_values_are_sorted_stably(values in values(), more in values()) {
            let mut ranking = Ranking::default();
            prop_assert_eq!(ranking.order(&values), by_definition(&values));
            prop_assert_eq!(ranking.order(&more), by_definition(&more), "the memory is used again");
        }
    }

    #[test]
    fn equal_values_fill_one_bucket() {
        let values = vec![0.25; 5 * FEW];
        assert_eq!(Ranking::default().order(&values), by_definition(&values));
    }

    #[test]
    fn nan_is_kept_at_the_end() {
        assert_eq!(Ranking::default().order(&[f32::NAN, 1.0, -1.0]), [2, 1, 0]);
    }
}
