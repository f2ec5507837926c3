//! What exporters write: one list for all formats.

use super::Operand;

/// What an operator does with its inputs, in their order. Axes may be counted from the end (`-1` is the last).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operator {
    /// Hands its input on: dropout at inference, copies, changes of memory.
    Identity,
    /// `image, weight, bias`: a convolution over one, two or three axes.
    Convolution { stride: Vec<usize>, padding: Padding, dilation: Vec<usize>, groups: usize },
    /// `image, weight [in, out / groups, ..], bias`: the transpose of a convolution.
    TransposedConvolution {
        stride: Vec<usize>,
        padding: Vec<usize>,
        output_padding: Vec<usize>,
        dilation: Vec<usize>,
        groups: usize,
    },
    /// `x, weight [out, in], bias`, along the last axis.
    Linear,
    /// Matrices, over the last two axes.
    MatMul,
    /// `a, b, c`: `alpha * a b + beta * c`, with `a` or `b` transposed.
    Gemm { alpha: f64, beta: f64, transpose: [bool; 2] },
    /// Sums of products by Einstein's convention.
    Einsum { equation: String },
    /// `x, weight, bias, mean, variance`
    BatchNorm { eps: f64 },
    /// `x, weight, bias`: each channel of each item by the mean and variance of its positions.
    InstanceNorm { eps: f64 },
    /// `x, weight, bias, running_mean`: each place of axis 1 by its own mean and variance: weights that are standardised, and
    /// instance norms that are spelled out. With a running mean it is a batch norm in training.
    Standardise { eps: f64 },
    /// `x, weight, bias`, over so many of the last axes.
    LayerNorm { axes: usize, eps: f64 },
    /// `x, weight`: without the mean taken off.
    RmsNorm { axes: usize, eps: f64 },
    /// `x, weight, bias`
    GroupNorm { groups: usize, eps: f64 },
    /// A function of every element.
    Unary(Unary),
    /// `x, slope`: `x` above 0, else times a slope, which may be each channel's own.
    ParametricRelu,
    /// A function of two elements.
    Binary(Binary),
    /// `x, low, high`
    Clamp,
    /// `x, a, b`: `x + a b`
    MultiplyAdd,
    /// Windows over the last two axes.
    Pool {
        kind: PoolKind,
        kernel: Vec<usize>,
        stride: Vec<usize>,
        padding: Padding,
        dilation: Vec<usize>,
        ceil: bool,
    },
    /// So many means (or maxima) along the last axes; `None` keeps an axis.
    AdaptivePool { kind: PoolKind, sizes: Vec<Option<usize>> },
    /// Along some axes; none means all.
    Reduce { kind: Reduction, axes: Sizes, keep: bool },
    /// `exp(x)` in proportion to their sum along an axis.
    Softmax { axis: i64 },
    /// The logarithm of [`Operator::Softmax`].
    LogSoftmax { axis: i64 },
    /// `-1` is what is left, and with `copies_zero`, 0 is as before.
    Reshape { sizes: Sizes, copies_zero: bool },
    /// Several neighbouring axes as one.
    Flatten { first: i64, last: i64 },
    /// An axis as several.
    Unflatten { axis: i64, sizes: Sizes },
    /// The axis `axes[i]` becomes axis `i`; none: all in reverse.
    Permute { axes: Vec<i64> },
    /// Two axes change places.
    Transpose { axes: [i64; 2] },
    /// New axes of size 1.
    Unsqueeze { axes: Sizes },
    /// Axes of size 1 go away; none: all of them.
    Squeeze { axes: Option<Sizes> },
    /// Axes of size 1 are repeated; `-1` leaves one as it is.
    Expand { sizes: Sizes },
    /// To the shape of the second input.
    ExpandAs,
    /// The shape of the second input.
    ReshapeAs,
    /// Everything so many times along each axis.
    Tile { times: Sizes },
    /// One place of an axis, which goes away.
    Select { axis: i64, index: Operand },
    /// Places of an axis.
    Slice { axis: i64, start: Operand, end: Operand, step: Operand },
    /// Several ranges of axes at once: `x, starts, ends, axes, steps` as tensors.
    Slices,
    /// `x, source`: with a range of an axis replaced.
    SliceScatter { axis: i64, start: Operand, end: Operand, step: Operand },
    /// `x, indices, updates`
    ScatterNd,
    /// `x, indices, updates`: elements along an axis, by a number for each.
    ScatterElements { axis: i64 },
    /// `x, source`: with one place of an axis replaced.
    SelectScatter { axis: i64, index: Operand },
    /// In so many equal parts, one result each.
    Chunk { axis: i64, parts: usize },
    /// In parts of a size, the last may be smaller.
    Split { axis: i64, size: Operand },
    /// In parts of these sizes; none: as many equal ones as there are results.
    SplitSizes { axis: i64, sizes: Option<Sizes> },
    /// Every place of an axis, which goes away.
    Unbind { axis: i64 },
    /// One after the other along an axis.
    Concat { axis: i64 },
    /// Along a new axis.
    Stack { axis: i64 },
    /// Pairs of amounts before and after, for the last axes, the last first; `x, value`.
    Pad { amounts: Sizes, mode: PadMode },
    /// Amounts for all axes: those before all of them, then those after all of them; `x, value`.
    PadAll { amounts: Sizes, axes: Option<Sizes>, mode: PadMode },
    /// Round the edges.
    Roll { shifts: Vec<i64>, axes: Vec<i64> },
    /// In reverse.
    Flip { axes: Vec<i64> },
    /// Windows of an axis as a last axis: so many places each, so far apart.
    Unfold { axis: i64, size: usize, step: usize },
    /// Windows over the last two axes, each with all its channels, as one axis, and how many there are as another (im2col).
    Windows { kernel: [usize; 2], dilation: [usize; 2], padding: [usize; 2], stride: [usize; 2] },
    /// `x, indices`: places of one axis by a table.
    Gather { axis: i64 },
    /// `x, indices...`: places of the first axes by tables, broadcast together; none: all places.
    Index,
    /// `query, key, value, mask`: `softmax(factor * q k^T + mask) v`; without a factor, it is one over the root of the width.
    Attention { factor: Option<f64>, causal: bool },
    /// Larger or smaller maps.
    Resize(Resize),
    /// Channels `c r^2` as `r x r` positions.
    PixelShuffle { factor: usize },
    /// `r x r` positions as channels.
    PixelUnshuffle { factor: usize },
    /// The length of an axis.
    Size { axis: i64 },
    /// All lengths, or some of them.
    Shape { start: i64, end: Option<i64> },
    /// A tensor of one value, of these sizes.
    Full { sizes: Sizes, value: Operand },
    /// As the first input, of one value.
    FullLike { value: Operand },
    /// The first input is overwritten with a value, wherever else it is seen.
    Fill { value: Operand },
    /// `x, source`: the first input is overwritten with the second, wherever else it is seen.
    Copy,
    /// `x, result`: what was computed in the place of `x`, which may be a part of a value that is read elsewhere.
    InPlace,
    /// The mean square of how far elements along some axes are from their mean, with so many fewer counted than there are.
    Variance { axes: Sizes, keep: bool, correction: f64 },
    /// Whole numbers.
    Range { start: Operand, end: Operand, step: Operand },
    /// Coordinates of a grid.
    MeshGrid { first_is_column: bool },
    /// `condition, x, y`
    Where,
    /// `x, mask`: a value where a mask is true.
    MaskedFill { value: Operand },
    /// Running sums.
    Cumsum { axis: i64 },
    /// Ones on the diagonal.
    Eye { rows: Operand, columns: Operand },
    /// Each place several times.
    RepeatInterleave { times: Operand, axis: i64 },
    /// Triangles of a matrix.
    Triangle { upper: bool, diagonal: i64 },
    /// To whole numbers.
    ToInt,
    /// To numbers with a fraction.
    ToFloat,
    /// To true or false.
    ToBool,
    /// Not known, by the name that the file has for it.
    Unknown { operator: String },
}

