//! Every kernel against its definition, over shapes that fit nothing, on every instruction set of the machine.
use super::direct::{Direct, Filter};
use super::microkernel::{Isa, Size};
use super::winograd::Winograd;
use super::{
    Activation, Algorithm, ConvGeometry, Convolution, ConvolutionTranspose, Epilogue, Gate,
    TransposeEpilogue, View, activate, naive,
};
use neuron_geometry::Window;
use proptest::prelude::*;

/// Values in (-1, 1) that differ from place to place.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// F(4x4, 3x3) adds up numbers some ten times as large as its results: measured up to 1.2e-5 on noise.
const WINOGRAD_ERROR: f32 = 3e-5;

/// A layer and the batch it is applied to.
#[derive(Clone, Copy, Debug)]
struct Case {
    geometry: ConvGeometry,
    batch: usize,
    height: usize,
    width: usize,
}

const fn case(
    (in_channels, out_channels, groups): (usize, usize, usize),
    (kernel, stride, padding): (usize, usize, usize),
    (batch, height, width): (usize, usize, usize),
) -> Case {
    let window = Window::square(kernel, stride, padding);
    sliding((in_channels, out_channels, groups), window, (batch, height, width))
}

const fn sliding(
    (in_channels, out_channels, groups): (usize, usize, usize),
    window: Window,
    (batch, height, width): (usize, usize, usize),
) -> Case {
    let geometry = ConvGeometry { in_channels, out_channels, groups, window };
    Case { geometry, batch, height, width }
}

/// Kernel, stride, padding and dilation, `[vertical, horizontal]`.
const fn window(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2], dilation: [usize; 2]) -> Window {
    Window { kernel, stride, padding, dilation, ceil_mode: false }
}

