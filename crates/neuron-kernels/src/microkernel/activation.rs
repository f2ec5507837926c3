//! Activations, a vector at a time. Each is one formula of operations that round once, so that its bits are the same on
//! every instruction set; none is more than a few units in the last place from its exact value.
use super::lanes::{Lanes, each_vector};

/// An elementwise function between the layers of a network.
///
/// NaN stays NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `relu6(x + 3) / 6`
    HardSigmoid,
    /// `x * sigmoid(x)`
    Silu,
    /// `x * relu6(x + 3) / 6`
    HardSwish,
    /// `x * Phi(x)` with the normal distribution function `Phi`, not one of its approximations.
    Gelu,
    /// `x * sigmoid(1.702 x)`: an approximation of [`Activation::Gelu`] that CLIP was trained with (Radford et al., "Learning
    /// Transferable Visual Models From Natural Language Supervision", ICML 2021).
    QuickGelu,
    /// `x * sigmoid(sqrt(8 / pi) * (x + 0.044715 x^3))`: the approximation of [`Activation::Gelu`] that is usually written with
    /// a tanh, `0.5 x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))` (Hendrycks and Gimpel, "Gaussian Error Linear Units",
    /// 2016).
    GeluTanh,
    /// `(exp(2 x) - 1) / (exp(2 x) + 1)`
    Tanh,
}

impl Activation {
    /// Whether it takes more than a few instructions: it is then not computed among a tile's sums, which need all
    /// registers, but when they have just been stored.
    pub(super) fn is_long(self) -> bool {
        matches!(
            self,
            Self::Sigmoid | Self::Silu | Self::Gelu | Self::QuickGelu | Self::GeluTanh | Self::Tanh
        )
    }
}

/// Rows of neighbouring values, `pitch` apart.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    pub(super) count: usize,
    pub(super) pitch: usize,
    pub(super) len: usize,
}

impl Lines {
    pub(super) fn one(len: usize) -> Self {
        Self { count: 1, pitch: 0, len }
    }
}

/// `output = activation(input)`
///
/// # Safety
/// The machine has the instruction set; the pointers, which may be the same, are valid for all lines.
pub(super) type Activate =
    unsafe fn(activation: Activation, input: *const f32, output: *mut f32, lines: Lines);

/// `signal *= activation'(input)`, for a guided signal without what is negative then.
///
/// # Safety
/// The machine has the instruction set; the pointers are valid for `len` values.
pub(super) type PassBack =
    unsafe fn(activation: Activation, guided: bool, input: *const f32, signal: *mut f32, len: usize);

/// # Safety
/// As for [`Activate`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn activate_vectors<S: Lanes>(
    activation: Activation,
    input: *const f32,
    output: *mut f32,
    lines: Lines,
) {
    // One loop for each: a choice in the loop would be made for every vector.
    macro_rules! map {
        ($function:ident) => {
            for line in 0..lines.count {
                let (input, output) = (input.add(line * lines.pitch), output.add(line * lines.pitch));
                each_vector!(S, lines.len, at, count: {
                    $function(S::load_up_to(input.add(at), count)).store_up_to(output.add(at), count);
                });
            }
        };
    }
    // SAFETY: passed on to the caller.
    unsafe {
        match activation {
            Activation::Relu => map!(relu),
            Activation::Relu6 => map!(relu6),
            Activation::Sigmoid => map!(sigmoid),
            Activation::HardSigmoid => map!(hard_sigmoid),
            Activation::Silu => map!(silu),
            Activation::HardSwish => map!(hard_swish),
            Activation::Gelu => map!(gelu),
            Activation::QuickGelu => map!(quick_gelu),
            Activation::GeluTanh => map!(gelu_tanh),
            Activation::Tanh => map!(tanh),
        }
    }
}

/// # Safety
/// As for [`PassBack`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn pass_back_vectors<S: Lanes>(
    activation: Activation,
    guided: bool,
    input: *const f32,
    signal: *mut f32,
    len: usize,
) {
    macro_rules! pass {
        ($function:ident) => {
            each_vector!(S, len, at, count: {
                let (x, above) = (S::load_up_to(input.add(at), count), S::load_up_to(signal.add(at), count));
                let value: S = $function(x, above);
                let value = if guided { value.relu() } else { value };
                value.store_up_to(signal.add(at), count);
            })
        };
    }
    // SAFETY: passed on to the caller.
    unsafe {
        match activation {
            Activation::Relu => pass!(relu_back),
            Activation::Relu6 => pass!(relu6_back),
            Activation::Sigmoid => pass!(sigmoid_back),
            Activation::HardSigmoid => pass!(hard_sigmoid_back),
            Activation::Silu => pass!(silu_back),
            Activation::HardSwish => pass!(hard_swish_back),
            Activation::Gelu => pass!(gelu_back),
            Activation::QuickGelu => pass!(quick_gelu_back),
            Activation::GeluTanh => pass!(gelu_tanh_back),
            Activation::Tanh => pass!(tanh_back),
        }
    }
}