impl Operator {
    /// The operands among its settings.
    pub(crate) fn operands(&self) -> Vec<&Operand> {
        match self {
            Self::Reduce { axes: sizes, .. }
            | Self::Variance { axes: sizes, .. }
            | Self::Reshape { sizes, .. }
            | Self::Unflatten { sizes, .. }
            | Self::Unsqueeze { axes: sizes }
            | Self::Squeeze { axes: Some(sizes) }
            | Self::Expand { sizes }
            | Self::Tile { times: sizes }
            | Self::SplitSizes { sizes: Some(sizes), .. }
            | Self::Pad { amounts: sizes, .. } => sizes.operands(),
            Self::PadAll { amounts, axes, .. } => {
                amounts.operands().into_iter().chain(axes.iter().flat_map(Sizes::operands)).collect()
            }
            Self::Full { sizes, value } => sizes.operands().into_iter().chain([value]).collect(),
            Self::Select { index: operand, .. }
            | Self::SelectScatter { index: operand, .. }
            | Self::Split { size: operand, .. }
            | Self::FullLike { value: operand }
            | Self::Fill { value: operand }
            | Self::MaskedFill { value: operand }
            | Self::RepeatInterleave { times: operand, .. } => vec![operand],
            Self::Slice { start, end, step, .. }
            | Self::SliceScatter { start, end, step, .. }
            | Self::Range { start, end, step } => vec![start, end, step],
            Self::Eye { rows, columns } => vec![rows, columns],
            Self::Resize(Resize { sizes, scales, .. }) => {
                [sizes, scales].into_iter().flatten().flat_map(Sizes::operands).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Whole numbers, of which some may be other operators' results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sizes {
    /// One by one.
    List(Vec<Operand>),
    /// A tensor of them.
    Tensor(Operand),
}

impl Sizes {
    /// Numbers that a file spells out.
    pub(crate) fn known(sizes: impl IntoIterator<Item = i64>) -> Self {
        Self::List(sizes.into_iter().map(Operand::Int).collect())
    }

    fn operands(&self) -> Vec<&Operand> {
        match self {
            Self::List(list) => list.iter().collect(),
            Self::Tensor(tensor) => vec![tensor],
        }
    }
}

/// What is added around a map before windows slide over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// Before and after each axis.
    Explicit { before: Vec<usize>, after: Vec<usize> },
    /// So much that there are as many windows as there are strides; what is odd comes last, or first.
    Same { odd_comes_first: bool },
}

impl Padding {
    /// As much before as after.
    pub(crate) fn both(amounts: Vec<usize>) -> Self {
        Self::Explicit { after: amounts.clone(), before: amounts }
    }
}

/// What a pool makes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolKind {
    Max,
    /// The mean, whose divisor counts what was added around the map or not.
    Average {
        counts_padding: bool,
    },
}

/// What becomes of the elements along some axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reduction {
    Mean,
    Sum,
    Max,
    Min,
    /// The root of the sum of squares.
    Norm,
    Any,
    All,
}

