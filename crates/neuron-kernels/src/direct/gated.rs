//! Pointwise convolutions of a map whose channels are scaled by gates.
use super::{Columns, Direct};
use crate::microkernel::{FullEpilogue, MatrixMut, Rows, Stage, gemm, scale_line, with_scratch};
use crate::shape::View;
use std::ops::Range;

/// A map, and `[batch, channels]` factors of its channels if it has them.
#[derive(Clone, Copy)]
pub(crate) struct Gated<'a> {
    pub(crate) input: View<'a>,
    pub(crate) gate: Option<&'a [f32]>,
}

impl Direct {
    /// The sums of a pointwise convolution at some input positions, scaled block by block of the depth in scratch that
    /// stays in the second-level cache: a map of its own would go through memory twice more.
    pub(super) fn gated_sums(
        &self,
        (input, gate): (View<'_>, &[f32]),
        rows: Range<usize>,
        columns: Columns,
        epilogue: FullEpilogue<'_>,
        output: &mut MatrixMut<'_>,
    ) {
        let weight = &self.weight[columns.block];
        let (channels, positions) = (input.channels, input.height * input.width);
        // Off a power of two, as for gathered rows.
        let pitch = weight.block_len() + 16;
        with_scratch(rows.len() * pitch, |scaled| {
            for steps in weight.blocks() {
                for (row, to) in rows.clone().zip(scaled.chunks_exact_mut(pitch)) {
                    let values = &input.data[row * channels..][steps.clone()];
                    let gate = &gate[row / positions * channels..][steps.clone()];
                    scale_line(self.isa, values, gate, &mut to[..steps.len()]);
                }
                let stage = Stage::of(&steps, weight.depth(), Some(epilogue));
                gemm(self.isa, Rows::new(scaled, pitch), weight.panels(&steps, columns.first), output, stage);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::microkernel::Isa;
    use crate::{Activation, Algorithm, ConvGeometry, Convolution, Epilogue, View, multiply_by_gate};
    use neuron_geometry::Window;
    use proptest::prelude::*;

    /// Miri, which is slow, has few.
    const MOST: usize = if cfg!(miri) { 8 } else { 300 };

    proptest! {
        #[test]
        fn gates_in_the_product_have_the_bits_of_gates_before_it(
            batch in 1usize..4, height in 1usize..6, width in 1usize..40, inputs in 1..MOST, outputs in 1..MOST,
        ) {
            let geometry = ConvGeometry {
                in_channels: inputs, out_channels: outputs, groups: 1, window: Window::square(1, 1, 0),
            };
            let value = |index: usize, factor: usize| (index * factor % 101) as f32 / 50.0 - 1.0;
            let values = |len: usize, factor: usize| (0..len).map(|i| value(i, factor)).collect::<Vec<f32>>();
            let (weight, bias) = (values(inputs * outputs, 41), values(outputs, 17));
            let (data, gate) = (values(batch * height * width * inputs, 37), values(batch * inputs, 29));
            let residual = values(batch * height * width * outputs, 13);
            let input = View::new(batch, height, width, inputs, &data);
            let epilogue = Epilogue::Activation { residual: Some(&residual), activation: Some(Activation::Silu) };
            let mut scaled = vec![f32::NAN; data.len()];
            multiply_by_gate(input, &gate, &mut scaled);
            for isa in Isa::available() {
                let convolution = Convolution::for_isa(isa, geometry, &weight, Some(&bias), Algorithm::Auto);
                let (mut expected, mut output) = (vec![f32::NAN; residual.len()], vec![f32::NAN; residual.len()]);
                convolution.forward(View { data: &scaled, ..input }, epilogue, &mut expected);
                convolution.forward_gated((input, &gate), epilogue, &mut output);
                prop_assert!(output.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{}", isa.name);
            }
        }
    }

    #[test]
    #[should_panic(expected = "a gate before")]
    fn windows_of_several_positions_take_no_gate() {
        let geometry =
            ConvGeometry { in_channels: 1, out_channels: 1, groups: 1, window: Window::square(3, 1, 1) };
        let convolution = Convolution::new(geometry, &[0.0; 9], None, Algorithm::Auto);
        let epilogue = Epilogue::Activation { residual: None, activation: None };
        convolution.forward_gated((View::new(1, 1, 1, 1, &[0.0]), &[1.0]), epilogue, &mut [0.0]);
    }
}
