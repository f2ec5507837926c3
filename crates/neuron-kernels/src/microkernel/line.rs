//! Kernels over neighbouring values.
use super::activation::{Activation, Lines};
use super::elementwise::Rows;
use super::epilogue::{Beside, FullEpilogue};
use super::isa::Isa;
use super::normalise::Norm;

/// `line = epilogue(sums)`, where `line` begins at index `at` of the output and at the first column of the bias.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn apply_to_line(
    isa: &Isa,
    sums: &[f32],
    epilogue: &FullEpilogue<'_>,
    (line, at): (&mut [f32], usize),
) {
    let len = line.len();
    assert!(sums.len() >= len && epilogue.bias.len() >= len, "sums and bias of a line of {len} values");
    epilogue.check_covers(at + len);
    let (output, raw) = (line.as_mut_ptr(), epilogue.raw().offset(0, at));
    let beside = Beside { sums: sums.as_ptr(), sums_pitch: 0, output, lines: Lines::one(len), epilogue: raw };
    // SAFETY: the instruction set was detected, and all slices cover the line.
    unsafe { finish_beside(isa, &beside, epilogue) };
}

/// Rows of an output that hold their sums.
pub(crate) struct RowsInPlace {
    pub(crate) start: *mut f32,
    /// Of the first row's first value: its column, and where it lies in the whole output.
    pub(crate) column: usize,
    pub(crate) at: usize,
    pub(crate) count: usize,
    /// From a row to the next.
    pub(crate) pitch: usize,
    /// Values of a row.
    pub(crate) len: usize,
}

/// `rows = epilogue(rows)`
///
/// # Safety
/// The rows must be valid, exclusively, and the epilogue's slices must cover them.
pub(crate) unsafe fn apply_to_rows(isa: &Isa, epilogue: &FullEpilogue<'_>, rows: &RowsInPlace) {
    let RowsInPlace { start, column, at, count, pitch, len } = *rows;
    let lines = Lines { count, pitch, len };
    let epilogue_here = epilogue.raw().offset(column, at);
    let beside = Beside { sums: start, sums_pitch: pitch, output: start, lines, epilogue: epilogue_here };
    // SAFETY: the instruction set was detected; every value is read before it is written; the rest is the caller's promise.
    unsafe { finish_beside(isa, &beside, epilogue) };
}

/// `output = epilogue(sums)` for rows of sums; `epilogue` is what the raw one is a part of.
///
/// # Safety
/// The machine has the instruction set; the sums, the output (exclusively) and the slices cover all lines.
pub(super) unsafe fn finish_beside(isa: &Isa, beside: &Beside, epilogue: &FullEpilogue<'_>) {
    // SAFETY: passed on to the caller.
    unsafe {
        (isa.epilogue)(beside);
        epilogue.later().finish(isa.activate, beside.output, beside.lines);
    }
}

/// `output = activation(input)`
///
/// # Panics
/// If the lengths differ.
pub(crate) fn activate_line(isa: &Isa, activation: Activation, input: &[f32], output: &mut [f32]) {
    assert_eq!(input.len(), output.len(), "values and their activations");
    let one = Lines::one(output.len());
    // SAFETY: the instruction set was detected, and both slices are one line.
    unsafe { (isa.activate)(activation, input.as_ptr(), output.as_mut_ptr(), one) };
}

/// `output = activation?(input * scale + shift)` over whole positions of as many channels as there are scales.
///
/// # Panics
/// If a length does not fit.
pub(crate) fn scale_shift_line(
    isa: &Isa,
    input: &[f32],
    [scale, shift]: [&[f32]; 2],
    activation: Option<Activation>,
    output: &mut [f32],
) {
    assert_eq!(scale.len(), shift.len(), "scales and shifts of the channels");
    let rows = rows(input, scale, output);
    let (affine, start) = ([scale.as_ptr(), shift.as_ptr()], output.as_mut_ptr());
    // SAFETY: the instruction set was detected, and the slices are as long as `rows` has checked.
    unsafe { (isa.scale_shift)(input.as_ptr(), affine, activation, start, rows) };
    finish(isa, activation, output);
}