/// What stands around a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PadMode {
    /// A value.
    Constant,
    /// The map in a mirror at its last places.
    Reflect,
    /// Its last places again.
    Edge,
}

/// How maps change their size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resize {
    pub(crate) kind: ResizeKind,
    /// Height and width, or all axes'.
    pub(crate) sizes: Option<Sizes>,
    /// How many times they grow, along the same axes.
    pub(crate) scales: Option<Sizes>,
    /// Whether corners lie on corners.
    pub(crate) align_corners: bool,
    pub(crate) antialias: bool,
}

/// What is made between the places of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResizeKind {
    Nearest,
    Linear,
    Cubic,
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unary {
    Relu,
    Relu6,
    LeakyRelu {
        slope: f64,
    },
    Elu {
        alpha: f64,
    },
    Selu,
    Gelu,
    GeluTanh,
    Silu,
    Mish,
    Softplus,
    Sigmoid,
    HardSigmoid,
    HardSwish,
    Tanh,
    Exp,
    Log,
    Sqrt,
    ReciprocalSqrt,
    Reciprocal,
    Square,
    Abs,
    Neg,
    Erf,
    Sin,
    Cos,
    Floor,
    Ceil,
    Round,
    Sign,
    Not,
    /// Of each bit of whole numbers; of truth values, [`Unary::Not`].
    BitNot,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Remainder,
    Pow,
    Max,
    Min,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    /// Of each bit of whole numbers; of truth values, [`Binary::And`].
    BitAnd,
    BitOr,
}
