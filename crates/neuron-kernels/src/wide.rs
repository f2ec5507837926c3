//! Pointwise convolutions whose sums are in f64: for few values on which much depends.
use crate::microkernel::{Axis, Factors, FullEpilogue, Isa, Split, apply_to_line, sum_positions};
use crate::shape::View;

/// Channels out a task: their sums stay in registers.
const CHANNELS: usize = 64;

/// A matrix `[channel in][channel out]`.
#[derive(Debug)]
pub(super) struct Wide {
    isa: &'static Isa,
    outputs: usize,
    weight: Vec<f32>,
}

impl Wide {
    /// Packs weights `[outputs, inputs]`.
    pub(super) fn new(isa: &'static Isa, [inputs, outputs]: [usize; 2], weight: &[f32]) -> Self {
        let at = |channel: usize| weight[channel..].iter().step_by(inputs.max(1)).copied();
        Self { isa, outputs, weight: (0..inputs).flat_map(at).collect() }
    }

    /// Overwrites `output` `[batch, positions, outputs]`. A sum is rounded once, before its bias.
    pub(super) fn forward(&self, input: View<'_>, epilogue: &FullEpilogue<'_>, output: &mut [f32]) {
        if output.is_empty() {
            return;
        }
        let one = Axis::whole(1, 1);
        let (positions, columns) = (output.len() / self.outputs, Axis::whole(self.outputs, 1));
        let split = Split::new([one, one, Axis::whole(positions, self.outputs), columns.every(CHANNELS)], 3);
        split.for_each(output, |_, mut cell| {
            let ([_, _, _, first], [_, _, positions, channels]) = (cell.first, cell.extent);
            let epilogue = epilogue.at_column(first);
            let (mut sums, mut rounded) = ([0f64; CHANNELS], [0f32; CHANNELS]);
            for position in 0..positions {
                let values = &input.data[position * input.channels..][..input.channels];
                let terms = (&self.weight[first..], Factors::OfPixels(values));
                sum_positions(self.isa, terms, (input.channels, self.outputs), &mut sums[..channels]);
                rounded.iter_mut().zip(&sums).for_each(|(rounded, sum)| *rounded = *sum as f32);
                apply_to_line(self.isa, &rounded, &epilogue, cell.line([0, 0, position, 0]));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::microkernel::Isa;
    use crate::{
        Activation, Algorithm, ConvGeometry, Convolution, Epilogue, View, activate, multiply_by_gate,
    };
    use neuron_geometry::Window;
    use proptest::prelude::*;

    /// Miri, which is slow, has few.
    const MOST: usize = if cfg!(miri) { 8 } else { 300 };

    proptest! {
        #[test]
        fn sums_are_rounded_once(
            batch in 1usize..5, height in 1usize..3, width in 1usize..4, inputs in 1..MOST, outputs in 1..MOST,
        ) {
            let geometry = ConvGeometry {
                in_channels: inputs, out_channels: outputs, groups: 1, window: Window::square(1, 1, 0),
            };
            let values = |len: usize, factor: usize| -> Vec<f32> {
                (0..len).map(|index| (index * factor % 101) as f32 / 50.3 - 1.0).collect()
            };
            let (weight, bias) = (values(inputs * outputs, 41), values(outputs, 17));
            let (data, gate) = (values(batch * height * width * inputs, 37), values(batch * inputs, 29));
            let input = View::new(batch, height, width, inputs, &data);
            let defined = |data: &[f32]| {
                let value = |at: usize| {
                    let (row, channel) = (&data[at / outputs * inputs..][..inputs], at % outputs);
                    let terms = row.iter().zip(&weight[channel * inputs..]);
                    let sum = terms.fold(0.0, |sum, (a, b)| sum + f64::from(*a) * f64::from(*b));
                    sum as f32 + bias[channel]
                };
                let sums: Vec<f32> = (0..batch * height * width * outputs).map(value).collect();
                let mut output = vec![f32::NAN; sums.len()];
                activate(Activation::Silu, &sums, &mut output);
                output
            };
            let mut gated = vec![f32::NAN; data.len()];
            multiply_by_gate(input, &gate, &mut gated);
            let expected = [defined(&data), defined(&gated)];
            let epilogue = Epilogue::Activation { residual: None, activation: Some(Activation::Silu) };
            for isa in Isa::available() {
                let convolution = Convolution::for_isa(isa, geometry, &weight, Some(&bias), Algorithm::Wide);
                let mut output = vec![f32::NAN; expected[0].len()];
                convolution.forward(input, epilogue, &mut output);
                prop_assert_eq!(&output, &expected[0], "{}", isa.name);
                convolution.forward_gated((input, &gate), epilogue, &mut output);
                prop_assert_eq!(&output, &expected[1], "{}, gated", isa.name);
            }
        }
    }
}
