//! The greatest values of windows of bf16 numbers, line by line: first of the lines that a window sees, then of its columns.
use super::map::Bf16View;
use super::number::{Terms, split, widen};
use neuron_geometry::Window;

/// The greatest value of every window, NaN if it holds one; the padding never wins.
///
/// # Shapes
/// * `output`: `[batch, positions of the map's size, terms, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn bf16_max_pool(window: Window, input: Bf16View<'_>, output: &mut [u16]) {
    input.check();
    let [rows, columns] = window.positions([input.height, input.width]);
    let pixel = input.pixel();
    assert_eq!(output.len(), input.batch * rows * columns * pixel, "output of the max-pool");
    let pool = LinePool::new(window, input.terms, false);
    let lines = output.chunks_mut((columns * pixel).max(1));
    neuron_threads::for_each_with(Best::default, lines, |best, index, output| {
        let item = Bf16View { batch: 1, data: input.item(index / rows), ..input };
        pool.line(best, Lines { map: item, top: 0, height: input.height }, index % rows, output);
    });
}

/// Some lines of an item's map.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    /// The lines that are here.
    pub(super) map: Bf16View<'a>,
    /// The first of them.
    pub(super) top: usize,
    /// Lines of the whole map.
    pub(super) height: usize,
}

/// How the lines of a pool's output are computed.
#[derive(Clone, Copy)]
pub(super) struct LinePool {
    window: Window,
    order: Order,
    kernel: LineKernel,
}

/// What is compared.
#[derive(Clone, Copy)]
enum Order {
    /// Numbers none of which is negative: their bits. Those of NaN are the greatest.
    Bits,
    /// Numbers: integers of the same order.
    Keys,
    /// Sums of two numbers.
    Values,
}

/// The greatest of the lines that a line of the output sees, for each of their columns.
#[derive(Default)]
pub(super) struct Best {
    keys: Vec<u16>,
    values: Vec<f32>,
}

type LineKernel = unsafe fn(LinePool, &mut Best, Lines<'_>, usize, &mut [u16]);

impl LinePool {
    /// With `is_nonnegative`, no number has a sign: no sum is ever -0.
    pub(super) fn new(window: Window, terms: Terms, is_nonnegative: bool) -> Self {
        let order = match terms {
            Terms::One if is_nonnegative => Order::Bits,
            Terms::One => Order::Keys,
            Terms::Two => Order::Values,
        };
        Self { window, order, kernel: line_kernel() }
    }

    /// Computes line `y` of the output.
    ///
    /// # Panics
    /// If a line that it sees is not there.
    pub(super) fn line(self, best: &mut Best, lines: Lines<'_>, y: usize, output: &mut [u16]) {
        // SAFETY: the machine has the kernel's instructions.
        unsafe { (self.kernel)(self, best, lines, y, output) }
    }

    /// The places that position `at` sees along an axis of so many.
    #[inline(always)]
    fn seen(self, axis: usize, at: usize, len: usize) -> impl Iterator<Item = usize> {
        let Window { kernel, stride, padding, dilation, .. } = self.window;
        let place =
            move |place: usize| (at * stride[axis] + place * dilation[axis]).checked_sub(padding[axis]);
        (0..kernel[axis]).filter_map(place).filter(move |place| *place < len)
    }
}

fn line_kernel() -> LineKernel {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") {
        return line_avx512;
    } else if is_x86_feature_detected!("avx2") {
        return line_avx2;
    }
    line
}

/// # Safety
/// The machine must have the instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn line_avx512(pool: LinePool, best: &mut Best, lines: Lines<'_>, y: usize, output: &mut [u16]) {
    line(pool, best, lines, y, output);
}

/// # Safety
/// The machine must have the instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn line_avx2(pool: LinePool, best: &mut Best, lines: Lines<'_>, y: usize, output: &mut [u16]) {
    line(pool, best, lines, y, output);
}

#[inline(always)]
fn line(pool: LinePool, best: &mut Best, lines: Lines<'_>, y: usize, output: &mut [u16]) {
    match pool.order {
        Order::Bits => by_keys(pool, &mut best.keys, (lines, y, 0), (|number| number, |key| key), output),
        Order::Keys => {
            by_keys(pool, &mut best.keys, (lines, y, key(NEGATIVE_INFINITY)), (key, number_of), output);
        }
        Order::Values => by_values(pool, &mut best.values, lines, y, output),
    }
}

#[inline(always)]
fn by_keys(
    pool: LinePool,
    best: &mut Vec<u16>,
    (lines, y, least): (Lines<'_>, usize, u16),
    (key, number): (impl Fn(u16) -> u16, impl Fn(u16) -> u16),
    output: &mut [u16],
) {
    let Bf16View { width, channels, data, .. } = lines.map;
    let len = width * channels;
    best.clear();
    best.resize(len, least);
    for row in pool.seen(0, y, lines.height) {
        let row = &data[(row - lines.top) * len..][..len];
        best.iter_mut().zip(row).for_each(|(best, number)| *best = (*best).max(key(*number)));
    }
    for (x, output) in output.chunks_exact_mut(channels).enumerate() {
        output.fill(least);
        for column in pool.seen(1, x, width) {
            let seen = &best[column * channels..][..channels];
            output.iter_mut().zip(seen).for_each(|(output, key)| *output = (*output).max(*key));
        }
        output.iter_mut().for_each(|output| *output = number(*output));
    }
}

#[inline(always)]
fn by_values(pool: LinePool, best: &mut Vec<f32>, lines: Lines<'_>, y: usize, output: &mut [u16]) {
    let Bf16View { width, channels, data, .. } = lines.map;
    let len = width * channels;
    best.clear();
    best.resize(len + channels, f32::NEG_INFINITY);
    let (best, pixel) = best.split_at_mut(len);
    for row in pool.seen(0, y, lines.height) {
        let row = data[(row - lines.top) * 2 * len..][..2 * len].chunks_exact(2 * channels);
        for (best, numbers) in best.chunks_exact_mut(channels).zip(row) {
            let (high, low) = numbers.split_at(channels);
            for ((best, high), low) in best.iter_mut().zip(high).zip(low) {
                *best = greater(*best, widen(*high) + widen(*low));
            }
        }
    }
    for (x, output) in output.chunks_exact_mut(2 * channels).enumerate() {
        pixel.fill(f32::NEG_INFINITY);
        for column in pool.seen(1, x, width) {
            let seen = &best[column * channels..][..channels];
            pixel.iter_mut().zip(seen).for_each(|(value, seen)| *value = greater(*value, *seen));
        }
        let (high, low) = output.split_at_mut(channels);
        for ((value, high), low) in pixel.iter().zip(high).zip(low) {
            [*high, *low] = split(*value);
        }
    }
}

/// The greater of two values, NaN if one of them is that.
#[inline(always)]
fn greater(best: f32, value: f32) -> f32 {
    if value > best || value.is_nan() { value } else { best }
}

const INFINITY: u16 = 0x7f80;
const NEGATIVE_INFINITY: u16 = 0xff80;
const SIGN: u16 = 0x8000;

/// An integer that is greater if the number is; NaN is the greatest.
#[inline(always)]
fn key(number: u16) -> u16 {
    let key = if number & SIGN == 0 { number | SIGN } else { !number };
    if number & !SIGN > INFINITY { u16::MAX } else { key }
}

/// The number of a key.
#[inline(always)]
fn number_of(key: u16) -> u16 {
    if key & SIGN == 0 { !key } else { key & !SIGN }
}