/// The formulas, each `unsafe` as [`Lanes`] is. `.._back` are a signal times a derivative; where there is a kink, it is
/// PyTorch's.
macro_rules! formulas {
    ($($(#[$doc:meta])* $name:ident($($argument:ident),+) $body:block)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As for [`Lanes`].
            #[inline(always)]
            pub(super) unsafe fn $name<S: Lanes>($($argument: S),+) -> S {
                // SAFETY: the callers enable the instruction set.
                unsafe { $body }
            }
        )*
    };
}

formulas! {
    relu(x) {
        x.relu()
    }

    relu_back(x, signal) {
        signal.where_positive(x)
    }

    relu6(x) {
        x.relu().at_most(S::splat(6.0))
    }

    relu6_back(x, signal) {
        x.where_less(S::splat(6.0), signal.where_positive(x), S::splat(0.0))
    }

    hard_sigmoid(x) {
        relu6(x.add(S::splat(3.0))).mul(S::splat(1.0 / 6.0))
    }

    hard_sigmoid_back(x, signal) {
        let inside = x.abs().where_less(S::splat(3.0), signal, S::splat(0.0));
        inside.mul(S::splat(1.0 / 6.0))
    }

    hard_swish(x) {
        x.mul(hard_sigmoid(x))
    }

    hard_swish_back(x, signal) {
        let slope = x.mul_add(S::splat(1.0 / 3.0), S::splat(0.5));
        let below = x.where_less(S::splat(3.0), signal.mul(slope), signal);
        S::splat(-3.0).where_less(x, below, S::splat(0.0))
    }

    sigmoid(x) {
        S::splat(1.0).div(S::splat(1.0).add(exp_negated(x)))
    }

    sigmoid_back(x, signal) {
        let [sigmoid, mirrored] = sigmoids(x);
        signal.mul(sigmoid.mul(mirrored))
    }

    silu(x) {
        x.div(S::splat(1.0).add(exp_negated(x)))
    }

    silu_back(x, signal) {
        let [sigmoid, mirrored] = sigmoids(x);
        // Below, the sigmoid stays what it is there, which is not quite 0.
        let x = x.at_least(S::splat(LEAST));
        signal.mul(sigmoid.mul(x.mul_add(mirrored, S::splat(1.0))))
    }

    gelu(x) {
        let Tail { density, ratio, .. } = tail(x);
        let beyond = density.mul(ratio);
        x.mul(x.where_less(S::splat(0.0), beyond, S::splat(1.0).sub(beyond)))
    }

    gelu_back(x, signal) {
        let Tail { density, ratio, distance } = tail(x);
        // 1 / sqrt(2 pi)
        let beyond = density.mul(distance.mul_add(S::splat(-0.398_942_3), ratio));
        signal.mul(x.where_less(S::splat(0.0), beyond, S::splat(1.0).sub(beyond)))
    }

    quick_gelu(x) {
        x.div(S::splat(1.0).add(exp_negated(x.mul(S::splat(QUICK)))))
    }

    quick_gelu_back(x, signal) {
        let steep = x.mul(S::splat(QUICK));
        let [sigmoid, mirrored] = sigmoids(steep);
        // As for SiLU; above, it may be infinite, and the mirrored sigmoid is 0.
        let steep = steep.at_least(S::splat(LEAST)).at_most(S::splat(-LEAST));
        signal.mul(sigmoid.mul(steep.mul_add(mirrored, S::splat(1.0))))
    }

    gelu_tanh(x) {
        let steep = x.mul(x.mul(x).mul_add(S::splat(CUBIC), S::splat(LINEAR)));
        // The sum of 1 and a tanh would lose all digits of small ones.
        x.div(S::splat(1.0).add(exp_negated(steep)))
    }

    gelu_tanh_back(x, signal) {
        let square = x.mul(x);
        let [sigmoid, mirrored] = sigmoids(x.mul(square.mul_add(S::splat(CUBIC), S::splat(LINEAR))));
        // `x` times the slope of what the sigmoid is of: at most three times as much as that. Limits as for QuickGELU.
        let along = x.mul(square.mul_add(S::splat(3.0 * CUBIC), S::splat(LINEAR)));
        let along = along.at_least(S::splat(3.0 * LEAST)).at_most(S::splat(-3.0 * LEAST));
        signal.mul(sigmoid.mul(along.mul_add(mirrored, S::splat(1.0))))
    }

    tanh(x) {
        // From 9.02 on, it is 1.
        let twice = x.abs().add(x.abs()).at_most(S::splat(20.0));
        // Below half of ln 2, the power's 1 is left out and not taken off again.
        let power = exp(twice).sub(S::splat(1.0));
        let power = twice.where_less(S::splat(0.34), twice.mul(twice).mul_add(exp_series(twice), twice), power);
        let size = power.div(power.add(S::splat(2.0)));
        x.where_less(S::splat(0.0), S::splat(0.0).sub(size), size)
    }

    tanh_back(x, signal) {
        let [sigmoid, mirrored] = sigmoids(x.add(x));
        signal.mul(sigmoid.mul(mirrored).mul(S::splat(4.0)))
    }

    /// `exp(-x)`: 0 where it would be less than the smallest normal number, infinite where it would be more than any.
    exp_negated(x) {
        exp(S::splat(0.0).sub(x).at_least(S::splat(LEAST)).at_most(S::splat(89.0)))
    }

    /// `exp(x)` from [`LEAST`] to 89.
    exp(x) {
        // x = n ln 2 + rest. The sum is so large that its last place counts ones, and ends with the bits of an exponent; ln 2
        // is split to be exact enough.
        let large = S::splat(12_582_912.0 + 127.0);
        let sum = x.mul_add(S::splat(std::f32::consts::LOG2_E), large);
        let n = sum.sub(large);
        let rest = n.mul_add(S::splat(-std::f32::consts::LN_2), x);
        let rest = n.mul_add(S::splat(1.904_654_3e-9), rest);
        let mantissa = rest.mul(rest).mul_add(exp_series(rest), rest).add(S::splat(1.0));
        mantissa.mul(sum.exponent_in_last_bits())
    }

    /// `(exp(x) - 1 - x) / x^2`, to 1.3e-7 of it, where `x` is not more than half of ln 2.
    exp_series(x) {
        polynomial(x, &[0.5, 0.166_665_76, 0.041_666_854, 0.008_363_213, 0.001_390_131_2])
    }
}

/// How much steeper than a sigmoid the factor of [`Activation::QuickGelu`] is.
const QUICK: f32 = 1.702;

/// Of the polynomial in [`Activation::GeluTanh`]: `sqrt(8 / pi)`, and as much times 0.044715.
const LINEAR: f32 = 1.595_769;
const CUBIC: f32 = 0.071_354_814;

/// Where the exponential is 0: its power of two is less than 2^-126.
pub(super) const LEAST: f32 = -88.0;

/// `sigmoid(x)` and `sigmoid(-x)`, neither as 1 less the other.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn sigmoids<S: Lanes>(x: S) -> [S; 2] {
    // SAFETY: passed on to the caller.
    unsafe {
        // Finite: the quotients' product is one of infinity and 0 otherwise.
        let negated = S::splat(0.0).sub(x).at_least(S::splat(LEAST)).at_most(S::splat(88.3));
        let power = exp(negated);
        let sigmoid = S::splat(1.0).div(S::splat(1.0).add(power));
        [sigmoid, power.mul(sigmoid)]
    }
}

