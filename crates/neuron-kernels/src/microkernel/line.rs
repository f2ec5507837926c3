//! Kernels over neighbouring values.
use super::activation::Activation;
use super::epilogue::FullEpilogue;
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
    let whole = len - len % isa.lanes;
    // SAFETY: the instruction set was detected, and all slices cover the line.
    unsafe { (isa.epilogue)(sums.as_ptr(), line.as_mut_ptr(), whole, &epilogue.raw().offset(0, at)) };
    for column in whole..len {
        line[column] = epilogue.value(sums[column], column, at + column);
    }
}

/// `output = activation(input)`
///
/// # Panics
/// If the lengths differ.
pub(crate) fn activate_line(isa: &Isa, activation: Activation, input: &[f32], output: &mut [f32]) {
    assert_eq!(input.len(), output.len(), "values and their activations");
    // SAFETY: the instruction set was detected, and both slices have `len` values.
    unsafe { (isa.activate)(activation, input.as_ptr(), output.as_mut_ptr(), output.len()) };
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
    // SAFETY: as for `activate_line`.
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
    let channels = weight.len();
    let rows = input.len() / channels;
    assert_eq!(rows * channels, input.len(), "values of positions of {channels} channels");
    assert_eq!(output.len(), input.len(), "values and what they become");
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
