//! Activations over whole maps, and their derivatives.
use crate::elementwise::CHUNK;
pub use crate::microkernel::Activation;
use crate::microkernel::{Isa, activate_line, pass_line_back};

/// `output = activation(input)`
///
/// Within a few units in the last place of the exact value (exponentials below the smallest normal number are 0), with the
/// same bits on every instruction set. What a formula of PyTorch makes NaN, as `-inf * 0`, is NaN here, too.
///
/// # Panics
/// If the lengths differ.
pub fn activate(activation: Activation, input: &[f32], output: &mut [f32]) {
    assert_eq!(input.len(), output.len(), "values and their activations");
    let isa = Isa::detected();
    neuron_threads::for_each(output.chunks_mut(CHUNK), |index, output| {
        activate_line(isa, activation, &input[index * CHUNK..][..output.len()], output);
    });
}

/// `signal *= activation'(input)`: the gradient with respect to the input, of that with respect to the output.
///
/// Where an activation has a kink, its derivative is PyTorch's. Where the derivative of a piecewise one is 0 or the input
/// NaN, the signal becomes 0 whatever it was.
///
/// # Panics
/// If the lengths differ.
pub fn activation_gradient(activation: Activation, input: &[f32], signal: &mut [f32]) {
    pass_back(activation, false, input, signal);
}

/// As [`activation_gradient`], then negative values become 0 (NaN stays): guided backpropagation (Springenberg et al.,
/// 2015).
///
/// # Panics
/// If the lengths differ.
pub fn activation_gradient_guided(activation: Activation, input: &[f32], signal: &mut [f32]) {
    pass_back(activation, true, input, signal);
}

