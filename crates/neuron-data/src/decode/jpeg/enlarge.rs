//! Brings a component's rows to the picture's resolution, bit-identical to libjpeg's "fancy" upsampling
//! (`jdsample.c`): the nearer sample counts three times the farther one, and at the edges samples repeat.

use std::ops::Range;

use super::plane::Plane;
use crate::simd::by_processor;

/// Memory for one component's rows.
#[derive(Default)]
pub(super) struct Memory {
    sums: Vec<u16>,
    row: Vec<u8>,
}

by_processor! {
    /// The samples of row `y` of the picture below the pixels `columns`, of each component.
    pub(super) fn rows<'a>(
        planes: &'a [Plane], y: usize, columns: &Range<usize>, memory: &'a mut [Memory; 4],
    ) -> [&'a [u8]; 4] { wide: portable_rows, portable: portable_rows }
}

#[inline(always)]
fn portable_rows<'a>(
    planes: &'a [Plane],
    y: usize,
    columns: &Range<usize>,
    memory: &'a mut [Memory; 4],
) -> [&'a [u8]; 4] {
    let mut rows: [&[u8]; 4] = [&[]; 4];
    for ((found, plane), memory) in rows.iter_mut().zip(planes).zip(memory) {
        *found = row(plane, y, columns, memory);
    }
    rows
}

/// The samples of row `y` of the picture below the pixels `columns`.
#[inline(always)]
fn row<'a>(plane: &'a Plane, y: usize, columns: &Range<usize>, memory: &'a mut Memory) -> &'a [u8] {
    // libjpeg repeats the samples of very narrow components instead.
    let is_narrow = plane.width <= 2;
    match plane.ratio {
        (1, 1) => return plane.samples(y, columns),
        (2, 1) => down(plane, y, columns, memory),
        (1, 2) if !is_narrow => {
            let (samples, columns) = (Needed::of(plane, columns), columns);
            samples.sum(memory, plane.samples(y, &samples.columns).iter().map(|&near| u16::from(near)));
            across(columns, &Weights { shift: 2, left: 1, right: 2 }, memory);
        }
        (2, 2) if !is_narrow => {
            let samples = Needed::of(plane, columns);
            let near = plane.samples(y / 2, &samples.columns);
            let far = plane.samples(farther(plane, y), &samples.columns);
            samples
                .sum(memory, near.iter().zip(far).map(|(&near, &far)| u16::from(near) * 3 + u16::from(far)));
            across(columns, &Weights { shift: 4, left: 8, right: 7 }, memory);
        }
        (down, across) => {
            let samples = plane.samples(y / down, &(columns.start / across..columns.end.div_ceil(across)));
            let repeated = columns.clone().map(|x| samples[x / across - columns.start / across]);
            memory.row.clear();
            memory.row.extend(repeated);
        }
    }
    &memory.row
}

/// The row of samples, of the two nearest to row `y` of the picture, that is farther away.
fn farther(plane: &Plane, y: usize) -> usize {
    if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(plane.height - 1) }
}

/// Between two rows of samples.
#[inline(always)]
fn down(plane: &Plane, y: usize, columns: &Range<usize>, memory: &mut Memory) {
    let rounding = if y.is_multiple_of(2) { 1 } else { 2 };
    let near = plane.samples(y / 2, columns);
    let far = plane.samples(farther(plane, y), columns);
    let between = |(&near, &far): (&u8, &u8)| (u16::from(near) * 3 + u16::from(far) + rounding) >> 2;
    memory.row.clear();
    memory.row.extend(near.iter().zip(far).map(|pair| between(pair) as u8));
}

/// The samples that some pixels need where a sample is two pixels wide: those below, and one on each side.
struct Needed {
    columns: Range<usize>,
    /// Whether the first or last one is the component's and has to be repeated.
    at_left: bool,
    at_right: bool,
}

impl Needed {
    fn of(plane: &Plane, pixels: &Range<usize>) -> Self {
        let (first, end) = (pixels.start / 2, pixels.end.div_ceil(2));
        Self {
            columns: first.saturating_sub(1)..(end + 1).min(plane.width),
            at_left: first == 0,
            at_right: end == plane.width,
        }
    }

    /// Puts the vertical sums, with the repeated ones, into `memory.sums`.
    #[inline(always)]
    fn sum(&self, memory: &mut Memory, sums: impl Iterator<Item = u16>) {
        memory.sums.clear();
        if self.at_left {
            memory.sums.push(0);
        }
        memory.sums.extend(sums);
        if self.at_left {
            memory.sums[0] = memory.sums[1];
        }
        if let (true, Some(&last)) = (self.at_right, memory.sums.last()) {
            memory.sums.push(last);
        }
    }
}

/// How the sums of two columns become a sample: `(3 * near + far + rounding) >> shift`.
struct Weights {
    shift: u32,
    left: u16,
    right: u16,
}

/// Between two columns of sums.
#[inline(always)]
fn across(columns: &Range<usize>, weights: &Weights, memory: &mut Memory) {
    let Memory { sums, row } = memory;
    let count = sums.len() - 2;
    row.clear();
    row.resize(count * 2, 0);
    let neighbours = sums.iter().zip(&sums[1..]).zip(&sums[2..]);
    for (((&left, &near), &right), pair) in neighbours.zip(row.chunks_exact_mut(2)) {
        pair[0] = ((near * 3 + left + weights.left) >> weights.shift) as u8;
        pair[1] = ((near * 3 + right + weights.right) >> weights.shift) as u8;
    }
    // The first pixel may be the right one of its pair.
    let skipped = columns.start % 2;
    row.copy_within(skipped.., 0);
    row.truncate(columns.len());
}
