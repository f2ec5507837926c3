//! The arithmetic by its definition, on every engine of the machine.
use super::Bf16Arithmetic::{self, Pairs, Tiles};
use super::convolution::{Bf16Convolution, Bf16Epilogue, Bf16Output, Bf16Residual};
use super::engine::{self, Engine};
use super::map::Bf16View;
use super::number::{Terms, bias, round, split, widen};
use super::rounding::round_into;
use super::task::products;
use super::{bf16_max_pool, widen_into};
use crate::microkernel::Isa;
use crate::{
    Activation, Algorithm, ConvGeometry, Convolution, ConvolutionTranspose, Epilogue, Gate, MaxPool,
    TransposeEpilogue, View,
};
use neuron_geometry::Window;

/// What this machine has for an arithmetic, with the code for matrix instructions on a tile unit in software.
fn available(arithmetic: Bf16Arithmetic) -> impl Iterator<Item = Engine> {
    #[cfg(target_arch = "x86_64")]
    let in_software = engine::in_software().filter(|engine| engine.arithmetic == arithmetic);
    #[cfg(not(target_arch = "x86_64"))]
    let in_software = None;
    engine::available(arithmetic).chain(in_software)
}

/// Values of all sizes, now and then 0, tiny ones and their products among them.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    let value = |_| {
        let (sign, mantissa, kind) = (next() & 1, next() & 0x7f_ffff, next() % 20);
        let exponent = match kind {
            0 => 0,
            1 => 60 + next() % 20,
            _ => 120 + next() % 8,
        };
        f32::from_bits(sign << 31 | exponent << 23 | if kind == 2 { 0 } else { mantissa })
    };
    (0..len).map(value).collect()
}

/// The value with 32 products, or fewer at the end of a piece.
fn added(arithmetic: Bf16Arithmetic, value: f32, products: &[[f32; 2]]) -> f32 {
    match arithmetic {
        Tiles => {
            let chain = |first: usize| {
                let places = products.iter().skip(first).step_by(2);
                places.fold(0f32, |sum, [row, weight]| row.mul_add(*weight, sum))
            };
            value + (chain(0) + chain(1))
        }
        Pairs => {
            let pairs = products.chunks(2).flat_map(|pair| pair.iter().rev());
            pairs.fold(value, |sum, [row, weight]| row.mul_add(*weight, sum))
        }
    }
}

