//! Convolutions one behind the other, a band of lines at a time.
//!
//! A map between two layers of a light network is several times as large as those before and behind it, and larger than the
//! caches: written and read as a whole, it takes longer than its arithmetic. Here a task takes a band of each map through
//! all layers before it begins the next (the depth-first order of "Fused-layer CNN accelerators", Alwani et al., 2016). Lines
//! that two bands see are kept, not computed again; only where a task begins are a few computed twice.

use std::ops::Range;

use crate::activation::Activation;
use crate::convolution::Convolution;
use crate::epilogue::Epilogue;
use crate::microkernel::with_scratch;
use crate::shape::View;
use neuron_geometry::Window;

/// Bytes of the bands of a task: they share the second-level cache with the weights.
const BAND_BYTES: usize = 320 << 10;
/// Bytes of all weights that are read once a band.
const WEIGHT_BYTES: usize = 1 << 20;
/// Bytes of a map between two links where maps are computed as a whole.
const MAP_BYTES: usize = 4 << 20;
/// Tasks a thread.
const A_THREAD: usize = 4;
/// The share of lines, one in so many, that may be computed twice.
const TWICE: usize = 8;

/// A convolution of a chain, and what follows its sums.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The convolution; its input is the output of the link before.
    pub convolution: &'a Convolution,
    /// The function of every value of its output.
    pub activation: Option<Activation>,
}

/// Overwrites `output` with what the last link makes of what the links before it make of the input. The bits are those of
/// the calls of [`Convolution::forward`] one after the other.
///
/// # Shapes
/// * `input`: `[batch, height, width, channels into the first link]`
/// * `output`, and `residual`, which is added to the last link's sums: `[batch, positions, channels out of the last link]`
///
/// # Panics
/// If a length or the links do not fit, there are none, or one computes several lines at a time: one that
/// [is minimally filtered](crate::ConvGeometry::is_minimally_filtered), or of products of bf16 numbers.
pub fn convolve_chain(links: &[Link<'_>], input: View<'_>, residual: Option<&[f32]>, output: &mut [f32]) {
    input.check();
    assert!(!links.is_empty(), "a chain of convolutions");
    assert!(links.iter().all(|link| link.convolution.goes_line_by_line()), "convolutions of single lines");
    let chain = Chain::new(links, input);
    let [height, width, channels] = chain.maps[links.len()];
    assert_eq!(output.len(), input.batch * height * width * channels, "output of a chain");
    assert!(residual.is_none_or(|residual| residual.len() == output.len()), "residual of a chain");
    if output.is_empty() {
        return;
    }
    match chain.cut() {
        Some(cut) => chain.by_bands(cut, residual, output),
        None => chain.by_maps(residual, output),
    }
}

struct Chain<'a> {
    links: &'a [Link<'a>],
    input: View<'a>,
    /// Height, width and channels of the input, and of each link's output.
    maps: Vec<[usize; 3]>,
}

/// Lines of a map that are there.
struct Band<'a> {
    lines: Range<usize>,
    values: &'a mut [f32],
}

