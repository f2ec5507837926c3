use super::engine::{Engine, detected};
use super::frozen::Frozen;
use super::map::{Bf16View, Map};
use super::number::Terms;
use super::packed::STEP;
use super::pass::{Pass, Start};
use crate::microkernel::{FullEpilogue, Isa};
use crate::shape::{ConvGeometry, View};
use neuron_geometry::Window;

/// A convolution on frozen weights of bf16 numbers.
#[derive(Debug)]
pub struct Bf16Convolution(Frozen);

/// What happens to the sums: `relu?(conv + bias + residual?)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bf16Epilogue<'a> {
    /// What is added to the sums.
    pub residual: Option<Bf16Residual<'a>>,
    /// Whether negative values become 0 (NaN stays NaN).
    pub relu: bool,
}

/// A value that is added.
#[derive(Clone, Copy, Debug)]
pub enum Bf16Residual<'a> {
    /// Laid out like the rounded output.
    Map(&'a [u16]),
    /// What the rounded output holds, and loses.
    Output,
}

/// Where values go; both may be wanted.
#[derive(Debug, Default)]
pub struct Bf16Output<'a> {
    /// `[batch, positions, terms, out_channels]`
    pub rounded: Option<&'a mut [u16]>,
    /// As they were summed up, before they are rounded: `[batch, positions, out_channels]`
    pub full: Option<&'a mut [f32]>,
}

impl Bf16Convolution {
    /// Rounds and packs the weights.
    ///
    /// # Shapes
    /// * `weight`: `[out_channels, in_channels / groups, kernel height, kernel width]`
    /// * `bias`: `[out_channels]`
    ///
    /// # Panics
    /// If a length does not fit the geometry.
    pub fn new(geometry: ConvGeometry, weight: &[f32], bias: Option<&[f32]>, terms: Terms) -> Self {
        Self(Frozen::new(geometry, weight, bias, terms))
    }