/// A convolution as an arithmetic defines it: unrounded values.
fn defined(
    arithmetic: Bf16Arithmetic,
    geometry: ConvGeometry,
    weight: &[f32],
    biases: &[f32],
    (input, terms): (View<'_>, Terms),
    relu: bool,
    residual: &[f32],
) -> Vec<f32> {
    let ConvGeometry { window, .. } = geometry;
    let [group_in, group_out] = geometry.group();
    let [rows, columns] = geometry.positions(input.size());
    let parts = |value: f32| if terms == Terms::One { [round(value), 0] } else { split(value) };
    let inside = |axis: usize, at: usize, tap: usize| {
        let at = (at * window.stride[axis] + tap * window.dilation[axis]).checked_sub(window.padding[axis]);
        at.filter(|at| *at < input.size()[axis])
    };
    // A kernel row in one piece, or each of its places; and which channels of a block share a piece.
    let blocks = (1..=geometry.groups)
        .filter(|merged| geometry.groups.is_multiple_of(*merged) && merged * group_out <= 32)
        .max()
        .unwrap_or(1);
    let block = blocks * group_in;
    let gapless = terms == Terms::One || !geometry.in_channels.is_multiple_of(32);
    let by_row = gapless && block == geometry.in_channels && window.dilation[1] == 1;
    let mut output = vec![0.0; input.batch * rows * columns * geometry.out_channels];
    for (at, value) in output.iter_mut().enumerate() {
        let (channel, position) = (at % geometry.out_channels, at / geometry.out_channels);
        let (item, y, x) = (position / (rows * columns), position / columns % rows, position % columns);
        let factors = |row: usize, column: usize, index: usize| {
            let group = channel / group_out;
            let from = group / blocks * block + index;
            let weight = if from / group_in == group {
                let tap = row * window.kernel[1] + column;
                weight[(channel * group_in + from % group_in) * window.places() + tap]
            } else {
                0.0
            };
            let value = match (inside(0, y, row), inside(1, x, column)) {
                (Some(row), Some(column)) => {
                    input.data[((item * input.height + row) * input.width + column) * input.channels + from]
                }
                _ => 0.0,
            };
            (parts(value), parts(weight))
        };
        let mut sum = bias(biases[channel]);
        for row in 0..window.kernel[0] {
            let places: Vec<Vec<_>> = (0..window.kernel[1])
                .map(|column| (0..block).map(|index| factors(row, column, index)).collect())
                .collect();
            let pieces = if by_row { vec![places.concat()] } else { places };
            for step in pieces.iter().flat_map(|piece| piece.chunks(32)) {
                for [low_row, low_weight] in products(terms) {
                    let factors = |(row, weight): &([u16; 2], [u16; 2])| {
                        [widen(row[usize::from(*low_row)]), widen(weight[usize::from(*low_weight)])]
                    };
                    sum = added(arithmetic, sum, &step.iter().map(factors).collect::<Vec<_>>());
                }
            }
        }
        sum += residual[at];
        *value = if relu && sum < 0.0 { 0.0 } else { sum };
    }
    output
}

/// Channels in and out and groups; kernel, stride, padding, dilation; batch, height, width.
type Case = ((usize, usize, usize), ([usize; 2], [usize; 2], [usize; 2], [usize; 2]), (usize, usize, usize));

const CASES: &[Case] = &[
    // In place: whole steps; many rows; a remainder of columns.
    ((32, 32, 1), ([1; 2], [1; 2], [0; 2], [1; 2]), (2, 5, 7)),
    ((64, 40, 1), ([1; 2], [1; 2], [0; 2], [1; 2]), (1, 11, 9)),
    ((96, 70, 1), ([1; 2], [1; 2], [0; 2], [1; 2]), (3, 1, 1)),
    // Copied: a depth that is no multiple of a step, strides, padding, dilation, rectangles.
    ((5, 3, 1), ([1; 2], [1; 2], [0; 2], [1; 2]), (1, 4, 4)),
    ((64, 32, 1), ([1; 2], [2; 2], [0; 2], [1; 2]), (2, 7, 6)),
    ((3, 33, 1), ([7; 2], [2; 2], [3; 2], [1; 2]), (2, 19, 23)),
    ((32, 64, 1), ([3; 2], [1; 2], [1; 2], [1; 2]), (2, 9, 6)),
    ((64, 8, 1), ([3; 2], [2; 2], [1; 2], [1; 2]), (1, 8, 9)),
    ((20, 9, 1), ([3; 2], [1; 2], [2; 2], [2; 2]), (1, 6, 5)),
    ((4, 6, 1), ([2, 5], [3, 1], [1, 0], [1, 1]), (2, 9, 8)),
    ((7, 5, 1), ([1, 3], [1, 2], [0, 3], [2, 3]), (1, 3, 13)),
    // Copied once, for several tasks: fewer rows than columns, and several items.
    ((64, 130, 1), ([3; 2], [1; 2], [1; 2], [1; 2]), (3, 3, 5)),
    ((3, 100, 1), ([3; 2], [2; 2], [1; 2], [1; 2]), (4, 5, 6)),
    ((20, 90, 1), ([1, 3], [3, 1], [0, 2], [1, 2]), (5, 7, 2)),
    ((64, 160, 2), ([3; 2], [1; 2], [1; 2], [1; 2]), (2, 4, 4)),
    // Position by position: many small maps, padding, strides, groups.
    ((32, 40, 1), ([3; 2], [1; 2], [1; 2], [1; 2]), (33, 2, 2)),
    ((64, 32, 1), ([3; 2], [2; 2], [1; 2], [1; 2]), (37, 5, 4)),
    ((64, 64, 2), ([2, 3], [1; 2], [0, 1], [2, 1]), (50, 4, 3)),
    ((32, 32, 1), ([1; 2], [2; 2], [0; 2], [1; 2]), (40, 3, 3)),
    // Groups: merged, and wide ones.
    ((32, 32, 8), ([3; 2], [1; 2], [1; 2], [1; 2]), (1, 5, 5)),
    ((64, 96, 2), ([1; 2], [1; 2], [0; 2], [1; 2]), (1, 5, 5)),
    ((12, 80, 2), ([3; 2], [2; 2], [1; 2], [1; 2]), (1, 7, 7)),
];

/// For Miri, which is slow: in place, copied, position by position.
const SMALL_CASES: &[Case] = &[
    ((32, 3, 1), ([1; 2], [1; 2], [0; 2], [1; 2]), (1, 1, 3)),
    ((3, 2, 1), ([3; 2], [2; 2], [1; 2], [1; 2]), (1, 3, 2)),
    ((32, 2, 1), ([2, 1], [1; 2], [1, 0], [1; 2]), (32, 1, 1)),
];

fn geometry(((in_channels, out_channels, groups), window, _): &Case) -> ConvGeometry {
    let (kernel, stride, padding, dilation) = *window;
    let window = Window { kernel, stride, padding, dilation, ceil_mode: false };
    ConvGeometry { in_channels: *in_channels, out_channels: *out_channels, groups: *groups, window }
}

#[test]
fn engines_compute_what_is_defined() {
    let cases = if cfg!(miri) { SMALL_CASES } else { CASES };
    for (index, case) in cases.iter().enumerate() {
        let (geometry, (batch, height, width)) = (geometry(case), case.2);
        let ConvGeometry { in_channels, out_channels, .. } = geometry;
        let seed = 7 * index as u64;
        let weight = noise(geometry.weight_len(), seed);
        let biases = noise(out_channels, seed + 1);
        let [rows, columns] = geometry.positions([height, width]);
        let len = batch * rows * columns * out_channels;
        let values = noise(batch * height * width * in_channels, seed + 2);
        for terms in [Terms::One, Terms::Two] {
            let convolution = Bf16Convolution::new(geometry, &weight, Some(&biases), terms);
            let mut numbers = vec![0; terms.count() * values.len()];
            round_into(&values, in_channels, terms, &mut numbers);
            let input = Bf16View { batch, height, width, channels: in_channels, terms, data: &numbers };
            let mut residual = vec![0; terms.count() * len];
            round_into(&noise(len, seed + 3), out_channels, terms, &mut residual);
            let mut addends = vec![0.0; len];
            widen_into(&residual, out_channels, terms, &mut addends);
            let view = View::new(batch, height, width, in_channels, &values);
            let relu = index % 2 == 0;
            for arithmetic in [Tiles, Pairs] {
                let want = defined(arithmetic, geometry, &weight, &biases, (view, terms), relu, &addends);
                let mut want_rounded = vec![0; terms.count() * len];
                round_into(&want, out_channels, terms, &mut want_rounded);
                for engine in available(arithmetic) {
                    let run = |residual, output: Bf16Output<'_>| {
                        convolution.run(
                            engine,
                            (input, None),
                            Bf16Epilogue { residual: Some(residual), relu },
                            output,
                        );
                    };
                    for &threads in if cfg!(miri) { &[2][..] } else { &[1, 3] } {
                        let pool = neuron_threads::Pool::new(threads).expect("threads can be started");
                        let (mut rounded, mut full) = (vec![7; terms.count() * len], vec![7.0; len]);
                        let output = Bf16Output { rounded: Some(&mut rounded), full: Some(&mut full) };
                        pool.install(|| run(Bf16Residual::Map(&residual), output));
                        let mut in_place = residual.clone();
                        let output = Bf16Output { rounded: Some(&mut in_place), full: None };
                        pool.install(|| run(Bf16Residual::Output, output));
                        let what = format!("{} {terms:?} {geometry:?}", engine.name);
                        if let Some(at) = (0..len).find(|at| full[*at].to_bits() != want[*at].to_bits()) {
                            panic!("{what} at {at}: {:e} instead of {:e}", full[at], want[at]);
                        }
                        assert!(rounded == want_rounded, "{what}: rounding");
                        assert!(in_place == want_rounded, "{what}: in place of the residual");
                    }
                }
            }
        }
    }
}

