//! Convolutions as their definitions read: slow, obvious, and what every kernel is tested against.
use super::{ConvGeometry, Epilogue, Gate, TransposeEpilogue, View, parallel};

/// One fused multiply-add chain an output value: kernel row, kernel column, then channel.
pub(super) fn convolution(
    geometry: ConvGeometry,
    weight: &[f32],
    bias: Option<&[f32]>,
    input: View<'_>,
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    let ConvGeometry { in_channels, out_channels, kernel, stride, padding, groups } = geometry;
    let (height, width) = (geometry.positions(input.height), geometry.positions(input.width));
    assert_eq!(input.channels, in_channels);
    assert_eq!(output.len(), input.batch * height * width * out_channels);
    let (group_in, group_out) = (in_channels / groups, out_channels / groups);
    parallel::for_each_chunk(output, out_channels, |position, pixel| {
        let (item, y, x) = (position / (height * width), position / width % height, position % width);
        for (channel, value) in pixel.iter_mut().enumerate() {
            let mut sum = 0f32;
            for tap in 0..kernel * kernel {
                let row = (y * stride + tap / kernel).checked_sub(padding).filter(|row| *row < input.height);
                let column =
                    (x * stride + tap % kernel).checked_sub(padding).filter(|column| *column < input.width);
                let (Some(row), Some(column)) = (row, column) else { continue };
                let from = ((item * input.height + row) * input.width + column) * in_channels;
                let from = from + channel / group_out * group_in;
                for (i, a) in input.data[from..][..group_in].iter().enumerate() {
                    sum = a.mul_add(weight[(channel * group_in + i) * kernel * kernel + tap], sum);
                }
            }
            sum += bias.map_or(0.0, |bias| bias[channel]);
            let at = position * out_channels + channel;
            *value = match epilogue {
                Epilogue::Activation { residual, relu } => {
                    let sum = sum + residual.map_or(0.0, |residual| residual[at]);
                    if relu && sum < 0.0 { 0.0 } else { sum }
                }
                Epilogue::Quotient { numerator, eps } => numerator[at] / (sum + eps),
            };
        }
    });
}

/// The gradient of [`convolution`] with respect to its input.
pub(super) fn transpose(
    geometry: ConvGeometry,
    weight: &[f32],
    gradient: View<'_>,
    (height, width): (usize, usize),
    epilogue: TransposeEpilogue<'_>,
    output: &mut [f32],
) {
    let ConvGeometry { in_channels, out_channels, kernel, stride, padding, groups } = geometry;
    assert_eq!(gradient.channels, out_channels);
    assert_eq!((gradient.height, gradient.width), (geometry.positions(height), geometry.positions(width)));
    assert_eq!(output.len(), gradient.batch * height * width * in_channels);
    let (group_in, group_out) = (in_channels / groups, out_channels / groups);
    parallel::for_each_chunk(output, in_channels, |position, pixel| {
        let (item, y, x) = (position / (height * width), position / width % height, position % width);
        // The window that sees this pixel at kernel offset `tap`, if there is one.
        let window = |at: usize, tap: usize, len: usize| {
            let at = (at + padding).checked_sub(tap)?;
            (at.is_multiple_of(stride) && at / stride < len).then_some(at / stride)
        };
        for (channel, value) in pixel.iter_mut().enumerate() {
            let group = channel / group_in;
            let mut sum = 0f32;
            for tap in (0..kernel * kernel).rev() {
                let row = window(y, tap / kernel, gradient.height);
                let column = window(x, tap % kernel, gradient.width);
                let (Some(row), Some(column)) = (row, column) else { continue };
                let from = ((item * gradient.height + row) * gradient.width + column) * out_channels;
                let from = from + group * group_out;
                for (o, g) in gradient.data[from..][..group_out].iter().enumerate() {
                    let filter = (group * group_out + o) * group_in + channel % group_in;
                    sum = g.mul_add(weight[filter * kernel * kernel + tap], sum);
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