/// What the normal distribution holds beyond `|x|`, `Phi(-|x|) = density * ratio`.
struct Tail<S> {
    /// `exp(-x^2 / 2)`
    density: S,
    ratio: S,
    /// `|x|`, or where that is more the distance from which on nothing is left.
    distance: S,
}

/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn tail<S: Lanes>(x: S) -> Tail<S> {
    // SAFETY: passed on to the caller.
    unsafe {
        let distance = x.abs().at_most(S::splat(15.0));
        // The square's rounding error is a relative one of the exponential, so it is put in.
        let square = distance.mul(distance);
        let lost = distance.mul_add(distance, S::splat(0.0).sub(square));
        let density = exp(square.mul(S::splat(-0.5)).at_least(S::splat(LEAST)));
        let density = density.mul(lost.mul_add(S::splat(-0.5), S::splat(1.0)));
        // The ratio goes like 1 / x; times (|x| + 4) it is smooth in (|x| - 4) / (|x| + 4): to 1e-8, up to 15.2.
        let scale = S::splat(1.0).div(distance.add(S::splat(4.0)));
        // In even and odd powers, whose sums do not wait for one another.
        let x = distance.sub(S::splat(4.0)).mul(scale);
        let even = [0.755_285_14, 0.387_136_94, 0.060_403_347, -0.003_509_3, 0.000_172_924_96];
        let odd = [-0.607_896_57, -0.186_523_74, -0.007_523_545, 0.001_567_901_8, -0.000_135_031_15];
        let square = x.mul(x);
        let series = polynomial(square, &odd).mul_add(x, polynomial(square, &even));
        Tail { density, ratio: series.mul(scale), distance }
    }
}

/// `sum(coefficients[i] * x^i)` by Horner's scheme.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn polynomial<S: Lanes, const N: usize>(x: S, coefficients: &[f32; N]) -> S {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut sum = S::splat(coefficients[N - 1]);
        for coefficient in coefficients[..N - 1].iter().rev() {
            sum = sum.mul_add(x, S::splat(*coefficient));
        }
        sum
    }
}
