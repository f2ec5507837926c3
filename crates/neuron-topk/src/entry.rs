/// One item of a channel's list.
///
/// Lists are ordered best first: by descending score, and among equal scores by ascending index. `-0.0` and
/// `0.0` are equal; a pushed `-0.0` comes back as `0.0`, so that a list depends on nothing but the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The score; never NaN, but possibly infinite.
    pub score: f32,
    /// Index of the item in the data set's order.
    pub index: u32,
    /// Whatever the caller wants back with the item, such as the position of the maximum or the best window.
    pub payload: u32,
}

/// An [`Entry`] as it is stored: 12 bytes that compare as integers.
#[derive(Clone, Copy)]
pub(crate) struct Ranked {
    /// The score's bits, mapped so that they ascend with the score.
    score: u32,
    index: u32,
    payload: u32,
}

impl Ranked {
    pub(crate) const ZERO: Self = Self { score: 0, index: 0, payload: 0 };

    /// Sorts ascending from best to worst.
    ///
    /// One wide integer makes the comparison free of branches. The payload takes part only so that even an item
    /// pushed twice has a deterministic place.
    pub(crate) fn key(self) -> u128 {
        (u128::from(self.demerit()) << 64) | (u128::from(self.index) << 32) | u128::from(self.payload)
    }

    /// The score as an integer that ascends from best to worst.
    pub(crate) fn demerit(self) -> u32 {
        !self.score
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }

    pub(crate) fn score(self) -> f32 {
        // The inverse of the map below.
        f32::from_bits(if self.score >> 31 == 1 { self.score & !SIGN } else { !self.score })
    }
}

const SIGN: u32 = 1 << 31;

impl From<Entry> for Ranked {
    fn from(entry: Entry) -> Self {
        // IEEE 754 orders sign-magnitude: flipping the negative half and lifting the positive one makes it the
        // order of unsigned integers. Adding zero turns -0.0 into 0.0 and changes nothing else.
        let bits = (entry.score + 0.0).to_bits();
        let score = if bits & SIGN == 0 { bits | SIGN } else { !bits };
        Self { score, index: entry.index, payload: entry.payload }
    }
}

impl From<Ranked> for Entry {
    fn from(ranked: Ranked) -> Self {
        Self { score: ranked.score(), index: ranked.index, payload: ranked.payload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = Entry> {
        (any::<f32>().prop_filter("a number", |score| !score.is_nan()), 0..3_u32, 0..3_u32)
            .prop_map(|(score, index, payload)| Entry { score, index, payload })
    }

    proptest! {
        #[test]
        fn keys_order_as_the_definition_says(a in entry(), b in entry()) {
            let by_definition = b.score.partial_cmp(&a.score).expect("no NaN")
                .then(a.index.cmp(&b.index))
                .then(a.payload.cmp(&b.payload));
            prop_assert_eq!(Ranked::from(a).key().cmp(&Ranked::from(b).key()), by_definition);
        }

        #[test]
        fn storing_loses_nothing(entry in entry()) {
            prop_assert_eq!(Entry::from(Ranked::from(entry)), entry);
        }
    }

    #[test]
    fn the_extremes_keep_their_places() {
        let scores = [
            f32::INFINITY,
            f32::MAX,
            f32::MIN_POSITIVE,
            0.0,
            -f32::MIN_POSITIVE,
            f32::MIN,
            f32::NEG_INFINITY,
        ];
        let keys = scores.map(|score| Ranked::from(Entry { score, index: 0, payload: 0 }).key());
        assert!(keys.is_sorted_by(|better, worse| better < worse));
    }

    #[test]
    fn negative_zero_becomes_zero() {
        let stored = Ranked::from(Entry { score: -0.0, index: 7, payload: 1 });
        assert_eq!(stored.score().to_bits(), 0.0_f32.to_bits());
    }
}