impl<'a> Chain<'a> {
    fn new(links: &'a [Link<'a>], input: View<'a>) -> Self {
        let mut maps = vec![[input.height, input.width, input.channels]];
        for Link { convolution, .. } in links {
            let [height, width, _] = maps[maps.len() - 1];
            let [height, width] = convolution.geometry().positions([height, width]);
            maps.push([height, width, convolution.geometry().out_channels]);
        }
        Self { links, input, maps }
    }

    /// Values of a line of a map.
    fn line(&self, map: usize) -> usize {
        let [_, width, channels] = self.maps[map];
        width * channels
    }

    fn last(&self) -> usize {
        self.links.len()
    }

    /// The lines of the map before a link that some lines of its output see.
    fn seen(&self, link: usize, lines: &Range<usize>) -> Range<usize> {
        let window = self.links[link].convolution.geometry().window;
        let first = (lines.start * window.stride[0]).saturating_sub(window.padding[0]);
        let end = (lines.end.max(1) - 1) * window.stride[0] + reach(window);
        let end = end.saturating_sub(window.padding[0]).min(self.maps[link][0]);
        first.min(end)..end
    }

    /// For each map but the first, how many lines of it are computed for a band of `lines` lines of the last one.
    fn heights(&self, lines: usize) -> Vec<usize> {
        let mut heights = vec![lines; self.last()];
        for link in (1..self.last()).rev() {
            let window = self.links[link].convolution.geometry().window;
            let seen = (heights[link] - 1) * window.stride[0] + reach(window);
            heights[link - 1] = seen.min(self.maps[link][0]);
        }
        heights
    }

    /// Values of the bands between the links.
    fn between(&self, lines: usize) -> Vec<usize> {
        let heights = self.heights(lines);
        (1..self.last()).map(|map| heights[map - 1] * self.line(map)).collect()
    }

    /// Lines of the last map a task and a band, if bands are worth it: not where their weights would be read from afar again and
    /// again, or there are so few lines for each thread that many would be computed twice.
    fn cut(&self) -> Option<(usize, usize)> {
        let weights = self.links.iter().map(|link| link.convolution.geometry().weight_len()).sum::<usize>();
        if weights * size_of::<f32>() > WEIGHT_BYTES || self.band(1) == 0 {
            return None;
        }
        let height = self.maps[self.last()][0];
        let threads = neuron_threads::threads();
        let fits = |parts: usize| {
            // Of each map, what is computed for a task beyond its share.
            let mut shares = self.heights(height.div_ceil(parts)).into_iter().zip(&self.maps[1..]);
            parts == 1
                || shares.all(|(seen, map)| seen.saturating_sub(map[0].div_ceil(parts)) * TWICE <= seen)
        };
        let wanted = if threads == 1 { 1 } else { (A_THREAD * threads).div_ceil(self.input.batch.max(1)) };
        let least = threads.div_ceil(self.input.batch.max(1));
        let parts = (least..=wanted.max(least)).rev().find(|parts| *parts <= height && fits(*parts))?;
        let lines = height.div_ceil(parts);
        Some((lines, self.band(lines)))
    }

    /// Lines of the last map a band; 0 if not even one fits.
    fn band(&self, most: usize) -> usize {
        let bytes = |lines: usize| self.between(lines).iter().sum::<usize>() * size_of::<f32>();
        (1..=most).rev().find(|lines| bytes(*lines) <= BAND_BYTES).unwrap_or(0)
    }

    /// With so many lines of the last map a task and a band.
    fn by_bands(&self, (lines, band): (usize, usize), residual: Option<&[f32]>, output: &mut [f32]) {
        let (height, line) = (self.maps[self.last()][0], self.line(self.last()));
        let items = output.chunks_exact_mut(height * line);
        let parts = items.flat_map(|item| item.chunks_mut(lines * line));
        let tasks = height.div_ceil(lines);
        neuron_threads::for_each(parts, |task, output| {
            let (item, first) = (task / tasks, task % tasks * lines);
            let residual =
                residual.map(|residual| &residual[(item * height + first) * line..][..output.len()]);
            neuron_threads::alone(|| self.part(item, first, band, residual, output));
        });
    }

    /// A task: lines of an item from `first` on, band by band.
    fn part(&self, item: usize, first: usize, band: usize, residual: Option<&[f32]>, output: &mut [f32]) {
        let lens = self.between(band);
        let line = self.line(self.last());
        let input = View {
            batch: 1,
            data: &self.input.data[item * self.input.item_len()..][..self.input.item_len()],
            ..self.input
        };
        with_scratch(lens.iter().sum(), |mut scratch: &mut [f32]| {
            let mut bands: Vec<Band<'_>> = Vec::with_capacity(lens.len());
            for len in &lens {
                let (values, rest) = scratch.split_at_mut(*len);
                bands.push(Band { lines: 0..0, values });
                scratch = rest;
            }
            for (index, output) in output.chunks_mut(band * line).enumerate() {
                let start = first + index * band;
                let lines = start..start + output.len() / line;
                let seen = self.seen(self.last() - 1, &lines);
                let before = self.advance(self.last() - 1, &seen, input, &mut bands);
                let residual = residual.map(|residual| &residual[index * band * line..][..output.len()]);
                self.compute(self.last() - 1, before, (seen.start, lines), residual, output);
            }
        });
    }

    /// Makes lines of map `map` be there, and returns them.
    fn advance<'b>(
        &self,
        map: usize,
        lines: &Range<usize>,
        input: View<'b>,
        bands: &'b mut [Band<'_>],
    ) -> View<'b> {
        let (line, [_, width, channels]) = (self.line(map), self.maps[map]);
        let Some((band, before)) = bands[..map].split_last_mut() else {
            let data = &input.data[lines.start * line..lines.end * line];
            return View { height: lines.len(), data, ..input };
        };
        let is_there = band.lines.contains(&lines.start);
        let from = if is_there { band.lines.end.min(lines.end) } else { lines.start };
        if is_there {
            let kept = (lines.start - band.lines.start) * line..(from - band.lines.start) * line;
            band.values.copy_within(kept, 0);
        }
        if from < lines.end {
            let new = from..lines.end;
            let seen = self.seen(map - 1, &new);
            let view = self.advance(map - 1, &seen, input, before);
            let values = &mut band.values[(from - lines.start) * line..lines.len() * line];
            self.compute(map - 1, view, (seen.start, new), None, values);
        }
        band.lines = lines.clone();
        let data = &band.values[..lines.len() * line];
        View { batch: 1, height: lines.len(), width, channels, data }
    }

    /// Computes lines of a link's output from those of its input, the first of which is given.
    fn compute(
        &self,
        link: usize,
        input: View<'_>,
        (first, lines): (usize, Range<usize>),
        residual: Option<&[f32]>,
        output: &mut [f32],
    ) {
        let Link { convolution, activation } = self.links[link];
        let epilogue = Epilogue::Activation { residual, activation };
        let [height, width, _] = self.maps[link + 1];
        convolution.forward_lines((input, first), (lines, [height, width]), epilogue, output);
    }

    /// Link by link, over the whole maps of some items.
    fn by_maps(&self, residual: Option<&[f32]>, output: &mut [f32]) {
        let lens: Vec<usize> = (0..=self.last()).map(|map| self.maps[map][0] * self.line(map)).collect();
        let most = lens[1..self.last()].iter().copied().max().unwrap_or(0);
        let items = (MAP_BYTES / (most.max(1) * size_of::<f32>())).clamp(1, self.input.batch.max(1));
        with_scratch(2 * items * most, |scratch: &mut [f32]| {
            let (mut from, mut to) = scratch.split_at_mut(items * most);
            for (index, output) in output.chunks_mut((items * lens[self.last()]).max(1)).enumerate() {
                let (first, items) = (index * items, output.len() / lens[self.last()]);
                for (map, Link { convolution, activation }) in (1..).zip(self.links) {
                    let is_last = map == self.last();
                    let residual = residual
                        .filter(|_| is_last)
                        .map(|residual| &residual[first * lens[map]..][..output.len()]);
                    let epilogue = Epilogue::Activation { residual, activation: *activation };
                    let input = match map {
                        1 => &self.input.data[first * lens[0]..(first + items) * lens[0]],
                        _ => &from[..items * lens[map - 1]],
                    };
                    let output = if is_last { &mut *output } else { &mut to[..items * lens[map]] };
                    let [height, width, channels] = self.maps[map - 1];
                    let input = View { batch: items, height, width, channels, data: input };
                    convolution.forward(input, epilogue, output);
                    std::mem::swap(&mut from, &mut to);
                }
            }
        });
    }
}

