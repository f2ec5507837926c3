//! bf16 numbers: the upper halves of f32 ones.

/// What is smaller once it is rounded counts as 0: its products could be denormal.
pub(super) const SMALLEST: u16 = (127 - 56) << 7;
/// As [`SMALLEST`], for biases, which are neither rounded nor multiplied.
const SMALLEST_BIAS: f32 = f32::from_bits((127 - 102) << 23);

/// How many bf16 numbers stand for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Terms {
    /// The nearest: 8 significant bits.
    One,
    /// The nearest, and the nearest to the rest: 16 significant bits.
    Two,
}

impl Terms {
    /// How many they are.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

/// The nearest bf16 number, ties to even.
#[inline(always)]
pub(super) fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = ((bits.wrapping_add(0x7fff + (bits >> 16 & 1))) >> 16) as u16;
    let rounded = if rounded & 0x7fff < SMALLEST { 0 } else { rounded };
    if value.is_nan() { (bits >> 16) as u16 | 0x40 } else { rounded }
}

/// The value of a bf16 number.
#[inline(always)]
pub(super) fn widen(number: u16) -> f32 {
    f32::from_bits(u32::from(number) << 16)
}

/// The nearest bf16 number, and the nearest to the rest.
#[inline(always)]
pub(super) fn split(value: f32) -> [u16; 2] {
    let high = round(value);
    // Infinite values have no rest.
    let rest = if value.is_infinite() { 0.0 } else { value - widen(high) };
    [high, round(rest)]
}

/// What a bias counts as. No sum is ever -0 then, and adding products that are 0 changes no bit.
pub(super) fn bias(value: f32) -> f32 {
    if value.abs() < SMALLEST_BIAS { 0.0 } else { value }
}

/// The values of one position.
#[inline(always)]
pub(super) fn widen_pixel(numbers: &[u16], terms: Terms, values: &mut [f32]) {
    let (high, low) = numbers.split_at(values.len());
    values.iter_mut().zip(high).for_each(|(value, number)| *value = widen(*number));
    if terms == Terms::Two {
        values.iter_mut().zip(low).for_each(|(value, number)| *value += widen(*number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_nearest_even() {
        assert_eq!(round(1.0), 0x3f80);
        assert_eq!(round(f32::from_bits(0x3f80_8000)), 0x3f80, "a tie goes to even");
        assert_eq!(round(f32::from_bits(0x3f81_8000)), 0x3f82, "a tie goes to even");
        assert_eq!(round(f32::from_bits(0x3f80_8001)), 0x3f81);
        assert_eq!(round(f32::MAX), 0x7f80, "what is too large is infinite");
        assert_eq!(widen(round(-2f32.powi(-56))), -2f32.powi(-56), "the smallest");
        assert_eq!(round(2f32.powi(-57)), 0);
        assert_eq!(widen(round(2f32.powi(-56).next_down())), 2f32.powi(-56), "rounded first");
        assert!(widen(round(f32::NAN)).is_nan() && widen(round(-f32::NAN)).is_nan());
        assert!(widen(round(f32::from_bits(0x7f80_0001))).is_nan(), "no NaN becomes infinite");
    }

    #[test]
    fn two_terms_hold_sixteen_bits() {
        for value in [1.0, -1.0 / 3.0, 3.0e10, 0.1, f32::INFINITY] {
            let [high, low] = split(value);
            let sum = widen(high) + widen(low);
            assert!(sum == value || ((sum - value) / value).abs() <= 2f32.powi(-17), "{value}: {sum}");
        }
    }
}
