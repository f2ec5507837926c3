use neuron_kernels::clamp_negative;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A function of every value by itself that no step takes along: those that few networks have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pointwise {
    /// Which function.
    pub function: Function,
}

/// A function of one number. With the names that torch has for them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Function {
    /// `x` above 0, else `slope * x`.
    LeakyRelu {
        /// Below 0.
        #[serde(with = "super::numbers")]
        slope: f32,
    },
    /// `x` above 0, else `alpha * (exp(x) - 1)` (Clevert et al., ICLR 2016).
    Elu {
        /// The depth that it approaches, as a positive number.
        #[serde(with = "super::numbers")]
        alpha: f32,
    },
    /// `x * tanh(softplus(x))` (Misra, BMVC 2020).
    Mish,
    /// `ln(1 + exp(x))`
    Softplus,
    /// Between two bounds.
    Clamp {
        /// The lower one.
        #[serde(with = "super::numbers")]
        low: f32,
        /// The upper one.
        #[serde(with = "super::numbers")]
        high: f32,
    },
    /// 1 above a bound, else 0.
    Above {
        /// The bound.
        #[serde(with = "super::numbers")]
        bound: f32,
    },
    /// 1 from a bound on, else 0.
    AtLeast {
        /// The bound.
        #[serde(with = "super::numbers")]
        bound: f32,
    },
    /// `exp(x)`
    Exp,
    /// `ln(x)`
    Log,
    /// The root.
    Sqrt,
    /// One over the root.
    ReciprocalSqrt,
    /// `1 / x`
    Reciprocal,
    /// `x * x`
    Square,
    /// The magnitude.
    Abs,
    /// The error function.
    Erf,
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
}

impl Function {
    /// The value and the slope. In 64 bits and in Rust alone, so that every machine has the same bits.
    fn at(self, x: f64) -> (f64, f64) {
        let sigmoid = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        match self {
            Self::LeakyRelu { .. } if x > 0.0 => (x, 1.0),
            Self::LeakyRelu { slope } => (f64::from(slope) * x, f64::from(slope)),
            Self::Elu { .. } if x > 0.0 => (x, 1.0),
            Self::Elu { alpha } => (f64::from(alpha) * libm::expm1(x), f64::from(alpha) * libm::exp(x)),
            Self::Mish => {
                let soft = softplus(x);
                let (tanh, slope) = (libm::tanh(soft), sigmoid(x));
                (x * tanh, tanh + x * (1.0 - tanh * tanh) * slope)
            }
            Self::Softplus => (softplus(x), sigmoid(x)),
            Self::Clamp { low, high } => {
                let (low, high) = (f64::from(low), f64::from(high));
                let inside = x >= low && x <= high;
                // Unlike `f64::max`, comparisons keep what is no number.
                let value = if x < low { low } else { x };
                (if value > high { high } else { value }, f64::from(u8::from(inside)))
            }
            Self::Above { .. } | Self::AtLeast { .. } if x.is_nan() => (x, 0.0),
            Self::Above { bound } => (f64::from(u8::from(x > f64::from(bound))), 0.0),
            Self::AtLeast { bound } => (f64::from(u8::from(x >= f64::from(bound))), 0.0),
            Self::Exp => (libm::exp(x), libm::exp(x)),
            Self::Log => (libm::log(x), 1.0 / x),
            Self::Sqrt => (x.sqrt(), 0.5 / x.sqrt()),
            Self::ReciprocalSqrt => (1.0 / x.sqrt(), -0.5 / (x * x.sqrt())),
            Self::Reciprocal => (1.0 / x, -1.0 / (x * x)),
            Self::Square => (x * x, 2.0 * x),
            Self::Abs if x == 0.0 => (0.0, 0.0),
            Self::Abs => (x.abs(), x.signum()),
            Self::Erf => (libm::erf(x), 2.0 / std::f64::consts::PI.sqrt() * libm::exp(-x * x)),
            Self::Sin => (libm::sin(x), libm::cos(x)),
            Self::Cos => (libm::cos(x), -libm::sin(x)),
        }
    }
}

fn softplus(x: f64) -> f64 {
    // Large numbers are their own.
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

impl Op for Pointwise {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        use Function as F;
        match self.function {
            F::Softplus
            | F::Above { .. }
            | F::AtLeast { .. }
            | F::Exp
            | F::Sqrt
            | F::ReciprocalSqrt
            | F::Square
            | F::Abs => true,
            F::Clamp { low, high } => high >= 0.0 && (low >= 0.0 || inputs[0]),
            F::LeakyRelu { .. } | F::Elu { .. } | F::Mish | F::Reciprocal | F::Erf => inputs[0],
            F::Log | F::Sin | F::Cos => false,
        }
    }

    /// The slope is a function of the input.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Guided | Rule::Deconvolution | Rule::Identity)
    }
}

/// Values that one thread computes at a time.
const CHUNK: usize = 1 << 12;

impl HostOp for Pointwise {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let input = call.input.data;
        neuron_threads::for_each(output.chunks_mut(CHUNK), |index, output| {
            let input = &input[index * CHUNK..][..output.len()];
            output
                .iter_mut()
                .zip(input)
                .for_each(|(output, x)| *output = self.function.at(f64::from(*x)).0 as f32);
        });
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        match call.rule {
            Rule::Identity => return vec![signal],
            Rule::Deconvolution => clamp_negative(pool.own(&mut signal)),
            _ => {
                let input = call.input(0).data;
                neuron_threads::for_each(pool.own(&mut signal).chunks_mut(CHUNK), |index, signal| {
                    let input = &input[index * CHUNK..][..signal.len()];
                    signal.iter_mut().zip(input).for_each(|(signal, x)| {
                        *signal = (f64::from(*signal) * self.function.at(f64::from(*x)).1) as f32;
                    });
                });
                if let Rule::Guided = call.rule {
                    clamp_negative(pool.own(&mut signal));
                }
            }
        }
        vec![signal]
    }
}
