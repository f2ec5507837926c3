use super::Lanes;

/// Lanes of plain Rust, for machines without a kernel of their own and as the others' specification.
///
/// `f32::mul_add` is exact everywhere; where the target has no such instruction it is a slow library call.
#[derive(Clone, Copy)]
pub(in super::super) struct Portable([f32; 4]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        // Spelled out: Miri takes several times as long for a closure over an array.
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([operation(a, e), operation(b, f), operation(c, g), operation(d, h)])
    }
}

impl Lanes for Portable {
    const LEN: usize = 4;
    type Wide = [f64; 4];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: `from` is valid for `LEN` values; no alignment is asked for.
        unsafe { Self(from.cast::<[f32; 4]>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: `to` is valid for `LEN` values; no alignment is asked for.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) = (self.0, factor.0, addend.0);
        Self([a.mul_add(e, i), b.mul_add(f, j), c.mul_add(g, k), d.mul_add(h, l)])
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn at_least(self, limit: Self) -> Self {
        self.zip(limit, |value, limit| if value < limit { limit } else { value })
    }

    #[inline(always)]
    unsafe fn at_most(self, limit: Self) -> Self {
        self.zip(limit, |value, limit| if value > limit { limit } else { value })
    }

    #[inline(always)]
    unsafe fn where_positive(self, gate: Self) -> Self {
        self.zip(gate, |value, gate| if gate > 0.0 { value } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn where_less(self, other: Self, yes: Self, no: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        let ([i, j, k, l], [m, n, o, p]) = (yes.0, no.0);
        let pick = |less: bool, yes: f32, no: f32| if less { yes } else { no };
        Self([pick(a < e, i, m), pick(b < f, j, n), pick(c < g, k, o), pick(d < h, l, p)])
    }

    #[inline(always)]
    unsafe fn where_nan(self, yes: Self, no: Self) -> Self {
        let ([a, b, c, d], [i, j, k, l], [m, n, o, p]) = (self.0, yes.0, no.0);
        let pick = |nan: f32, yes: f32, no: f32| if nan.is_nan() { yes } else { no };
        Self([pick(a, i, m), pick(b, j, n), pick(c, k, o), pick(d, l, p)])
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        Self(self.0.map(f32::abs))
    }

    #[inline(always)]
    unsafe fn exponent_in_last_bits(self) -> Self {
        Self(self.0.map(|value| f32::from_bits(value.to_bits() << 23)))
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Wide {
        self.0.map(f64::from)
    }

    #[inline(always)]
    unsafe fn wide_splat(value: f64) -> Self::Wide {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn wide_mul_add(values: Self::Wide, factors: Self::Wide, sums: Self::Wide) -> Self::Wide {
        // Products are exact, so that the sum alone is rounded.
        std::array::from_fn(|index| sums[index] + values[index] * factors[index])
    }

    #[inline(always)]
    unsafe fn wide_add(values: Self::Wide, sums: Self::Wide) -> Self::Wide {
        std::array::from_fn(|index| sums[index] + values[index])
    }

    #[inline(always)]
    unsafe fn wide_store(values: Self::Wide, to: *mut f64) {
        // SAFETY: `to` is valid for `LEN` sums; no alignment is asked for.
        unsafe { to.cast::<[f64; 4]>().write_unaligned(values) }
    }
}