    /// Overwrites the outputs with `epilogue(conv(input) + bias)`.
    ///
    /// # Shapes
    /// * `input`: `[batch, height, width, terms, in_channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, input: Bf16View<'_>, epilogue: Bf16Epilogue<'_>, output: Bf16Output<'_>) {
        self.run(detected(), (input, None), epilogue, output);
    }

    /// As [`Bf16Convolution::forward`], of the channels of two maps side by side: the sum of two pointwise convolutions is one
    /// of both maps, and what either of them is by itself is never written.
    ///
    /// # Panics
    /// As [`Bf16Convolution::forward`], and if the geometry is not that of [`Bf16Convolution::side_by_side`].
    pub fn forward_of_two(
        &self,
        [first, second]: [Bf16View<'_>; 2],
        epilogue: Bf16Epilogue<'_>,
        output: Bf16Output<'_>,
    ) {
        self.run(detected(), (first, Some(second)), epilogue, output);
    }

    /// Overwrites `output` with the greatest values of windows over `relu?(conv(input) + bias)`, which is never written. The
    /// bits are those of [`bf16_max_pool`](super::bf16_max_pool) behind [`Bf16Convolution::forward`].
    ///
    /// # Shapes
    /// * `input`: `[batch, height, width, terms, in_channels]`
    /// * `output`: `[batch, positions of the window over the convolution's, terms, out_channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward_pooled(&self, input: Bf16View<'_>, relu: bool, window: Window, output: &mut [u16]) {
        self.run_pooled(detected(), (input, relu), window, output);
    }

    pub(super) fn run_pooled(
        &self,
        engine: Engine,
        (input, relu): (Bf16View<'_>, bool),
        window: Window,
        output: &mut [u16],
    ) {
        input.check();
        let ConvGeometry { in_channels, out_channels, .. } = self.0.geometry;
        assert_eq!((input.channels, input.terms), (in_channels, self.0.terms), "the input's numbers");
        let positions = self.0.geometry.positions([input.height, input.width]);
        let [lines, columns] = window.positions(positions);
        let numbers = input.batch * lines * columns * self.0.terms.count() * out_channels;
        assert_eq!(output.len(), numbers, "pooled output of {:?}", self.0.geometry);
        Pass { relu, ..Pass::new(&self.0, engine, Map::Numbers(input)) }.run_pooled(window, output);
    }

    /// The geometry of a convolution that stands for the sum of two, whose maps it reads at the positions that they read;
    /// `None` if they cannot be taken together.
    pub fn side_by_side(convolutions: [ConvGeometry; 2]) -> Option<ConvGeometry> {
        let [first, second] = convolutions;
        let fits = |geometry: &ConvGeometry| {
            let ConvGeometry { in_channels, groups, window, .. } = geometry;
            (*groups, window.kernel, window.padding) == (1, [1; 2], [0; 2])
                && in_channels.is_multiple_of(STEP)
        };
        let (in_channels, out_channels) = (first.in_channels + second.in_channels, first.out_channels);
        let fit = convolutions.iter().all(fits) && second.out_channels == out_channels;
        fit.then_some(ConvGeometry { in_channels, out_channels, groups: 1, window: Window::square(1, 1, 0) })
    }

    pub(super) fn run(
        &self,
        engine: Engine,
        (input, beside): (Bf16View<'_>, Option<Bf16View<'_>>),
        epilogue: Bf16Epilogue<'_>,
        output: Bf16Output<'_>,
    ) {
        input.check();
        let ConvGeometry { in_channels, out_channels, .. } = self.0.geometry;
        if let Some(beside) = beside {
            beside.check();
            let sizes = |map: &Bf16View<'_>| (map.batch, map.height, map.width, map.terms);
            assert_eq!(sizes(&beside), sizes(&input), "maps side by side");
            let whole = input.channels.is_multiple_of(STEP) && self.0.reads_in_place();
            assert!(whole && self.0.blocks.len() == 1, "two maps of {:?}", self.0.geometry);
        }
        let channels = input.channels + beside.map_or(0, |beside| beside.channels);
        assert_eq!((channels, input.terms), (in_channels, self.0.terms), "the input's numbers");
        let [lines, columns] = self.0.geometry.positions([input.height, input.width]);
        let values = input.batch * lines * columns * out_channels;
        let numbers = self.0.terms.count() * values;
        let fits = |len: Option<usize>, expected: usize| len.is_none_or(|len| len == expected);
        let rounded = output.rounded.as_ref().map(|rounded| rounded.len());
        assert!(fits(rounded, numbers), "rounded output of {:?}", self.0.geometry);
        assert!(
            fits(output.full.as_ref().map(|full| full.len()), values),
            "full output of {:?}",
            self.0.geometry
        );
        let residual = epilogue.residual.map(|residual| match residual {
            Bf16Residual::Map(map) => map,
            Bf16Residual::Output => output.rounded.as_deref().unwrap_or_default(),
        });
        assert!(fits(residual.map(<[u16]>::len), numbers), "residual of {:?}", self.0.geometry);
        if values == 0 || (rounded.is_none() && output.full.is_none()) {
            return;
        }
        let rounded = output.rounded.map(|rounded| Start(rounded.as_mut_ptr()));
        let pass = Pass {
            beside,
            residual: match epilogue.residual {
                None => None,
                Some(Bf16Residual::Map(map)) => Some(Start(map.as_ptr().cast_mut())),
                Some(Bf16Residual::Output) => rounded,
            },
            relu: epilogue.relu,
            rounded,
            full: output.full.map(|full| Start(full.as_mut_ptr())),
            ..Pass::new(&self.0, engine, Map::Numbers(input))
        };
        pass.run();
    }

    /// Overwrites `output` with what `then` makes of the products of maps in f32. The bias must be 0.
    ///
    /// # Shapes
    /// * `input`: `[batch, height, width, in_channels]`
    /// * `output`: `[batch, positions, out_channels]`
    ///
    /// # Panics
    /// If a length does not fit, or values are not split into two terms.
    pub(crate) fn forward_on_values(
        &self,
        input: View<'_>,
        then: (&Isa, &FullEpilogue<'_>),
        output: &mut [f32],
    ) {
        self.run_on_values(detected(), input, then, output);
    }

    pub(super) fn run_on_values(
        &self,
        engine: Engine,
        input: View<'_>,
        (isa, then): (&Isa, &FullEpilogue<'_>),
        output: &mut [f32],
    ) {
        input.check();
        let ConvGeometry { in_channels, out_channels, .. } = self.0.geometry;
        assert_eq!((input.channels, Terms::Two), (in_channels, self.0.terms), "the input's channels");
        let [lines, columns] = self.0.geometry.positions(input.size());
        assert_eq!(
            output.len(),
            input.batch * lines * columns * out_channels,
            "output of {:?}",
            self.0.geometry
        );
        then.check(output.len());
        if output.is_empty() {
            return;
        }
        let pass = Pass {
            full: Some(Start(output.as_mut_ptr())),
            then: Some((isa, then)),
            ..Pass::new(&self.0, engine, Map::Values(input))
        };
        pass.run();
    }
}