#[test]
fn pooled_convolutions_are_both_by_turns() {
    let pool = |kernel, stride, padding| Window::square(kernel, stride, padding);
    let cases: &[_] = if cfg!(miri) {
        &[(((3, 2, 1), ([3; 2], [2; 2], [1; 2], [1; 2]), (1, 5, 4)), pool(2, 2, 0))]
    } else {
        &[
            // Several bands, with lines that two of them see; narrow groups; windows that leave gaps, and wide ones.
            (((3, 33, 1), ([7; 2], [2; 2], [3; 2], [1; 2]), (2, 61, 47)), pool(3, 2, 1)),
            (((32, 64, 1), ([3; 2], [1; 2], [1; 2], [1; 2]), (1, 34, 21)), pool(2, 2, 0)),
            (((32, 32, 8), ([3; 2], [1; 2], [1; 2], [1; 2]), (3, 9, 8)), pool(2, 3, 0)),
            (((5, 8, 1), ([1; 2], [1; 2], [0; 2], [1; 2]), (1, 6, 9)), pool(5, 1, 2)),
        ]
    };
    for (index, (case, window)) in cases.iter().enumerate() {
        let (geometry, (batch, height, width)) = (geometry(case), case.2);
        let ConvGeometry { in_channels: channels, out_channels, .. } = geometry;
        let weight = noise(geometry.weight_len(), index as u64);
        let biases = noise(out_channels, 2);
        let values = noise(batch * height * width * channels, 3);
        let [lines, columns] = geometry.positions([height, width]);
        let pooled: usize = window.positions([lines, columns]).into_iter().product();
        for (terms, relu) in
            [Terms::One, Terms::Two].into_iter().flat_map(|terms| [(terms, true), (terms, false)])
        {
            let convolution = Bf16Convolution::new(geometry, &weight, Some(&biases), terms);
            let mut numbers = vec![0; terms.count() * values.len()];
            round_into(&values, channels, terms, &mut numbers);
            let input = Bf16View { batch, height, width, channels, terms, data: &numbers };
            for engine in [Tiles, Pairs].into_iter().flat_map(available) {
                let mut map = vec![7; terms.count() * batch * lines * columns * out_channels];
                let output = Bf16Output { rounded: Some(&mut map), full: None };
                convolution.run(engine, (input, None), Bf16Epilogue { residual: None, relu }, output);
                let map = Bf16View {
                    batch,
                    height: lines,
                    width: columns,
                    channels: out_channels,
                    terms,
                    data: &map,
                };
                let mut want = vec![7; terms.count() * batch * pooled * out_channels];
                bf16_max_pool(*window, map, &mut want);
                for &threads in if cfg!(miri) { &[2][..] } else { &[1, 3] } {
                    let pool = neuron_threads::Pool::new(threads).expect("threads can be started");
                    let mut found = vec![9; want.len()];
                    pool.install(|| convolution.run_pooled(engine, (input, relu), *window, &mut found));
                    assert!(found == want, "{} {terms:?} {relu} {geometry:?} {window:?}", engine.name);
                }
            }
        }
    }
}