fn pass_back(activation: Activation, guided: bool, input: &[f32], signal: &mut [f32]) {
    assert_eq!(input.len(), signal.len(), "values and their signals");
    let isa = Isa::detected();
    neuron_threads::for_each(signal.chunks_mut(CHUNK), |index, signal| {
        pass_line_back(isa, activation, guided, &input[index * CHUNK..][..signal.len()], signal);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use Activation::*;

    const ALL: [Activation; 10] =
        [Relu, Relu6, Sigmoid, HardSigmoid, Silu, HardSwish, Gelu, QuickGelu, GeluTanh, Tanh];

    /// Phi(-x) for x >= 0, by its continued fraction or its series (Abramowitz and Stegun, 26.2.10 and 26.2.14).
    fn beyond(x: f64) -> f64 {
        let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        if x > 3.0 {
            let fraction = (1..200).rev().fold(x, |fraction, k| x + f64::from(k) / fraction);
            return density / fraction;
        }
        let (mut term, mut sum) = (x, 0.0);
        for k in 1..100 {
            sum += term;
            term *= x * x / f64::from(2 * k + 1);
        }
        0.5 - density * sum
    }

    /// `sqrt(8 / pi)`
    const LINEAR: f64 = 1.595_769_121_605_730_7;

    /// What the sigmoid in [`GeluTanh`] is of.
    fn steepness(x: f64) -> f64 {
        LINEAR * (x + 0.044715 * x.powi(3))
    }

    /// The value and the derivative.
    fn definition(activation: Activation, x: f64) -> [f64; 2] {
        let phi = if x < 0.0 { beyond(-x) } else { 1.0 - beyond(x) };
        let (sigmoid, mirrored) = (1.0 / (1.0 + (-x).exp()), 1.0 / (1.0 + x.exp()));
        let inside = |low: f64, high: f64, slope: f64| if low < x && x < high { slope } else { 0.0 };
        match activation {
            Relu => [x.max(0.0), inside(0.0, f64::INFINITY, 1.0)],
            Relu6 => [x.clamp(0.0, 6.0), inside(0.0, 6.0, 1.0)],
            Sigmoid => [sigmoid, sigmoid * mirrored],
            HardSigmoid => [(x + 3.0).clamp(0.0, 6.0) / 6.0, inside(-3.0, 3.0, 1.0 / 6.0)],
            Silu => [x * sigmoid, sigmoid * (1.0 + x * mirrored)],
            HardSwish => {
                let slope = if x < 3.0 { inside(-3.0, 3.0, x / 3.0 + 0.5) } else { 1.0 };
                [x * (x + 3.0).clamp(0.0, 6.0) / 6.0, slope]
            }
            QuickGelu => {
                let steep = f64::from(1.702f32) * x;
                let (sigmoid, mirrored) = (1.0 / (1.0 + (-steep).exp()), 1.0 / (1.0 + steep.exp()));
                [x * sigmoid, sigmoid * (1.0 + steep * mirrored)]
            }
            GeluTanh => {
                let (steep, slope) = (steepness(x), LINEAR * (1.0 + 3.0 * 0.044715 * x * x));
                let (sigmoid, mirrored) = (1.0 / (1.0 + (-steep).exp()), 1.0 / (1.0 + steep.exp()));
                let along = if mirrored > 0.0 { x * slope * mirrored } else { 0.0 };
                [x * sigmoid, sigmoid * (1.0 + along)]
            }
            Tanh => [x.tanh(), 1.0 / x.cosh().powi(2)],
            Gelu => [x * phi, phi + x * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()],
        }
    }

    /// Values of every size and sign, dense where activations bend.
    fn values() -> Vec<f32> {
        let step = if cfg!(miri) { 7919 } else { 13 };
        let dense = (-16_000..16_000).step_by(step).map(|index| index as f32 / 1000.0);
        let sizes = (-149..128).step_by(step.min(50)).flat_map(|exponent| {
            let size = 1.37f64 * f64::from(exponent).exp2();
            [size as f32, -size as f32]
        });
        let tails = (0..1200).step_by(step).flat_map(|index| [index as f32 / 10.0, -(index as f32) / 10.0]);
        let kinks = [0.0, -0.0, 6.0, 3.0, -3.0, f32::MAX, f32::MIN];
        dense.chain(sizes).chain(tails).chain(kinks).collect()
    }

    /// How many units in the last place `got` is from `exact`, a sum of terms of up to `size`.
    fn error(got: f32, exact: f64, size: f64) -> f64 {
        (f64::from(got) - exact).abs() / (size * f64::from(f32::EPSILON) / 2.0)
    }

    #[test]
    fn activations_are_as_exact_as_their_definition() {
        let values = values();
        for isa in Isa::available() {
            for activation in ALL {
                let (mut outputs, mut slopes) = (vec![f32::NAN; values.len()], vec![1.0; values.len()]);
                activate_line(isa, activation, &values, &mut outputs);
                pass_line_back(isa, activation, false, &values, &mut slopes);
                for ((x, output), slope) in values.iter().zip(&outputs).zip(&slopes) {
                    let [value, derivative] = definition(activation, f64::from(*x));
                    // Exponentials that are lost are multiplied by x, but only where x is not yet large.
                    let lost = f64::from(f32::MIN_POSITIVE) * f64::from(x.abs().clamp(1.0, 100.0));
                    let small = lost / f64::from(f32::EPSILON);
                    // Nor is a sum near its zero: x + 3, and the derivatives of the smooth ones.
                    let hard = matches!(activation, HardSwish | HardSigmoid) && (-3.5..-2.5).contains(x);
                    let size = value.abs().max(if hard { 1.0 } else { small });
                    // What rounding takes from 1.702 x is a relative error of its exponential, here as in PyTorch; from the
                    // polynomial of the other approximation it takes thrice.
                    let steep = match activation {
                        QuickGelu => 1.702 * f64::from(x.abs().min(90.0)),
                        GeluTanh => 3.0 * steepness(f64::from(x.abs())).min(90.0),
                        _ => 0.0,
                    };
                    assert!(
                        error(*output, value, size) < 6.0 + steep,
                        "{isa:?}, {activation:?}({x}) = {output}, not {value}"
                    );
                    let bends = matches!(activation, HardSwish | Silu | Gelu | QuickGelu | GeluTanh);
                    let bent = bends && (-3.0..0.0).contains(x);
                    let size = derivative.abs().max(if bent { 1.0 } else { small });
                    assert!(
                        error(*slope, derivative, size) < 8.0 + steep,
                        "{isa:?}, {activation:?}'({x}) = {slope}, not {derivative}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_as_in_pytorch() {
        let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
        for isa in Isa::available() {
            let run = |activation| {
                let mut output = [1.0; 4];
                activate_line(isa, activation, &x, &mut output);
                assert!(output[0].is_nan(), "{isa:?}, {activation:?}");
                output
            };
            assert_eq!(run(Relu)[1..], [f32::INFINITY, 0.0, 0.0]);
            assert_eq!(run(Relu6)[1..], [6.0, 0.0, 0.0]);
            assert_eq!(run(Sigmoid)[1..], [1.0, 0.0, 0.5]);
            assert_eq!(run(HardSigmoid)[1..], [1.0, 0.0, 0.5]);
            assert_eq!(run(Tanh)[1..], [1.0, -1.0, 0.0]);
            for activation in [Silu, HardSwish, Gelu, QuickGelu, GeluTanh] {
                let [_, infinite, negative, zero] = run(activation);
                assert!(
                    infinite == f32::INFINITY && negative.is_nan() && zero.to_bits() == (-0.0f32).to_bits()
                );
            }
        }
    }

    #[test]
    fn signals_at_kinks_are_pytorchs() {
        let slopes = |activation, x: &[f32]| {
            let mut signal = vec![1.0; x.len()];
            activation_gradient(activation, x, &mut signal);
            signal
        };
        assert_eq!(slopes(Relu, &[-1.0, 0.0, 1e-30, f32::NAN]), [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(slopes(Relu6, &[0.0, 1e-30, 5.9, 6.0, 7.0]), [0.0, 1.0, 1.0, 0.0, 0.0]);
        let sixth = 1.0 / 6.0;
        assert_eq!(slopes(HardSigmoid, &[-3.0, -2.9, 2.9, 3.0]), [0.0, sixth, sixth, 0.0]);
        assert_eq!(slopes(HardSwish, &[-3.0, 0.0, 1.5, 3.0, 9.0]), [0.0, 0.5, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_guided_signal_is_not_negative() {
        let x = [2.0, 2.0, -1.0, -1.0, 2.0];
        let (mut signal, mut guided) = ([1.0, -1.0, 1.0, -1.0, f32::NAN], [1.0, -1.0, 1.0, -1.0, f32::NAN]);
        for activation in ALL {
            activation_gradient(activation, &x, &mut signal);
            activation_gradient_guided(activation, &x, &mut guided);
            let clamped = signal.map(|value| if value < 0.0 { 0.0 } else { value });
            assert_eq!(guided[..4], clamped[..4], "{activation:?}");
            assert!(guided[4].is_nan() && signal[4].is_nan(), "{activation:?}");
            (signal, guided) = ([1.0, -1.0, 1.0, -1.0, f32::NAN], [1.0, -1.0, 1.0, -1.0, f32::NAN]);
        }
    }

    /// Wherever a value stands, in a whole vector or after the last, and whatever computes it.
    #[test]
    fn bits_depend_on_the_value_alone() {
        let values = values();
        let values = &values[..values.len().min(if cfg!(miri) { 40 } else { 3000 })];
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        for activation in ALL {
            let run = |isa, part: &[f32]| {
                let (mut output, mut slope) = (vec![0.0; part.len()], vec![1.0; part.len()]);
                activate_line(isa, activation, part, &mut output);
                pass_line_back(isa, activation, true, part, &mut slope);
                [bits(output), bits(slope)]
            };
            let portable = Isa::available().last().expect("the portable kernels run everywhere");
            let [outputs, slopes] = run(portable, values);
            for isa in Isa::available() {
                for len in [1, 3, 7, 15, 21] {
                    for (index, part) in values.chunks(len).enumerate() {
                        let [output, slope] = run(isa, part);
                        assert_eq!(
                            output[..],
                            outputs[index * len..][..part.len()],
                            "{isa:?}, {activation:?}"
                        );
                        assert_eq!(slope[..], slopes[index * len..][..part.len()], "{isa:?}, {activation:?}");
                    }
                }
            }
        }
        let mut whole = vec![0.0; values.len()];
        activate(Gelu, values, &mut whole);
        let mut line = vec![0.0; values.len()];
        activate_line(Isa::detected(), Gelu, values, &mut line);
        assert_eq!(bits(whole), bits(line));
    }
}
