//! The two-dimensional transforms of Winograd's minimal filtering, from a map and into an output.
use super::activation::Lines;
use super::block::{BlockMut, MatrixMut};
use super::epilogue::FullEpilogue;
use super::isa::Isa;
use super::line::apply_to_line;
use super::winograd::{Inverse, MOST_LANES, MOST_OUTPUTS, Size};
use std::array::from_fn;

/// Some channels of one item's map, `[height, width, pitch]`, and zeros for what lies beyond it.
#[derive(Clone, Copy)]
pub(crate) struct Map<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Channels of a pixel.
    pub(crate) pitch: usize,
    /// The first of those that are transformed, and how many they are.
    pub(crate) first: usize,
    pub(crate) channels: usize,
    /// `channels` zeros.
    pub(crate) zeros: &'a [f32],
}

/// Transforms the tile whose first pixel is `[y, x]` of the map; `slabs` has a row for each frequency.
///
/// # Panics
/// If `slabs` lacks frequencies, or columns for the channels in whole vectors.
pub(crate) fn transform_input(
    isa: &Isa,
    size: Size,
    map: Map<'_>,
    [y, x]: [isize; 2],
    slabs: &mut MatrixMut<'_>,
) {
    let (side, Map { height, width, pitch, first, channels, .. }) = (size.inputs(), map);
    assert!(slabs.rows >= size.frequencies() && slabs.columns >= channels.next_multiple_of(MOST_LANES));
    let pixel = |index: usize| {
        let inside = |start: isize, step: usize, len: usize| {
            start.checked_add_unsigned(step).filter(|at| (0..len as isize).contains(at))
        };
        let row = inside(y, index / side, height);
        let column = inside(x, index % side, width);
        match (row, column) {
            (Some(row), Some(column)) => {
                map.data[(row as usize * width + column as usize) * pitch + first..][..channels].as_ptr()
            }
            _ => map.zeros[..channels].as_ptr(),
        }
    };
    let pixels = from_fn(|index| pixel(index.min(size.frequencies() - 1)));
    // SAFETY: the instruction set was detected; each pixel was sliced to `channels` values, `slabs` checked above.
    unsafe { (isa.winograd(size).0)(&pixels, channels, slabs.start, slabs.pitch) }
}

/// A tile's products.
#[derive(Clone, Copy)]
pub(crate) struct Products<'a> {
    /// From the first frequency's on, each with whole vectors of channels.
    pub(crate) data: &'a [f32],
    /// Distance of frequencies.
    pub(crate) pitch: usize,
}

/// Transforms a tile of products back into the pixels of `block`, an output's `[1, lines, pixels, channels]`.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn transform_output(
    isa: &Isa,
    size: Size,
    products: Products<'_>,
    epilogue: &FullEpilogue<'_>,
    block: &mut BlockMut<'_>,
) {
    let Products { data: products, pitch } = products;
    let [_, lines, pixels, channels] = block.extent;
    assert!(lines <= size.outputs() && pixels <= size.outputs() && block.extent[0] == 1);
    assert!(products.len() >= (size.frequencies() - 1) * pitch + channels.next_multiple_of(MOST_LANES));
    assert!(epilogue.bias.len() >= channels);
    let whole = channels - channels % isa.lanes;
    let (end, last) = block.line([0, lines - 1, pixels - 1, 0]);
    epilogue.check_covers(last + end.len());
    let (start, [_, line, pixel, _]) = (block.start, block.pitch);
    let tile = Inverse {
        products: products.as_ptr(),
        pitch,
        output: start,
        line,
        pixel,
        lines,
        pixels,
        channels: whole,
        epilogue: Some(epilogue.raw().offset(0, block.offset)),
    };
    let transform = isa.winograd(size).1;
    // SAFETY: the instruction set was detected; the products, the bias and the slices were checked above, the pixels
    // are exclusively borrowed.
    unsafe {
        transform(&tile);
        for y in 0..lines {
            let row = Lines { count: pixels, pitch: pixel, len: whole };
            epilogue.later().finish(isa.activate, start.add(y * line), row);
        }
    }
    if whole == channels {
        return;
    }
    // The channels of the last vector: transformed beside the output, then finished.
    let mut sums = [0f32; MOST_OUTPUTS * MOST_LANES];
    let beside = Inverse {
        products: products[whole..].as_ptr(),
        output: sums.as_mut_ptr(),
        line: size.outputs() * isa.lanes,
        pixel: isa.lanes,
        channels: isa.lanes,
        epilogue: None,
        ..tile
    };
    // SAFETY: as above; the sums hold a whole vector for each pixel of a tile.
    unsafe { transform(&beside) };
    let rest = epilogue.at_column(whole);
    for (y, x) in (0..lines).flat_map(|y| (0..pixels).map(move |x| (y, x))) {
        let (values, at) = block.line([0, y, x, 0]);
        let sums = &sums[(y * size.outputs() + x) * isa.lanes..][..channels - whole];
        apply_to_line(isa, sums, &rest, (&mut values[whole..], at + whole));
    }
}