#[test]
fn two_maps_are_one_with_the_channels_of_both() {
    // Rows for several tasks, a panel that is not full, and items enough for a task of each position.
    let cases: &[_] = if cfg!(miri) {
        &[([32, 32], 3, (1, 1, 2))]
    } else {
        &[([64, 32], 40, (2, 9, 5)), ([32, 96], 64, (1, 30, 40)), ([32, 64], 33, (33, 1, 2))]
    };
    for &(channels, out_channels, (batch, height, width)) in cases {
        let part = |in_channels| ConvGeometry {
            in_channels,
            out_channels,
            groups: 1,
            window: Window::square(1, 1, 0),
        };
        let parts = channels.map(part);
        let geometry = Bf16Convolution::side_by_side(parts).expect("whole steps");
        let (positions, both) = (batch * height * width, channels[0] + channels[1]);
        let weight = noise(geometry.weight_len(), 1);
        let biases = noise(out_channels, 2);
        let values = noise(positions * both, 3);
        for terms in [Terms::One, Terms::Two] {
            let convolution = Bf16Convolution::new(geometry, &weight, Some(&biases), terms);
            let numbers = |first: usize, channels: usize| {
                let pixels = values.chunks_exact(both).flat_map(|pixel| &pixel[first..first + channels]);
                let mut numbers = vec![0; terms.count() * positions * channels];
                round_into(&pixels.copied().collect::<Vec<_>>(), channels, terms, &mut numbers);
                numbers
            };
            let views = [numbers(0, channels[0]), numbers(channels[0], channels[1]), numbers(0, both)];
            let [first, second, whole] = [0, 1, 2].map(|at| {
                let channels = [channels[0], channels[1], both][at];
                Bf16View { batch, height, width, channels, terms, data: &views[at] }
            });
            let epilogue = Bf16Epilogue { residual: None, relu: true };
            for engine in [Tiles, Pairs].into_iter().flat_map(available) {
                let sums = |inputs| {
                    let mut full = vec![7.0; positions * out_channels];
                    let output = Bf16Output { rounded: None, full: Some(&mut full) };
                    convolution.run(engine, inputs, epilogue, output);
                    full
                };
                let same = sums((first, Some(second))) == sums((whole, None));
                assert!(same, "{} {terms:?} {geometry:?}", engine.name);
            }
        }
    }
}