/// One for every path through the engine, and the edges of each.
const CASES: &[Case] = &[
    // Pointwise: in place, strided, one position, long depth, a panel's remainder.
    case((64, 64, 1), (1, 1, 0), (2, 5, 7)),
    case((70, 33, 1), (1, 1, 0), (3, 4, 5)),
    case((600, 1000, 1), (1, 1, 0), (3, 1, 1)),
    case((24, 40, 1), (1, 2, 0), (2, 7, 6)),
    case((48, 20, 1), (1, 3, 0), (1, 8, 5)),
    case((5, 1, 1), (1, 1, 0), (2, 3, 2)),
    // The stem, and other layers on few channels.
    case((3, 64, 1), (7, 2, 3), (2, 37, 29)),
    case((3, 10, 1), (7, 2, 3), (1, 8, 9)),
    case((3, 20, 1), (3, 1, 1), (2, 6, 5)),
    case((1, 6, 1), (5, 1, 0), (2, 9, 7)),
    // 3x3: Winograd or direct, every remainder of a tile, other paddings.
    case((16, 32, 1), (3, 1, 1), (2, 8, 12)),
    case((19, 35, 1), (3, 1, 1), (2, 7, 9)),
    case((33, 17, 1), (3, 1, 0), (1, 9, 6)),
    case((20, 16, 1), (3, 1, 2), (1, 5, 6)),
    case((300, 40, 1), (3, 1, 1), (1, 7, 7)),
    case((40, 300, 1), (3, 1, 1), (3, 5, 3)),
    case((16, 16, 1), (3, 1, 1), (40, 14, 14)),
    // Strided.
    case((17, 40, 1), (3, 2, 1), (2, 9, 8)),
    case((64, 32, 1), (3, 2, 1), (3, 14, 14)),
    case((20, 18, 1), (5, 3, 2), (2, 11, 10)),
    case((16, 20, 1), (2, 3, 0), (2, 11, 10)),
    // Maps of few positions.
    case((512, 48, 1), (3, 1, 1), (5, 1, 1)),
    case((256, 33, 1), (3, 1, 1), (200, 2, 2)),
    case((512, 40, 1), (3, 2, 1), (3, 2, 3)),
    case((64, 33, 1), (3, 2, 1), (3, 1, 2)),
    case((2, 20, 1), (2, 5, 0), (2, 11, 13)),
    case((3, 20, 1), (2, 1, 3), (1, 4, 5)),
    // Groups: narrower and wider than a panel, depthwise.
    case((128, 128, 32), (3, 1, 1), (2, 6, 7)),
    case((128, 128, 32), (3, 2, 1), (2, 7, 6)),
    case((80, 160, 2), (3, 1, 1), (1, 5, 6)),
    case((48, 48, 6), (3, 1, 1), (2, 6, 9)),
    case((48, 96, 3), (3, 2, 1), (2, 7, 6)),
    case((112, 112, 2), (3, 2, 1), (2, 9, 7)),
    case((72, 72, 3), (3, 1, 1), (1, 5, 6)),
    case((288, 96, 2), (3, 2, 1), (1, 6, 5)),
    sliding((32, 48, 4), window([3, 2], [2, 1], [2, 3], [2, 3]), (2, 9, 8)),
    sliding((60, 20, 10), window([2, 3], [1, 2], [1, 4], [3, 4]), (3, 5, 4)),
    case((80, 120, 2), (3, 2, 1), (2, 6, 5)),
    case((30, 60, 3), (1, 1, 0), (2, 3, 4)),
    case((30, 60, 3), (1, 2, 0), (2, 3, 4)),
    case((26, 10, 2), (2, 3, 0), (3, 2, 11)),
    // Depthwise: strips and their remainders, lines of every width, kernels that reach beyond the map, strides, dilations,
    // two channels out for each in.
    case((24, 24, 24), (3, 1, 1), (1, 5, 5)),
    case((64, 64, 64), (3, 1, 1), (2, 13, 15)),
    case((33, 33, 33), (3, 2, 1), (2, 14, 11)),
    case((96, 96, 96), (7, 1, 3), (2, 7, 8)),
    case((40, 40, 40), (5, 2, 2), (3, 9, 12)),
    case((3, 3, 3), (3, 1, 1), (2, 4, 5)),
    case((130, 130, 130), (5, 1, 2), (1, 2, 1)),
    case((20, 20, 20), (3, 3, 0), (2, 10, 13)),
    case((48, 96, 48), (3, 1, 1), (1, 5, 4)),
    sliding((36, 36, 36), window([3, 5], [1, 2], [0, 4], [2, 1]), (2, 9, 8)),
    sliding((18, 18, 18), window([2, 3], [3, 2], [1, 3], [2, 3]), (2, 11, 10)),
    sliding((18, 18, 18), window([3, 2], [2, 4], [2, 2], [2, 2]), (2, 9, 11)),
    sliding((18, 18, 18), window([1, 1], [1, 3], [0, 0], [1, 1]), (2, 3, 7)),
    // Rectangular: Inception's, a patch embedding's, strides of one axis, little to read, maps of few positions.
    sliding((32, 40, 1), window([1, 7], [1, 1], [0, 3], [1, 1]), (2, 6, 9)),
    sliding((32, 40, 1), window([7, 1], [1, 1], [3, 0], [1, 1]), (2, 9, 6)),
    sliding((20, 24, 1), window([3, 2], [2, 1], [1, 0], [1, 1]), (2, 9, 6)),
    sliding((20, 24, 1), window([3, 1], [1, 3], [0, 0], [1, 1]), (2, 7, 8)),
    sliding((3, 24, 1), window([4, 2], [4, 2], [0, 0], [1, 1]), (2, 12, 10)),
    sliding((3, 24, 1), window([2, 5], [1, 2], [1, 3], [1, 1]), (2, 5, 10)),
    sliding((512, 40, 1), window([3, 1], [2, 1], [1, 0], [1, 1]), (3, 3, 2)),
    sliding((64, 48, 2), window([1, 3], [1, 2], [0, 1], [1, 1]), (2, 4, 7)),
    // Dilated: one axis and both, with strides that have a divisor in common with it and that have not.
    sliding((32, 40, 1), window([3, 3], [1, 1], [2, 2], [2, 2]), (2, 9, 8)),
    sliding((20, 24, 1), window([3, 2], [1, 1], [0, 3], [1, 4]), (2, 6, 9)),
    sliding((20, 24, 1), window([3, 3], [2, 2], [2, 2], [2, 2]), (2, 9, 8)),
    sliding((20, 24, 1), window([3, 4], [4, 6], [3, 4], [6, 4]), (1, 19, 17)),
    sliding((20, 24, 1), window([4, 3], [3, 2], [2, 1], [2, 3]), (2, 11, 10)),
    sliding((3, 24, 1), window([3, 3], [2, 2], [2, 2], [2, 2]), (2, 9, 8)),
    sliding((3, 24, 1), window([3, 3], [1, 2], [3, 0], [3, 1]), (2, 9, 8)),
    sliding((64, 48, 2), window([3, 3], [1, 1], [2, 3], [2, 3]), (2, 8, 9)),
    sliding((128, 128, 32), window([3, 3], [1, 2], [2, 1], [2, 1]), (2, 6, 7)),
    sliding((512, 40, 1), window([3, 3], [1, 1], [3, 3], [3, 3]), (3, 2, 1)),
    // Nothing to do.
    case((8, 8, 1), (3, 1, 1), (0, 5, 5)),
];