/// Lines from a window's first to its last.
fn reach(window: Window) -> usize {
    (window.kernel[0] - 1) * window.dilation[0] + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microkernel::Isa;
    use crate::{Algorithm, ConvGeometry};
    use proptest::prelude::*;

    fn values(len: usize, factor: usize) -> Vec<f32> {
        (0..len).map(|index| (index * factor % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn convolutions(isa: &'static Isa, geometries: &[ConvGeometry]) -> Vec<Convolution> {
        let convolution = |(index, geometry): (usize, &ConvGeometry)| {
            let weight = values(geometry.weight_len(), 41 + index);
            let bias = values(geometry.out_channels, 17);
            Convolution::for_isa(isa, *geometry, &weight, Some(&bias), Algorithm::Auto)
        };
        geometries.iter().enumerate().map(convolution).collect()
    }

    /// What the chain gives in bands of some lines, or however it wants to, has the bits of call after call.
    fn check(
        geometries: &[ConvGeometry],
        [batch, height, width]: [usize; 3],
        adds: bool,
        cuts: &[[usize; 2]],
    ) {
        let data = values(batch * height * width * geometries[0].in_channels, 37);
        let input = View::new(batch, height, width, geometries[0].in_channels, &data);
        for isa in Isa::available() {
            let convolutions = convolutions(isa, geometries);
            let links: Vec<Link<'_>> = convolutions
                .iter()
                .zip([Some(Activation::Relu6), Some(Activation::Silu), None].into_iter().cycle())
                .map(|(convolution, activation)| Link { convolution, activation })
                .collect();
            let chain = Chain::new(&links, input);
            let last = chain.maps[links.len()].iter().product::<usize>() * batch;
            let residual = adds.then(|| values(last, 13));
            let mut expected = vec![f32::NAN; last];
            chain.by_maps(residual.as_deref(), &mut expected);
            let same = |output: &[f32]| output.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
            let mut output = vec![f32::NAN; last];
            convolve_chain(&links, input, residual.as_deref(), &mut output);
            assert!(same(&output), "{}", isa.name);
            for [lines, band] in cuts {
                output.fill(f32::NAN);
                chain.by_bands((*lines, *band), residual.as_deref(), &mut output);
                assert!(same(&output), "{} in {lines} lines a task, {band} a band", isa.name);
            }
        }
    }

    fn geometry([in_channels, out_channels, groups]: [usize; 3], window: Window) -> ConvGeometry {
        ConvGeometry { in_channels, out_channels, groups, window }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 48 }))]
        #[test]
        fn bands_change_no_bit(
            sizes in [1usize..3, 1..24, 1..20],
            channels in [1usize..20, 1..3, 1..40],
            (kernel, stride, padding) in (1usize..6, 1usize..3, 0usize..3),
            lines in 1usize..9, band in 1usize..5, adds in any::<bool>(),
        ) {
            let [inputs, groups, outputs] = channels;
            prop_assume!(sizes[1] + 2 * padding >= kernel && sizes[2] + 2 * padding >= kernel);
            let middle = 8 * groups;
            let pointwise = Window::square(1, 1, 0);
            let window = Window::square(kernel, stride, padding.min(kernel / 2));
            prop_assume!(sizes[1] + 2 * window.padding[0] >= kernel && sizes[2] + 2 * window.padding[1] >= kernel);
            for groups in [middle, groups, 1] {
                // Kernels whose lines are computed one by one.
                let several = groups < middle && window.kernel == [3; 2];
                let window = if several { Window::square(3, 2, window.padding[0]) } else { window };
                let geometries = [
                    geometry([inputs, middle, 1], pointwise),
                    geometry([middle, middle, groups], window),
                    geometry([middle, outputs, 1], pointwise),
                ];
                check(&geometries, sizes, adds, &[[lines, band]]);
                check(&geometries[..2], sizes, adds, &[[lines, band]]);
                check(&geometries[1..], sizes, adds, &[[lines, band]]);
            }
        }
    }

    #[test]
    fn layers_of_real_networks_go_in_bands() {
        let threes = |stride| Window::square(3, stride, 1);
        let pointwise = Window::square(1, 1, 0);
        // MobileNet V2's, and of groups.
        let chains =
            [([24, 144, 144, 24], threes(1)), ([16, 96, 96, 24], threes(2)), ([32, 64, 8, 64], threes(2))];
        let size = if cfg!(miri) { 6 } else { 28 };
        for ([inputs, middle, groups, outputs], window) in chains {
            let geometries = [
                geometry([inputs, middle, 1], pointwise),
                geometry([middle, middle, groups], window),
                geometry([middle, outputs, 1], pointwise),
            ];
            check(&geometries, [2, size, size], true, &[[5, 1], [8, 3], [28, 28]]);
        }
    }
}