#[test]
fn not_all_convolutions_can_be_taken_together() {
    let part = |in_channels, groups, window| ConvGeometry { in_channels, out_channels: 8, groups, window };
    let (point, wide) = (Window::square(1, 2, 0), Window::square(3, 1, 1));
    let together = |second| Bf16Convolution::side_by_side([part(32, 1, point), second]);
    let both = together(part(64, 1, Window::square(1, 1, 0))).expect("strides may differ");
    assert_eq!((both.in_channels, both.window), (96, Window::square(1, 1, 0)));
    let not = [part(33, 1, point), part(64, 2, point), part(64, 1, wide)];
    assert!(not.into_iter().all(|second| together(second).is_none()));
    assert!(together(ConvGeometry { out_channels: 9, ..part(64, 1, point) }).is_none());
}

/// Instructions for bf16 numbers take denormal sums for 0, others do not: the least sum is none.
#[test]
fn the_least_sum_is_not_denormal() {
    let (one, more) = (f32::exp2(-56.0), f32::exp2(-56.0) * (1.0 + 1.0 / 128.0));
    let values = [more, one, more, one];
    // (more - one)^2
    let weight = [more, one, -one, -more];
    let mut numbers = [0; 4];
    round_into(&values, 4, Terms::One, &mut numbers);
    let geometry =
        ConvGeometry { in_channels: 4, out_channels: 1, groups: 1, window: Window::square(1, 1, 0) };
    let convolution = Bf16Convolution::new(geometry, &weight, None, Terms::One);
    let input = Bf16View { batch: 1, height: 1, width: 1, channels: 4, terms: Terms::One, data: &numbers };
    for engine in [Tiles, Pairs].into_iter().flat_map(available) {
        let mut full = [7.0];
        let output = Bf16Output { rounded: None, full: Some(&mut full) };
        convolution.run(engine, (input, None), Bf16Epilogue::default(), output);
        assert_eq!(full[0], f32::MIN_POSITIVE, "{}", engine.name);
    }
}

