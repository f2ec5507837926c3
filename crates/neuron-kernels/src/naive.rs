//! Convolutions as their definitions read: slow, obvious, and what every kernel is tested against.
use crate::activation::{Activation, activate};
use crate::epilogue::{Epilogue, Gate, TransposeEpilogue};
use crate::shape::{ConvGeometry, View};

/// One fused multiply-add chain an output value: kernel row, kernel column, then channel.
pub(super) fn convolution(
    geometry: ConvGeometry,
    weight: &[f32],
    bias: Option<&[f32]>,
    input: View<'_>,
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    let ConvGeometry { in_channels, out_channels, groups, window } = geometry;
    let [height, width] = geometry.positions(input.size());
    assert_eq!(input.channels, in_channels);
    assert_eq!(output.len(), input.batch * height * width * out_channels);
    let (group_in, group_out) = (in_channels / groups, out_channels / groups);
    let inside = |axis: usize, at: usize, tap: usize| {
        let at = at * window.stride[axis] + tap * window.dilation[axis];
        at.checked_sub(window.padding[axis]).filter(|at| *at < input.size()[axis])
    };
    neuron_threads::for_each(output.chunks_mut(out_channels), |position, pixel| {
        let (item, y, x) = (position / (height * width), position / width % height, position % width);
        for (channel, value) in pixel.iter_mut().enumerate() {
            let mut sum = 0f32;
            for tap in 0..window.places() {
                let row = inside(0, y, tap / window.kernel[1]);
                let column = inside(1, x, tap % window.kernel[1]);
                let (Some(row), Some(column)) = (row, column) else { continue };
                let from = ((item * input.height + row) * input.width + column) * in_channels;
                let from = from + channel / group_out * group_in;
                for (i, a) in input.data[from..][..group_in].iter().enumerate() {
                    sum = a.mul_add(weight[(channel * group_in + i) * window.places() + tap], sum);
                }
            }
            sum += bias.map_or(0.0, |bias| bias[channel]);
            let at = position * out_channels + channel;
            *value = match epilogue {
                Epilogue::Activation { residual, activation } => {
                    let sum = sum + residual.map_or(0.0, |residual| residual[at]);
                    activation.map_or(sum, |activation| activated(activation, sum))
                }
                Epilogue::Quotient { numerator, eps } => numerator[at] / (sum + eps),
            };
        }
    });
}

/// One value of what is tested by itself.
fn activated(activation: Activation, value: f32) -> f32 {
    let mut output = [f32::NAN];
    activate(activation, &[value], &mut output);
    output[0]
}

/// The gradient of [`convolution`] with respect to its input.
pub(super) fn transpose(
    geometry: ConvGeometry,
    weight: &[f32],
    gradient: View<'_>,
    [height, width]: [usize; 2],
    epilogue: TransposeEpilogue<'_>,
    output: &mut [f32],
) {
    let ConvGeometry { in_channels, out_channels, groups, window: slide } = geometry;
    assert_eq!(gradient.channels, out_channels);
    assert_eq!(gradient.size(), geometry.positions([height, width]));
    assert_eq!(output.len(), gradient.batch * height * width * in_channels);
    let (group_in, group_out) = (in_channels / groups, out_channels / groups);
    neuron_threads::for_each(output.chunks_mut(in_channels), |position, pixel| {
        let (item, y, x) = (position / (height * width), position / width % height, position % width);
        // The window that sees this pixel at kernel offset `tap`, if there is one.
        let window = |axis: usize, at: usize, tap: usize| {
            let at = (at + slide.padding[axis]).checked_sub(tap * slide.dilation[axis])?;
            let index = at / slide.stride[axis];
            (at.is_multiple_of(slide.stride[axis]) && index < gradient.size()[axis]).then_some(index)
        };
        for (channel, value) in pixel.iter_mut().enumerate() {
            let group = channel / group_in;
            let mut sum = 0f32;
            for tap in (0..slide.places()).rev() {
                let row = window(0, y, tap / slide.kernel[1]);
                let column = window(1, x, tap % slide.kernel[1]);
                let (Some(row), Some(column)) = (row, column) else { continue };
                let from = ((item * gradient.height + row) * gradient.width + column) * out_channels;
                let from = from + group * group_out;
                for (o, g) in gradient.data[from..][..group_out].iter().enumerate() {
                    let filter = (group * group_out + o) * group_in + channel % group_in;
                    sum = g.mul_add(weight[filter * slide.places() + tap], sum);
                }
            }
            let at = position * in_channels + channel;
            if let Gate::Product(factor) = epilogue.gate {
                sum *= factor[at];
            }
            // No addend is not an addend of zeros: that would turn -0.0 into 0.0.
            if let Some(addend) = epilogue.addend {
                sum += addend[at];
            }
            *value = match epilogue.gate {
                Gate::Open | Gate::Product(_) => sum,
                Gate::Relu(forward) => {
                    if forward[at] > 0.0 {
                        sum
                    } else {
                        0.0
                    }
                }
                // `max` with the value first would lose a NaN.
                Gate::GuidedRelu(forward) => {
                    if forward[at] <= 0.0 || forward[at].is_nan() || sum < 0.0 {
                        0.0
                    } else {
                        sum
                    }
                }
            };
        }
    });
}