impl Case {
    fn weight(&self) -> Vec<f32> {
        noise(self.geometry.weight_len(), 1)
    }

    fn bias(&self) -> Vec<f32> {
        noise(self.geometry.out_channels, 2)
    }

    /// Batch, height and width of the output.
    fn positions(&self) -> [usize; 3] {
        let [height, width] = self.geometry.positions([self.height, self.width]);
        [self.batch, height, width]
    }

    fn input_len(&self) -> usize {
        self.batch * self.height * self.width * self.geometry.in_channels
    }

    fn output_len(&self) -> usize {
        self.positions().iter().product::<usize>() * self.geometry.out_channels
    }

    fn input<'a>(&self, data: &'a [f32]) -> View<'a> {
        View::new(self.batch, self.height, self.width, self.geometry.in_channels, data)
    }

    fn gradient<'a>(&self, data: &'a [f32]) -> View<'a> {
        let [batch, height, width] = self.positions();
        View::new(batch, height, width, self.geometry.out_channels, data)
    }
}

const ACTIVATIONS: [Activation; 7] = [
    Activation::Relu,
    Activation::Silu,
    Activation::HardSwish,
    Activation::Relu6,
    Activation::Gelu,
    Activation::HardSigmoid,
    Activation::Sigmoid,
];

/// A forward epilogue on noise laid out like the output.
fn epilogue(index: usize, side: &[f32]) -> Epilogue<'_> {
    match index % 4 {
        0 => Epilogue::Activation { residual: None, activation: None },
        1 => Epilogue::Activation { residual: Some(side), activation: Some(ACTIVATIONS[index / 4 % 7]) },
        2 => Epilogue::Activation { residual: None, activation: Some(ACTIVATIONS[index / 4 % 7]) },
        _ => Epilogue::Quotient { numerator: side, eps: 1e-5 },
    }
}

/// A transpose's epilogue on noise laid out like the output.
fn transpose_epilogue<'a>(index: usize, addend: &'a [f32], gate: &'a [f32]) -> TransposeEpilogue<'a> {
    let gate = match index % 4 {
        0 => Gate::Open,
        1 => Gate::Relu(gate),
        2 => Gate::GuidedRelu(gate),
        _ => Gate::Product(gate),
    };
    TransposeEpilogue { addend: (index < 4).then_some(addend), gate }
}

fn same_bits(got: &[f32], expected: &[f32]) -> bool {
    got.iter().zip(expected).all(|(got, expected)| got.to_bits() == expected.to_bits())
}

/// Whether [`Algorithm::Auto`] is worth a run of its own beside the direct one: under Miri only where it is another
/// algorithm.
fn tries_auto(case: &Case) -> bool {
    let Window { kernel, stride, dilation, .. } = case.geometry.window;
    !cfg!(miri) || (kernel, stride, dilation) == ([3; 2], [1; 2], [1; 2])
}

/// The greatest difference in units of the greatest value.
fn relative_error(got: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    // A NaN would be lost by `max`.
    let differences = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs() / largest);
    differences.fold(
        0.0,
        |most, difference| if difference > most || difference.is_nan() { difference } else { most },
    )
}