#[test]
fn pools_are_those_of_the_values() {
    for terms in [Terms::One, Terms::Two] {
        let (batch, height, width, channels) = (2, 7, 9, 5);
        let window = Window::square(3, 2, 1);
        let mut numbers = vec![0; terms.count() * batch * height * width * channels];
        let mut values = noise(batch * height * width * channels, 3);
        values[40] = f32::NAN;
        round_into(&values, channels, terms, &mut numbers);
        widen_into(&numbers, channels, terms, &mut values);
        let [rows, columns] = window.positions([height, width]);
        let len = batch * rows * columns * channels;
        let mut want = vec![0.0; len];
        let pool = MaxPool::new(window).expect("a usual window");
        pool.forward(View::new(batch, height, width, channels, &values), &mut want, None);
        let input = Bf16View { batch, height, width, channels, terms, data: &numbers };
        let (mut got, mut back) = (vec![0; terms.count() * len], vec![0.0; len]);
        bf16_max_pool(window, input, &mut got);
        widen_into(&got, channels, terms, &mut back);
        let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
        assert!(back.iter().zip(&want).all(same), "{terms:?}");
    }
}

/// Maps in f32: the products are those of their numbers, and everything else follows in f32.
#[test]
fn values_are_split_where_they_are_read() {
    let cases = if cfg!(miri) { SMALL_CASES } else { CASES };
    for (index, case) in cases.iter().enumerate() {
        let (geometry, (batch, height, width)) = (geometry(case), case.2);
        let ConvGeometry { in_channels, out_channels, .. } = geometry;
        let seed = 5 * index as u64;
        let weight = noise(geometry.weight_len(), seed);
        let biases = noise(out_channels, seed + 1);
        let values = noise(batch * height * width * in_channels, seed + 2);
        let view = View::new(batch, height, width, in_channels, &values);
        let [rows, columns] = geometry.positions([height, width]);
        let len = batch * rows * columns * out_channels;
        let residual = noise(len, seed + 3);
        let (none, zeros) = (vec![0.0; out_channels], vec![0.0; len]);
        let convolution = Bf16Convolution::new(geometry, &weight, None, Terms::Two);
        let epilogue = Epilogue::Activation { residual: Some(&residual), activation: Some(Activation::Relu) };
        let then = epilogue.with_bias(&biases);
        for arithmetic in [Tiles, Pairs] {
            let products = defined(arithmetic, geometry, &weight, &none, (view, Terms::Two), false, &zeros);
            let finish = |at: usize| (products[at] + biases[at % out_channels] + residual[at]).max(0.0);
            let want: Vec<f32> = (0..len).map(finish).collect();
            for engine in available(arithmetic) {
                for &threads in if cfg!(miri) { &[2][..] } else { &[1, 3] } {
                    let pool = neuron_threads::Pool::new(threads).expect("threads can be started");
                    let mut found = vec![7.0; len];
                    let then = (Isa::detected(), &then);
                    pool.install(|| convolution.run_on_values(engine, view, then, &mut found));
                    let same = |at: &usize| found[*at].to_bits() == want[*at].to_bits();
                    if let Some(at) = (0..len).find(|at| !same(at)) {
                        panic!(
                            "{} {geometry:?} at {at}: {:e} instead of {:e}",
                            engine.name, found[at], want[at]
                        );
                    }
                }
            }
        }
    }
}

