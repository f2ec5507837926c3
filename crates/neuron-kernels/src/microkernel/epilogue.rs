//! What follows the sums: bias, addend and one last step, the same for vectors and for single values.
use super::lanes::Lanes;
use std::ptr::null;

/// `last(sum + bias + addend?)`, or for a product `last(sum + bias) + addend?`; the slices are laid out like the whole
/// output, apart from the bias.
///
/// Both epilogues that a caller can ask for, [`Epilogue`](crate::Epilogue) and
/// [`TransposeEpilogue`](crate::TransposeEpilogue), become this one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FullEpilogue<'a> {
    /// One value a column, padded with zeros to whole panels.
    pub(crate) bias: &'a [f32],
    pub(crate) addend: Option<&'a [f32]>,
    pub(crate) last: Last<'a>,
}

/// The last step of a [`FullEpilogue`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Last<'a> {
    Keep,
    Relu,
    /// `numerator / (value + eps)`
    Quotient {
        numerator: &'a [f32],
        eps: f32,
    },
    /// `if gate > 0 { value } else { 0 }`
    Mask(&'a [f32]),
    /// As `Mask`, then negative values become 0.
    MaskRelu(&'a [f32]),
    /// `value * factor`, before the addend.
    Multiply(&'a [f32]),
}

impl<'a> Last<'a> {
    /// The slice that takes part, if there is one.
    fn operand(&self) -> Option<&'a [f32]> {
        match *self {
            Self::Keep | Self::Relu => None,
            Self::Quotient { numerator: slice, .. }
            | Self::Mask(slice)
            | Self::MaskRelu(slice)
            | Self::Multiply(slice) => Some(slice),
        }
    }
}

impl<'a> FullEpilogue<'a> {
    /// The same for a part of the output that begins at column `from` of a row.
    pub(crate) fn at_column(&self, from: usize) -> Self {
        Self { bias: &self.bias[from..], ..*self }
    }

    /// # Panics
    /// If a slice is not as long as the whole output.
    pub(crate) fn check(&self, output: usize) {
        let mut slices = self.addend.into_iter().chain(self.last.operand());
        assert!(slices.all(|slice| slice.len() == output), "epilogue of an output of {output} values");
    }

    /// # Panics
    /// If a slice ends before index `end` of the output.
    pub(super) fn check_covers(&self, end: usize) {
        let mut slices = self.addend.into_iter().chain(self.last.operand());
        assert!(slices.all(|slice| slice.len() >= end), "epilogue of an output of at least {end} values");
    }

    /// The finished value at `column` of the bias and index `at` of the output.
    #[inline(always)]
    pub(super) fn value(&self, sum: f32, column: usize, at: usize) -> f32 {
        let mut value = sum + self.bias[column];
        if let Last::Multiply(factor) = self.last {
            value *= factor[at];
        }
        let value = self.addend.map_or(value, |addend| value + addend[at]);
        match self.last {
            Last::Keep | Last::Multiply(_) => value,
            Last::Relu => relu(value),
            Last::Quotient { numerator, eps } => numerator[at] / (value + eps),
            Last::Mask(gate) => where_positive(value, gate[at]),
            Last::MaskRelu(gate) => relu(where_positive(value, gate[at])),
        }
    }

    /// The slices as pointers, for the kernels.
    pub(super) fn raw(&self) -> RawEpilogue {
        let pointer = |slice: Option<&[f32]>| slice.map_or(null(), <[f32]>::as_ptr);
        RawEpilogue {
            bias: self.bias.as_ptr(),
            addend: pointer(self.addend),
            operand: pointer(self.last.operand()),
            last: match self.last {
                Last::Keep => RawLast::Keep,
                Last::Relu => RawLast::Relu,
                Last::Quotient { eps, .. } => RawLast::Quotient(eps),
                Last::Mask(_) => RawLast::Mask,
                Last::MaskRelu(_) => RawLast::MaskRelu,
                Last::Multiply(_) => RawLast::Multiply,
            },
        }
    }
}

fn relu(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

fn where_positive(value: f32, gate: f32) -> f32 {
    if gate > 0.0 { value } else { 0.0 }
}

/// A [`FullEpilogue`] without lifetimes. Null pointers stand for what is absent.
#[derive(Clone, Copy)]
pub(super) struct RawEpilogue {
    pub(super) bias: *const f32,
    pub(super) addend: *const f32,
    pub(super) operand: *const f32,
    pub(super) last: RawLast,
}

#[derive(Clone, Copy)]
pub(super) enum RawLast {
    Keep,
    Relu,
    Quotient(f32),
    Mask,
    MaskRelu,
    Multiply,
}

impl RawEpilogue {
    /// The same for a part that begins `columns` further in the bias and `at` further in the output.
    pub(super) fn offset(&self, columns: usize, at: usize) -> Self {
        let moved = |pointer: *const f32| if pointer.is_null() { pointer } else { pointer.wrapping_add(at) };
        Self {
            bias: self.bias.wrapping_add(columns),
            addend: moved(self.addend),
            operand: moved(self.operand),
            last: self.last,
        }
    }

    /// The finished vector at `column` of the bias and index `at` of the output.
    ///
    /// # Safety
    /// As for [`Lanes`]; the slices cover `LEN` values from there on.
    #[inline(always)]
    pub(super) unsafe fn vector<S: Lanes>(&self, sums: S, column: usize, at: usize) -> S {
        // SAFETY: passed on to the caller.
        unsafe {
            let mut value = sums.add(S::load(self.bias.add(column)));
            if let RawLast::Multiply = self.last {
                value = value.mul(S::load(self.operand.add(at)));
            }
            if !self.addend.is_null() {
                value = value.add(S::load(self.addend.add(at)));
            }
            match self.last {
                RawLast::Keep | RawLast::Multiply => value,
                RawLast::Relu => value.relu(),
                RawLast::Quotient(eps) => S::load(self.operand.add(at)).div(value.add(S::splat(eps))),
                RawLast::Mask => value.where_positive(S::load(self.operand.add(at))),
                RawLast::MaskRelu => value.where_positive(S::load(self.operand.add(at))).relu(),
            }
        }
    }
}

/// `output = epilogue(sums)` for whole vectors.
///
/// # Safety
/// As for [`Lanes`]; the sums, the output and the slices cover `len` values, a multiple of `LEN`. Only to be inlined
/// into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn apply_to_vectors<S: Lanes>(
    sums: *const f32,
    output: *mut f32,
    len: usize,
    epilogue: &RawEpilogue,
) {
    for at in (0..len).step_by(S::LEN) {
        // SAFETY: passed on to the caller.
        unsafe { epilogue.vector(S::load(sums.add(at)), at, at).store(output.add(at)) };
    }
}