/// `output = activation?(left + right)`
///
/// # Panics
/// If the lengths differ.
pub(crate) fn add_line(isa: &Isa, terms: [&[f32]; 2], activation: Option<Activation>, output: &mut [f32]) {
    assert!(terms.iter().all(|term| term.len() == output.len()), "terms and their sum");
    // SAFETY: the instruction set was detected, and all slices have `len` values.
    unsafe { (isa.add)(terms.map(<[f32]>::as_ptr), activation, output.as_mut_ptr(), output.len()) };
    finish(isa, activation, output);
}

/// `output = input * scale` over whole positions of as many channels as there are scales.
///
/// # Panics
/// If a length does not fit.
pub(crate) fn scale_line(isa: &Isa, input: &[f32], scale: &[f32], output: &mut [f32]) {
    let rows = rows(input, scale, output);
    // SAFETY: the instruction set was detected, and the slices are as long as `rows` has checked.
    unsafe { (isa.scale)(input.as_ptr(), scale.as_ptr(), output.as_mut_ptr(), rows) };
}

/// `values *= scale` over whole positions of as many channels as there are scales.
///
/// # Panics
/// If a length does not fit.
pub(crate) fn scale_line_in_place(isa: &Isa, values: &mut [f32], scale: &[f32]) {
    let (rows, start) = (rows(values, scale, values), values.as_mut_ptr());
    // SAFETY: as for `scale_line`; the same values are read and written, one vector after another.
    unsafe { (isa.scale)(start, scale.as_ptr(), start, rows) };
}

/// What the kernels have left to do.
fn finish(isa: &Isa, activation: Option<Activation>, output: &mut [f32]) {
    if let Some(activation) = activation.filter(|activation| activation.is_long()) {
        let (start, one) = (output.as_mut_ptr(), Lines::one(output.len()));
        // SAFETY: the instruction set was detected, and the output is exclusively borrowed.
        unsafe { (isa.activate)(activation, start, start, one) };
    }
}

fn rows(input: &[f32], channels: &[f32], output: &[f32]) -> Rows {
    let channels = channels.len();
    let count = input.len() / channels;
    assert_eq!(count * channels, input.len(), "values of positions of {channels} channels");
    assert_eq!(output.len(), input.len(), "values and what they become");
    Rows { count, channels }
}

/// `signal *= activation'(input)`, for a guided signal without what is negative then.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn pass_line_back(
    isa: &Isa,
    activation: Activation,
    guided: bool,
    input: &[f32],
    signal: &mut [f32],
) {
    assert_eq!(input.len(), signal.len(), "values and their signals");
    // SAFETY: the instruction set was detected, and both slices have `len` values.
    unsafe { (isa.pass_back)(activation, guided, input.as_ptr(), signal.as_mut_ptr(), signal.len()) };
}

/// The layer norm of whole positions of as many channels as there are weights.
///
/// # Panics
/// If a length does not fit.
pub(crate) fn normalise_line(
    isa: &Isa,
    input: &[f32],
    (weight, bias): (&[f32], &[f32]),
    eps: f64,
    output: &mut [f32],
) {
    assert_eq!(bias.len(), weight.len(), "weights and biases of the channels");
    // SAFETY: the instruction set was detected, and there is a bias for each channel.
    unsafe { (isa.normalise[0])(&norm(input, weight, bias.as_ptr(), eps, output)) };
}

/// The gradient of [`normalise_line`] with respect to its input.
///
/// # Panics
/// If a length does not fit.
pub(crate) fn normalise_line_back(
    isa: &Isa,
    input: &[f32],
    (weight, signal): (&[f32], &[f32]),
    eps: f64,
    output: &mut [f32],
) {
    assert_eq!(signal.len(), input.len(), "values and their signals");
    // SAFETY: the instruction set was detected, and there is a signal for each value.
    unsafe { (isa.normalise[1])(&norm(input, weight, signal.as_ptr(), eps, output)) };
}

fn norm(input: &[f32], weight: &[f32], other: *const f32, eps: f64, output: &mut [f32]) -> Norm {
    let Rows { count: rows, channels } = rows(input, weight, output);
    Norm {
        rows,
        channels,
        input: input.as_ptr(),
        weight: weight.as_ptr(),
        other,
        output: output.as_mut_ptr(),
        eps,
    }
}
