use super::map::Bf16View;
use super::number::{Terms, split, widen_pixel};
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
    let line = line_kernel();
    neuron_threads::for_each(output.chunks_mut((columns * pixel).max(1)), |index, output| {
        // SAFETY: the machine has the kernel's instructions.
        unsafe { line(window, input, [index / rows, index % rows], output) };
    });
}

/// Computes a line of the output: of which item, and which one.
type LineKernel = unsafe fn(Window, Bf16View<'_>, [usize; 2], &mut [u16]);

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
unsafe fn line_avx512(window: Window, input: Bf16View<'_>, at: [usize; 2], output: &mut [u16]) {
    line(window, input, at, output);
}

/// # Safety
/// The machine must have the instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn line_avx2(window: Window, input: Bf16View<'_>, at: [usize; 2], output: &mut [u16]) {
    line(window, input, at, output);
}

#[inline(always)]
fn line(window: Window, input: Bf16View<'_>, [item, y]: [usize; 2], output: &mut [u16]) {
    let inside = |axis: usize, at: usize, place: usize| {
        let at =
            (at * window.stride[axis] + place * window.dilation[axis]).checked_sub(window.padding[axis])?;
        (at < [input.height, input.width][axis]).then_some(at)
    };
    let lines: Vec<usize> = (0..window.kernel[0]).filter_map(|place| inside(0, y, place)).collect();
    let (pixel, mut best) = (input.pixel(), Best::new(input.terms, input.channels));
    for (x, output) in output.chunks_exact_mut(pixel).enumerate() {
        best.clear();
        for row in &lines {
            for column in (0..window.kernel[1]).filter_map(|place| inside(1, x, place)) {
                let at = ((item * input.height + row) * input.width + column) * pixel;
                best.see(&input.data[at..][..pixel]);
            }
        }
        best.write(output);
    }
}

/// The greatest values that were seen.
enum Best {
    /// As integers of the same order.
    Keys(Vec<i16>),
    Values {
        best: Vec<f32>,
        seen: Vec<f32>,
    },
}

impl Best {
    #[inline(always)]
    fn new(terms: Terms, channels: usize) -> Self {
        match terms {
            Terms::One => Self::Keys(vec![0; channels]),
            Terms::Two => Self::Values { best: vec![0.0; channels], seen: vec![0.0; channels] },
        }
    }

    #[inline(always)]
    fn clear(&mut self) {
        match self {
            Self::Keys(keys) => keys.fill(key(NEGATIVE_INFINITY)),
            Self::Values { best, .. } => best.fill(f32::NEG_INFINITY),
        }
    }

    #[inline(always)]
    fn see(&mut self, pixel: &[u16]) {
        match self {
            Self::Keys(keys) => {
                keys.iter_mut().zip(pixel).for_each(|(best, number)| *best = (*best).max(key(*number)));
            }
            Self::Values { best, seen } => {
                widen_pixel(pixel, Terms::Two, seen);
                for (best, value) in best.iter_mut().zip(seen) {
                    *best = if *value > *best || value.is_nan() { *value } else { *best };
                }
            }
        }
    }

    #[inline(always)]
    fn write(&self, pixel: &mut [u16]) {
        match self {
            Self::Keys(keys) => {
                pixel.iter_mut().zip(keys).for_each(|(number, key)| *number = number_of(*key));
            }
            Self::Values { best, .. } => {
                let (high, low) = pixel.split_at_mut(best.len());
                for ((value, high), low) in best.iter().zip(high).zip(low) {
                    [*high, *low] = split(*value);
                }
            }
        }
    }
}

const INFINITY: u16 = 0x7f80;
const NEGATIVE_INFINITY: u16 = 0xff80;

/// An integer that is greater if the number is; NaN is the greatest.
#[inline(always)]
fn key(number: u16) -> i16 {
    let key = number_of(number as i16) as i16;
    if number & 0x7fff > INFINITY { i16::MAX } else { key }
}

/// The number of a key; the reverse of itself.
#[inline(always)]
fn number_of(key: i16) -> u16 {
    // The magnitudes of negative numbers run the other way.
    (key ^ ((key >> 15) & 0x7fff)) as u16
}
