//! What follows the sums: bias, addend and one last step.
use super::activation::{Activate, Activation, Lines, hard_sigmoid, hard_swish, relu6};
use super::lanes::{Lanes, each_vector};
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
    Activate(Activation),
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
            Self::Keep | Self::Activate(_) => None,
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

    /// What is still to do where the kernels have put their results, see [`FullEpilogue::raw`].
    pub(super) fn later(&self) -> Later {
        match self.last {
            Last::Activate(activation) if activation.is_long() => Later(Some(activation)),
            _ => Later(None),
        }
    }

    /// The slices as pointers, for the kernels: all but a long activation, which is left for [`Later`].
    pub(super) fn raw(&self) -> RawEpilogue {
        let pointer = |slice: Option<&[f32]>| slice.map_or(null(), <[f32]>::as_ptr);
        RawEpilogue {
            bias: self.bias.as_ptr(),
            addend: pointer(self.addend),
            operand: pointer(self.last.operand()),
            last: match self.last {
                Last::Keep => RawLast::Keep,
                Last::Activate(activation) => match activation {
                    Activation::Relu => RawLast::Relu,
                    Activation::Relu6 => RawLast::Relu6,
                    Activation::HardSigmoid => RawLast::HardSigmoid,
                    Activation::HardSwish => RawLast::HardSwish,
                    Activation::Sigmoid
                    | Activation::Silu
                    | Activation::Gelu
                    | Activation::QuickGelu
                    | Activation::GeluTanh
                    | Activation::Tanh => RawLast::Keep,
                },
                Last::Quotient { eps, .. } => RawLast::Quotient(eps),
                Last::Mask(_) => RawLast::Mask,
                Last::MaskRelu(_) => RawLast::MaskRelu,
                Last::Multiply(_) => RawLast::Multiply,
            },
        }
    }
}

/// An activation of values that have just been stored and are still in the first-level cache.
#[derive(Clone, Copy)]
pub(super) struct Later(Option<Activation>);

impl Later {
    /// # Safety
    /// The machine has the kernel's instruction set; `output` is valid for all lines, exclusively.
    #[inline(always)]
    pub(super) unsafe fn finish(self, activate: Activate, output: *mut f32, lines: Lines) {
        if let Some(activation) = self.0 {
            // SAFETY: passed on to the caller.
            unsafe { activate(activation, output, output, lines) };
        }
    }
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
    Relu6,
    HardSigmoid,
    HardSwish,
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
        unsafe { self.vector_up_to(sums, column, at, S::LEN) }
    }

    /// As [`RawEpilogue::vector`] where the slices cover `count <= LEN` values; the other lanes are arbitrary.
    ///
    /// # Safety
    /// As for [`Lanes`]; the slices cover `count` values from there on.
    #[inline(always)]
    pub(super) unsafe fn vector_up_to<S: Lanes>(&self, sums: S, column: usize, at: usize, count: usize) -> S {
        // SAFETY: passed on to the caller.
        unsafe {
            let mut value = sums.add(S::load_up_to(self.bias.add(column), count));
            if let RawLast::Multiply = self.last {
                value = value.mul(S::load_up_to(self.operand.add(at), count));
            }
            if !self.addend.is_null() {
                value = value.add(S::load_up_to(self.addend.add(at), count));
            }
            match self.last {
                RawLast::Keep | RawLast::Multiply => value,
                RawLast::Relu => value.relu(),
                RawLast::Relu6 => relu6(value),
                RawLast::HardSigmoid => hard_sigmoid(value),
                RawLast::HardSwish => hard_swish(value),
                RawLast::Quotient(eps) => {
                    S::load_up_to(self.operand.add(at), count).div(value.add(S::splat(eps)))
                }
                RawLast::Mask => value.where_positive(S::load_up_to(self.operand.add(at), count)),
                RawLast::MaskRelu => value.where_positive(S::load_up_to(self.operand.add(at), count)).relu(),
            }
        }
    }
}

/// Rows of sums that lie beside the output, and where they go.
pub(super) struct Beside {
    pub(super) sums: *const f32,
    /// Distance of rows of sums.
    pub(super) sums_pitch: usize,
    pub(super) output: *mut f32,
    pub(super) lines: Lines,
    /// The slices begin where the output does.
    pub(super) epilogue: RawEpilogue,
}

/// `output = epilogue(sums)`
///
/// # Safety
/// As for [`Lanes`]; the sums, the output and the slices cover all lines. Only to be inlined into a function that enables
/// `S`.
#[inline(always)]
pub(super) unsafe fn apply_to_vectors<S: Lanes>(beside: &Beside) {
    let Beside { sums, sums_pitch, output, lines: Lines { count: rows, pitch, len }, epilogue } = beside;
    for row in 0..*rows {
        let first = row * pitch;
        // SAFETY: passed on to the caller.
        unsafe {
            let (sums, output) = (sums.add(row * sums_pitch), output.add(first));
            each_vector!(S, *len, at, count: {
                let sums = S::load_up_to(sums.add(at), count);
                let value = epilogue.vector_up_to(sums, at, first + at, count);
                value.store_up_to(output.add(at), count);
            });
        }
    }
}

/// Does `$body` for every accumulator. LLVM keeps an array in registers only where every loop over it is unrolled
/// completely, and it unrolls short bodies only: one pass for each stage is three times faster than one for all.
macro_rules! each {
    ($r:ident, $j:ident: $body:expr) => {
        for $r in 0..MR {
            for $j in 0..NV {
                $body;
            }
        }
    };
}
pub(super) use each;

/// The epilogue of a tile's sums, `MR` rows of `NV` vectors, whose outputs are `pitch` apart.
///
/// # Safety
/// As for [`Lanes`]; the slices cover the tile. Only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn finish<S: Lanes, const MR: usize, const NV: usize>(
    sums: &mut [[S; NV]; MR],
    epilogue: &RawEpilogue,
    pitch: usize,
) {
    let RawEpilogue { bias, addend, operand, last } = *epilogue;
    let at = |r: usize, j: usize| r.wrapping_mul(pitch).wrapping_add(j * S::LEN);
    // SAFETY: the caller vouches for the instruction set and the slices; `at` stays in MR rows of NV vectors.
    unsafe {
        each!(r, j: sums[r][j] = sums[r][j].add(S::load(bias.add(j * S::LEN))));
        let operand = |r: usize, j: usize| S::load(operand.add(at(r, j)));
        if let RawLast::Multiply = last {
            each!(r, j: sums[r][j] = sums[r][j].mul(operand(r, j)));
        }
        if !addend.is_null() {
            each!(r, j: sums[r][j] = sums[r][j].add(S::load(addend.add(at(r, j)))));
        }
        match last {
            RawLast::Keep | RawLast::Multiply => {}
            RawLast::Relu => each!(r, j: sums[r][j] = sums[r][j].relu()),
            RawLast::Relu6 => each!(r, j: sums[r][j] = relu6(sums[r][j])),
            RawLast::HardSigmoid => each!(r, j: sums[r][j] = hard_sigmoid(sums[r][j])),
            RawLast::HardSwish => each!(r, j: sums[r][j] = hard_swish(sums[r][j])),
            RawLast::Quotient(eps) => {
                each!(r, j: sums[r][j] = operand(r, j).div(sums[r][j].add(S::splat(eps))));
            }
            RawLast::Mask => each!(r, j: sums[r][j] = sums[r][j].where_positive(operand(r, j))),
            RawLast::MaskRelu => {
                each!(r, j: sums[r][j] = sums[r][j].where_positive(operand(r, j)).relu());
            }
        }
    }
}
