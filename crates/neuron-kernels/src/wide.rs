//! Pointwise convolutions whose sums are in f64: for few values on which much depends.
use crate::microkernel::{
    Axis, Buffer, FullEpilogue, Isa, Split, apply_to_line, wide_panel, wide_sums, with_scratch,
};
use crate::shape::View;

/// Rows whose sums are formed at a time: a panel of weights then comes from the first-level cache again.
const ROWS: usize = 8;

/// A matrix `[panel of channels out][channel in][channel of the panel]`; the last panel is filled up with zeros.
#[derive(Debug)]
pub(super) struct Wide {
    isa: &'static Isa,
    outputs: usize,
    weight: Buffer,
}

impl Wide {
    /// Packs weights `[outputs, inputs]`.
    pub(super) fn new(isa: &'static Isa, [inputs, outputs]: [usize; 2], weight: &[f32]) -> Self {
        let panel = wide_panel(isa);
        let mut packed = Buffer::lasting_zeros(outputs.next_multiple_of(panel) * inputs);
        for (channel, row) in weight.chunks_exact(inputs).enumerate() {
            let to = &mut packed[channel / panel * panel * inputs + channel % panel..];
            to.iter_mut().step_by(panel).zip(row).for_each(|(to, weight)| *to = *weight);
        }
        Self { isa, outputs, weight: packed }
    }

    /// Overwrites `output` `[batch, positions, outputs]`. A sum is rounded once, before its bias.
    pub(super) fn forward(&self, input: View<'_>, epilogue: &FullEpilogue<'_>, output: &mut [f32]) {
        if output.is_empty() {
            return;
        }
        let (isa, inputs, panel) = (self.isa, input.channels, wide_panel(self.isa));
        let values: Vec<f64> = input.data.iter().map(|value| f64::from(*value)).collect();
        let (positions, one) = (output.len() / self.outputs, Axis::whole(1, 1));
        let columns = Axis::whole(self.outputs, 1).every(panel);
        let split = Split::new([one, one, Axis::whole(positions, self.outputs).every(ROWS), columns], 3);
        split.for_each(output, |_, mut cell| {
            let ([_, _, position, column], [_, _, count, width]) = (cell.first, cell.extent);
            let epilogue = epilogue.at_column(column);
            let weight = &self.weight[column * inputs..][..panel * inputs];
            with_scratch(count * panel, |sums: &mut [f32]| {
                wide_sums(isa, (&values[position * inputs..], inputs), weight, sums);
                for (row, sums) in sums.chunks_exact(panel).enumerate() {
                    apply_to_line(isa, &sums[..width], &epilogue, cell.line([0, 0, row, 0]));
                }
            });
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