/// The algorithm as callers choose it is nearly that of f32, with gates and as a transpose, too.
#[test]
fn three_products_are_nearly_one_of_f32() {
    let geometry =
        ConvGeometry { in_channels: 32, out_channels: 24, groups: 1, window: Window::square(1, 1, 0) };
    let wide = ConvGeometry { window: Window::square(3, 1, 1), ..geometry };
    let usual = |len: usize, seed: u64| -> Vec<f32> {
        (0..len).map(|at| (((at as u64 * 7919 + seed * 104_729) % 2003) as f32 - 1001.0) / 500.0).collect()
    };
    let (values, gates) = (usual(2 * 5 * 4 * 32, 1), usual(2 * 32, 2));
    let input = View::new(2, 5, 4, 32, &values);
    let bias = usual(24, 3);
    let nearly = |found: &[f32], exact: &[f32], what: &str| {
        let largest = exact.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        for (found, exact) in found.iter().zip(exact) {
            assert!((found - exact).abs() < 4e-5 * largest, "{what}: {found} instead of {exact}");
        }
    };
    let epilogue = || Epilogue::Activation { residual: None, activation: Some(Activation::Silu) };
    for (geometry, is_gated) in [(geometry, false), (geometry, true), (wide, false)] {
        let weight = usual(geometry.weight_len(), 4);
        let outputs = [Algorithm::Bf16x3, Algorithm::Direct].map(|algorithm| {
            let convolution = Convolution::new(geometry, &weight, Some(&bias), algorithm);
            let mut output = vec![0.0; 2 * 5 * 4 * 24];
            if is_gated {
                convolution.forward_gated((input, &gates), epilogue(), &mut output);
            } else {
                convolution.forward(input, epilogue(), &mut output);
            }
            output
        });
        nearly(&outputs[0], &outputs[1], "forward");
        let signal = usual(2 * 5 * 4 * 24, 5);
        let gradient = View::new(2, 5, 4, 24, &signal);
        let gradients = [Algorithm::Bf16x3, Algorithm::Direct].map(|algorithm| {
            let transpose = ConvolutionTranspose::new(geometry, &weight, algorithm);
            let mut output = values.clone();
            let gate = Gate::Relu(&values);
            transpose.forward(gradient, [5, 4], TransposeEpilogue { addend: None, gate }, &mut output);
            output
        });
        nearly(&gradients[0], &gradients[1], "backward");
    }
}

/// A pointwise convolution that leaves out lines and columns, backwards: what it never read gets what is added, and no more.
#[test]
fn strided_products_are_nearly_those_of_f32() {
    for (stride, [height, width]) in [(2, [5, 4]), (2, [6, 7]), (3, [7, 3]), (2, [1, 1])] {
        let window = Window::square(1, stride, 0);
        let geometry = ConvGeometry { in_channels: 40, out_channels: 24, groups: 1, window };
        let [lines, columns] = geometry.positions([height, width]);
        let noise = |len: usize, seed: usize| -> Vec<f32> {
            (0..len).map(|at| (((at + seed) * 7919 % 2003) as f32 - 1001.0) / 500.0).collect()
        };
        let weight = noise(geometry.weight_len(), 1);
        let signal = noise(2 * lines * columns * 24, 2);
        let gradient = View::new(2, lines, columns, 24, &signal);
        let [addend, gate] = [3, 4].map(|seed| noise(2 * height * width * 40, seed));
        let [found, exact] = [Algorithm::Bf16x3, Algorithm::Direct].map(|algorithm| {
            let transpose = ConvolutionTranspose::new(geometry, &weight, algorithm);
            let mut output = vec![f32::NAN; gate.len()];
            let epilogue = TransposeEpilogue { addend: Some(&addend), gate: Gate::Relu(&gate) };
            transpose.forward(gradient, [height, width], epilogue, &mut output);
            output
        });
        let largest = exact.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        for (found, exact) in found.iter().zip(&exact) {
            assert!((found - exact).abs() < 4e-5 * largest, "{found} instead of {exact}");
        }
    }
}
