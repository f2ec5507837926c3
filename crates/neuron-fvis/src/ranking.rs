//! Sorting the values of one channel, the inner loop of an optimisation: exact, and stable on ties.

/// Below this many values, comparison alone is faster than counting digits.
const FEW: usize = 256;

/// Bits of the largest digit: three of them make a key, and their counters stay in the first cache.
const LONGEST_DIGIT: u32 = 11;

/// Sorts values, and remembers where each was; holds the memory for it.
///
/// Zeros (of either sign: they are equal) need no sorting, and relevance leaves most features at exactly zero. The
/// others become integers in the same order, which are distributed by one digit after the other, the lowest first. Their
/// positions go with them, in the low half; equal values stay in order.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    /// Key and position of each value that is not zero.
    keyed: Vec<u64>,
    distributed: Vec<u64>,
    /// Of each digit, where the next one of each value goes.
    places: Vec<u32>,
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
        let Self { keyed, distributed, places, .. } = self;
        if keyed.len() < FEW {
            keyed.sort_unstable();
            return;
        }
        let key_of = |keyed: u64| (keyed >> 32) as usize;
        let (lowest, highest) = keyed
            .iter()
            .fold((usize::MAX, 0), |(low, high), keyed| (low.min(key_of(*keyed)), high.max(key_of(*keyed))));
        // Equal ones have no digits, and are in order.
        let bits = usize::BITS - (highest - lowest).leading_zeros();
        let passes = bits.div_ceil(LONGEST_DIGIT);
        let digit = bits.div_ceil(passes.max(1));
        distributed.resize(keyed.len(), 0);
        for pass in 0..passes {
            let digit_of = |keyed: u64| (key_of(keyed) - lowest) >> (pass * digit) & ((1 << digit) - 1);
            places.clear();
            places.resize(1 << digit, 0);
            distribute(keyed, digit_of, places, distributed);
            std::mem::swap(keyed, distributed);
        }
    }
}

/// Writes values in the order of their digits; those of equal digits stay in order.
///
/// # Shapes
/// * `places`: zeros, one for each value of a digit
fn distribute(values: &[u64], digit_of: impl Fn(u64) -> usize, places: &mut [u32], distributed: &mut [u64]) {
    for value in values {
        places[digit_of(*value)] += 1;
    }
    let mut start = 0;
    for place in &mut *places {
        start += std::mem::replace(place, start);
    }
    for value in values {
        let place = &mut places[digit_of(*value)];
        distributed[*place as usize] = *value;
        *place += 1;
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
    fn equal_values_differ_in_their_positions_alone() {
        let values = vec![0.25; 5 * FEW];
        assert_eq!(Ranking::default().order(&values), by_definition(&values));
    }

    #[test]
    fn nan_is_kept_at_the_end() {
        assert_eq!(Ranking::default().order(&[f32::NAN, 1.0, -1.0]), [2, 1, 0]);
    }
}
