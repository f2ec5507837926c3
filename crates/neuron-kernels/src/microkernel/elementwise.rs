//! Passes over maps that no product could take along.
use super::activation::{Activation, hard_sigmoid, hard_swish, relu6};
use super::lanes::{Lanes, each_vector};

/// Rows of `channels` values, one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) count: usize,
    pub(super) channels: usize,
}

/// `output = activation?(input * scale + shift)`, with a scale and a shift for each channel; a long activation is left.
///
/// # Safety
/// The machine has the instruction set; `input` and `output` are valid for all rows, the others for a row.
pub(super) type ScaleShift = unsafe fn(
    input: *const f32,
    affine: [*const f32; 2],
    last: Option<Activation>,
    output: *mut f32,
    rows: Rows,
);

/// `output = activation?(left + right)`; a long activation is left.
///
/// # Safety
/// The machine has the instruction set; the pointers are valid for `len` values.
pub(super) type Add =
    unsafe fn(terms: [*const f32; 2], last: Option<Activation>, output: *mut f32, len: usize);

/// `output = input * scale`, with a scale for each channel.
///
/// # Safety
/// The machine has the instruction set; `input` and `output`, which may be the same, are valid for all rows, `scale` for
/// a row.
pub(super) type Scale = unsafe fn(input: *const f32, scale: *const f32, output: *mut f32, rows: Rows);

/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn short<S: Lanes>(last: Option<Activation>, value: S) -> S {
    // SAFETY: passed on to the caller.
    unsafe {
        match last {
            Some(Activation::Relu) => value.relu(),
            Some(Activation::Relu6) => relu6(value),
            Some(Activation::HardSigmoid) => hard_sigmoid(value),
            Some(Activation::HardSwish) => hard_swish(value),
            // The long ones follow by themselves.
            Some(long) => {
                debug_assert!(long.is_long(), "a short one has a line here");
                value
            }
            None => value,
        }
    }
}

/// # Safety
/// As for [`ScaleShift`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn scale_shift<S: Lanes>(
    input: *const f32,
    [scale, shift]: [*const f32; 2],
    last: Option<Activation>,
    output: *mut f32,
    rows: Rows,
) {
    for row in 0..rows.count {
        // SAFETY: passed on to the caller.
        unsafe {
            let (input, output) = (input.add(row * rows.channels), output.add(row * rows.channels));
            each_vector!(S, rows.channels, at, count: {
                let product = S::load_up_to(input.add(at), count).mul(S::load_up_to(scale.add(at), count));
                let sum = product.add(S::load_up_to(shift.add(at), count));
                short(last, sum).store_up_to(output.add(at), count);
            });
        }
    }
}

/// # Safety
/// As for [`Add`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn add<S: Lanes>(
    [left, right]: [*const f32; 2],
    last: Option<Activation>,
    output: *mut f32,
    len: usize,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        each_vector!(S, len, at, count: {
            let sum = S::load_up_to(left.add(at), count).add(S::load_up_to(right.add(at), count));
            short(last, sum).store_up_to(output.add(at), count);
        });
    }
}

/// # Safety
/// As for [`Scale`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn scale<S: Lanes>(input: *const f32, scale: *const f32, output: *mut f32, rows: Rows) {
    for row in 0..rows.count {
        // SAFETY: passed on to the caller.
        unsafe {
            let (input, output) = (input.add(row * rows.channels), output.add(row * rows.channels));
            each_vector!(S, rows.channels, at, count: {
                let product = S::load_up_to(input.add(at), count).mul(S::load_up_to(scale.add(at), count));
                product.store_up_to(output.add(at), count);
            });
        }
    }
}
