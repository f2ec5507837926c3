//! A convolution and the max-pool that reads it, a band of lines at a time: the map between them, the largest of many networks,
//! never leaves the cache.
use super::bands::Band;
use super::frozen::Frozen;
use super::map::Bf16View;
use super::pass::{Pass, Start, TASKS_A_THREAD};
use super::pool::{Best, LinePool, Lines};
use crate::microkernel::with_scratch;
use neuron_geometry::Window;

/// Positions of the map between at a time.
const MOST_POSITIONS: usize = 2048;

impl Pass<'_> {
    /// Writes the greatest values of windows over the convolution's map, which goes nowhere else.
    pub(super) fn run_pooled(&self, window: Window, output: &mut [u16]) {
        let Frozen { depth, geometry, terms, blocks, inputs, .. } = self.weights;
        let ([lines, columns], [batch, ..]) = (self.positions, self.input.sizes());
        let [pooled_lines, pooled_columns] = window.positions(self.positions);
        let pixel = terms.count() * geometry.out_channels;
        let line = pooled_columns * pixel;
        if output.is_empty() {
            return;
        }
        let wanted = (TASKS_A_THREAD * neuron_threads::threads()).div_ceil(batch);
        let most = MOST_POSITIONS / (columns * window.stride[0]).max(1);
        let band_lines = pooled_lines.div_ceil(wanted).min(most).max(1);
        let bands = pooled_lines.div_ceil(band_lines);
        let items = output.chunks_exact_mut(pooled_lines * line);
        let pool = LinePool::new(window, *terms, self.relu);
        neuron_threads::for_each_with(
            Best::default,
            items.flat_map(|item| item.chunks_mut(band_lines * line)),
            |best, index, output| {
                let (item, first) = (index / bands, index % bands * band_lines);
                let count = output.len() / line;
                let reach = (window.kernel[0] - 1) * window.dilation[0] + 1;
                let top = (first * window.stride[0]).saturating_sub(window.padding[0]);
                let bottom = (first + count - 1) * window.stride[0] + reach;
                let bottom = bottom.saturating_sub(window.padding[0]).min(lines);
                assert!(top < bottom, "a window of {window:?} sees nothing");
                let band = Band::new(depth, bottom - top, columns);
                with_scratch((bottom - top) * columns * pixel, |map: &mut [u16]| {
                    with_scratch(band.len(1), |copy: &mut [u16]| {
                        band.copy(&self.input, item, top, copy);
                        let between = Self { rounded: Some(Start(map.as_mut_ptr())), ..*self };
                        for block in 0..blocks.len() {
                            let runs = band.runs(copy, block * inputs);
                            // SAFETY: the rows lie in the copy, and the map is this task's alone.
                            unsafe { between.compute(&between.banded(&band, &runs, block)) }
                        }
                    });
                    let (height, width, channels) = (bottom - top, columns, geometry.out_channels);
                    let map = Bf16View { batch: 1, height, width, channels, terms: *terms, data: map };
                    for (y, output) in output.chunks_exact_mut(line).enumerate() {
                        pool.line(best, Lines { map, top, height: lines }, first + y, output);
                    }
                });
            },
        );
    }
}