fn forward(
    isa: &'static Isa,
    case: &Case,
    algorithm: Algorithm,
    input: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let mut output = vec![f32::NAN; case.output_len()];
    let layer = Convolution::for_isa(isa, case.geometry, &case.weight(), Some(&case.bias()), algorithm);
    layer.forward(case.input(input), epilogue, &mut output);
    output
}

fn backward(
    isa: &'static Isa,
    case: &Case,
    algorithm: Algorithm,
    gradient: &[f32],
    epilogue: TransposeEpilogue<'_>,
) -> Vec<f32> {
    let mut output = vec![f32::NAN; case.input_len()];
    let layer = ConvolutionTranspose::for_isa(isa, case.geometry, &case.weight(), algorithm);
    layer.forward(case.gradient(gradient), [case.height, case.width], epilogue, &mut output);
    output
}

fn check_forward(isa: &'static Isa, case: &Case, index: usize) {
    let (input, side) = (noise(case.input_len(), 3), noise(case.output_len(), 4));
    let mut expected = vec![0.0; case.output_len()];
    let epilogue = epilogue(index, &side);
    naive::convolution(
        case.geometry,
        &case.weight(),
        Some(&case.bias()),
        case.input(&input),
        epilogue,
        &mut expected,
    );
    let direct = forward(isa, case, Algorithm::Direct, &input, epilogue);
    assert!(same_bits(&direct, &expected), "{isa:?}, {case:?}, {epilogue:.0?}");
    if let Epilogue::Activation { residual, activation } = epilogue
        && tries_auto(case)
    {
        // An activation that saturates would hide errors, or make them large beside its values.
        let open = Epilogue::Activation { residual, activation: None };
        let mut sums = forward(isa, case, Algorithm::Auto, &input, open);
        let mut expected = vec![0.0; case.output_len()];
        let (weight, bias) = (case.weight(), case.bias());
        naive::convolution(case.geometry, &weight, Some(&bias), case.input(&input), open, &mut expected);
        let error = relative_error(&sums, &expected);
        assert!(error < WINOGRAD_ERROR, "{isa:?}, {case:?}: {error}");
        if let Some(activation) = activation {
            activate(activation, &sums.clone(), &mut sums);
            let all_at_once = forward(isa, case, Algorithm::Auto, &input, epilogue);
            assert!(same_bits(&all_at_once, &sums), "{isa:?}, {case:?}, {activation:?}");
        }
    }
}

