//! An epilogue over sums that lie beside the output.
use super::epilogue::FullEpilogue;
use super::isa::Isa;

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