fn check_backward(isa: &'static Isa, case: &Case, index: usize) {
    let gradient = noise(case.output_len(), 5);
    let (addend, gate) = (noise(case.input_len(), 6), noise(case.input_len(), 7));
    let epilogue = transpose_epilogue(index, &addend, &gate);
    let mut expected = vec![0.0; case.input_len()];
    naive::transpose(
        case.geometry,
        &case.weight(),
        case.gradient(&gradient),
        [case.height, case.width],
        epilogue,
        &mut expected,
    );
    let direct = backward(isa, case, Algorithm::Direct, &gradient, epilogue);
    if case.geometry.in_channels < 16 {
        // Sums over products of whole lines: the same terms in another order.
        let error = relative_error(&direct, &expected);
        assert!(error < 1e-5, "{isa:?}, {case:?}: {error}");
    } else {
        assert!(same_bits(&direct, &expected), "{isa:?}, {case:?}, {index}");
    }
    if tries_auto(case) {
        let error = relative_error(&backward(isa, case, Algorithm::Auto, &gradient, epilogue), &expected);
        assert!(error < WINOGRAD_ERROR, "{isa:?}, {case:?}: {error}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn convolutions_are_what_they_are_defined_to_be() {
    for isa in Isa::available() {
        for (index, case) in CASES.iter().enumerate() {
            check_forward(isa, case, index);
            check_forward(isa, case, index + 1);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn transposes_are_what_they_are_defined_to_be() {
    for isa in Isa::available() {
        for (index, case) in CASES.iter().enumerate() {
            (0..8).for_each(|epilogue| check_backward(isa, case, index + epilogue));
        }
    }
}

fn pair(range: std::ops::Range<usize>) -> impl Strategy<Value = [usize; 2]> {
    (range.clone(), range).prop_map(|(vertical, horizontal)| [vertical, horizontal])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    #[cfg_attr(miri, ignore = "takes hours")]
    fn depthwise_layers_of_any_shape_are_what_they_are_defined_to_be(
        channels in 2usize..70, kernel in pair(1..8), stride in pair(1..4), padding in pair(0..5),
        dilation in pair(1..4), batch in 1usize..4, height in 1usize..20, width in 1usize..20, index in 0usize..28,
    ) {
        let window = window(kernel, stride, padding, dilation);
        prop_assume!(window.positions([height, width]).iter().all(|positions| *positions > 0));
        let case = sliding((channels, channels, channels), window, (batch, height, width));
        for isa in Isa::available() {
            check_forward(isa, &case, index);
            check_backward(isa, &case, index);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    #[cfg_attr(miri, ignore = "takes hours")]
    fn layers_of_any_shape_are_what_they_are_defined_to_be(
        groups in 1usize..4, group_in in 1usize..40, group_out in 1usize..40,
        kernel in pair(1..6), stride in pair(1..4), padding in pair(0..5), dilation in pair(1..4),
        batch in 1usize..4, height in 1usize..12, width in 1usize..12, index in 0usize..28,
    ) {
        let window = window(kernel, stride, padding, dilation);
        prop_assume!(window.positions([height, width]).iter().all(|positions| *positions > 0));
        let channels = (groups * group_in, groups * group_out, groups);
        let case = sliding(channels, window, (batch, height, width));
        for isa in Isa::available() {
            check_forward(isa, &case, index);
            check_backward(isa, &case, index);
        }
    }
}

/// Every item alone, on one thread, portably; then all of them at once on two threads and every instruction set.
#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn an_items_bits_depend_on_the_item_alone() {
    let two = neuron_threads::Pool::new(2).expect("a pool of two threads");
    let one = neuron_threads::Pool::new(1).expect("a pool of one thread");
    let portable = Isa::available().last().expect("the portable kernels run everywhere");
    for (index, case) in CASES.iter().enumerate().filter(|(_, case)| case.batch < 10) {
        let batch = Case { batch: 37, ..*case };
        let (input, gradient) = (noise(batch.input_len(), 3), noise(batch.output_len(), 5));
        let single = Case { batch: 1, ..*case };
        for algorithm in [Algorithm::Auto, Algorithm::Direct] {
            let epilogue = epilogue(0, &[]);
            let alone: Vec<f32> = one.install(|| {
                let items = input.chunks_exact(single.input_len()).take(2);
                items.flat_map(|item| forward(portable, &single, algorithm, item, epilogue)).collect()
            });
            let alone_back: Vec<f32> = one.install(|| {
                let items = gradient.chunks_exact(single.output_len()).take(2);
                items
                    .flat_map(|item| backward(portable, &single, algorithm, item, Default::default()))
                    .collect()
            });
            for isa in Isa::available().filter(|isa| isa.name != portable.name) {
                let (all, back) = two.install(|| {
                    let all = forward(isa, &batch, algorithm, &input, epilogue);
                    (all, backward(isa, &batch, algorithm, &gradient, Default::default()))
                });
                assert!(same_bits(&alone, &all[..alone.len()]), "{isa:?}, {index}: {case:?}");
                assert!(same_bits(&alone_back, &back[..alone_back.len()]), "{isa:?}, {index}: {case:?}");
            }
        }
    }
}

/// Whether the first output reads the first pixel.
fn sees_the_first_pixel(window: Window) -> bool {
    let reaches = |axis: usize| {
        let padding = window.padding[axis];
        padding < window.extent()[axis] && padding.is_multiple_of(window.dilation[axis])
    };
    reaches(0) && reaches(1)
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn nan_survives_to_the_output() {
    for isa in Isa::available() {
        for geometry in CASES
            .iter()
            .map(|case| case.geometry)
            .filter(|geometry| geometry.groups == 1 && sees_the_first_pixel(geometry.window))
        {
            let case = Case { geometry, batch: 1, height: 27, width: 28 };
            let mut input = noise(case.input_len(), 8);
            input[0] = f32::NAN;
            let relu = Epilogue::Activation { residual: None, activation: Some(Activation::Relu) };
            for algorithm in [Algorithm::Auto, Algorithm::Direct] {
                let output = forward(isa, &case, algorithm, &input, relu);
                assert!(output[0].is_nan(), "{isa:?}, {geometry:?}");
            }
        }
    }
}

/// Most paths through the engine, over as little as takes each of them: what Miri can run (`scripts/miri.sh`). One or
/// two channels more than whole vectors and panels of the portable kernels.
const SMALL_CASES: &[Case] = &[
    // Pointwise: in place, gathered, of two blocks of depth.
    case((17, 9, 1), (1, 1, 0), (2, 2, 3)),
    case((17, 9, 1), (1, 2, 0), (2, 3, 4)),
    case((260, 3, 1), (1, 1, 0), (2, 1, 1)),
    // Few channels, and products scattered over the positions.
    case((3, 9, 1), (3, 2, 1), (2, 5, 4)),
    // Winograd's filtering (to few channels, as transforming the weights takes longest), strides, maps of few positions.
    case((17, 3, 1), (3, 1, 1), (1, 3, 5)),
    case((17, 9, 1), (3, 2, 1), (1, 5, 4)),
    case((17, 9, 1), (3, 1, 1), (2, 2, 2)),
    // Rectangular and dilated, both ways.
    sliding((17, 9, 1), window([3, 2], [2, 1], [1, 0], [1, 2]), (1, 5, 4)),
    // Groups: narrower than a panel and wider.
    case((12, 12, 6), (3, 1, 1), (1, 3, 4)),
    case((34, 36, 2), (1, 2, 0), (2, 3, 4)),
    case((17, 17, 17), (3, 1, 1), (2, 4, 6)),
    case((9, 9, 9), (3, 2, 1), (1, 5, 4)),
    case((8, 8, 1), (3, 1, 1), (0, 5, 5)),
];

/// Calls `check` for every small case on two threads, with some epilogues after one another.
///
/// Under Miri, which is thousands of times slower, each case has one of them, and the next case the next.
fn for_small_cases(epilogues: usize, check: impl Fn(&'static Isa, &Case, usize) + Sync) {
    let epilogues = if cfg!(miri) { 1 } else { epilogues };
    let two = neuron_threads::Pool::new(2).expect("a pool of two threads");
    for isa in Isa::available() {
        for (index, case) in SMALL_CASES.iter().enumerate() {
            two.install(|| (0..epilogues).for_each(|epilogue| check(isa, case, index + epilogue)));
        }
    }
}

#[test]
fn small_convolutions_are_what_they_are_defined_to_be() {
    for_small_cases(1, check_forward);
}

#[test]
fn small_transposes_are_what_they_are_defined_to_be() {
    for_small_cases(4, check_backward);
}

/// [`Algorithm::Auto`] takes F(2x2, 3x3) only for megabytes of weights, so that no small case does.
#[test]
fn small_tiles_of_either_size_are_what_they_are_defined_to_be() {
    let case = case((17, 3, 1), (3, 1, 1), (1, 3, 5));
    let ConvGeometry { in_channels: inputs, out_channels: outputs, groups, window } = case.geometry;
    let (input, weight, bias) = (noise(case.input_len(), 3), case.weight(), case.bias());
    let relu = Epilogue::Activation { residual: None, activation: Some(Activation::Relu) };
    let mut expected = vec![0.0; case.output_len()];
    naive::convolution(case.geometry, &weight, Some(&bias), case.input(&input), relu, &mut expected);
    let filter = Filter { groups, inputs, outputs, kernel: window.kernel, dilation: window.dilation };
    for isa in Isa::available() {
        let at =
            |out: usize, channel: usize, [y, x]: [usize; 2]| weight[(out * inputs + channel) * 9 + y * 3 + x];
        let direct = Direct::new(isa, filter, at);
        for size in [Size::F2, Size::F4] {
            let (mut output, positions) = (vec![f32::NAN; case.output_len()], [case.height, case.width]);
            let epilogue = relu.with_bias(&bias);
            let tiles = Winograd::new(&direct, size);
            tiles.forward(case.input(&input), [-1; 2], positions, &epilogue, &mut output);
            let error = relative_error(&output, &expected);
            assert!(error < WINOGRAD_ERROR, "{isa:?}, {size:?}: {error}");
        }
    }
}
