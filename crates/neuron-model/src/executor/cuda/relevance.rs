//! The rules of layer-wise relevance propagation on a GPU, operation by operation as the operations' files have them for the CPU.

use neuron_geometry::Window;

use super::backward::{DeviceSignals, SignalGate};
use crate::cuda::argument::Argument;
use crate::cuda::convolution::Operands;
use crate::cuda::device_weights::WeightForm;
use crate::cuda::gpu::Floats;
use crate::cuda::memory::DeviceView;
use crate::error::DeviceError;
use crate::prepared::Part;
use crate::rule::PixelRange;
use crate::value::NodeId;
use neuron_kernels::Algorithm;

impl DeviceSignals<'_> {
    /// The sums of a convolution with a part of its weights over any input of its shape, without a bias.
    fn convolve(
        &self,
        convolution: NodeId,
        part: Part,
        input: DeviceView<'_>,
    ) -> Result<Floats, DeviceError> {
        let output = self.take(convolution)?;
        let values = self.run.values(WeightForm::Part(convolution, part))?;
        let (weight, result) = (values.weight(), output.view());
        let call = self.run.call(convolution, part.algorithm() == Algorithm::Direct);
        self.run.convolve(call, Operands { input, weight, output: result })?;
        Ok(output)
    }

    /// `R_in = a * conv^T(R / (conv(a, w+) + eps), w+)`
    pub(super) fn z_plus(
        &self,
        convolution: NodeId,
        signal: &Floats,
        eps: f32,
    ) -> Result<Floats, DeviceError> {
        let input = self.run.value(self.input_of(convolution));
        let quotient = self.convolve(convolution, Part::Positive, input)?;
        self.divide(signal, &quotient, eps)?;
        let output = self.transpose(convolution, WeightForm::Part(convolution, Part::Positive), &quotient)?;
        self.gate(&output, None, SignalGate::Product(input))?;
        Ok(output)
    }

    /// The rule for pixels, term by term as [`Rule::ZBox`](crate::Rule::ZBox) on the CPU.
    pub(super) fn z_b(
        &self,
        convolution: NodeId,
        signal: &Floats,
        (pixels, eps): (PixelRange, f32),
    ) -> Result<Floats, DeviceError> {
        let image = self.input_of(convolution);
        let (lowest, highest) = (self.pixels(image, pixels.lowest)?, self.pixels(image, pixels.highest)?);
        let terms = [
            (Part::Raw, self.run.value(image), 1.0),
            (Part::Positive, lowest.view(), -1.0),
            (Part::Negative, highest.view(), -1.0),
        ];
        let quotient = self.filled(convolution, eps)?;
        for (part, values, sign) in terms {
            self.accumulate(&quotient, &self.convolve(convolution, part, values)?, sign)?;
        }
        self.divide(signal, &quotient, 0.0)?;
        let output = self.filled(image, 0.0)?;
        for (part, values, sign) in terms {
            let back = self.transpose(convolution, WeightForm::Part(convolution, part), &quotient)?;
            self.gate(&back, None, SignalGate::Product(values))?;
            self.accumulate(&output, &back, sign)?;
        }
        Ok(output)
    }

    /// The same value everywhere at a node.
    fn filled(&self, id: NodeId, value: f32) -> Result<Floats, DeviceError> {
        let filled = self.take(id)?;
        self.run.launch("fill", filled.len(), &[(&filled).into(), value.into()])?;
        Ok(filled)
    }

    /// The same pixel everywhere in the image.
    fn pixels(&self, image: NodeId, [red, green, blue]: [f32; 3]) -> Result<Floats, DeviceError> {
        let pixels = self.take(image)?;
        let arguments = [(&pixels).into(), red.into(), green.into(), blue.into()];
        self.run.launch("fill_pixels", pixels.len(), &arguments)?;
        Ok(pixels)
    }

    /// The sizes that the kernels of average pools take: windows as wide as the max-pool's stride.
    fn averaging(&self, pool: NodeId, window: Window) -> Vec<Argument<'static>> {
        self.run.pool_sizes(pool).into_iter().chain([window.stride[0]; 2]).map(Argument::from).collect()
    }

    /// As an average pool over windows as wide as the stride.
    pub(super) fn average_pool_relevance(
        &self,
        (pool, window): (NodeId, Window),
        signal: &Floats,
        eps: f32,
    ) -> Result<Floats, DeviceError> {
        let (input, sizes) = (self.input_of(pool), self.averaging(pool, window));
        let quotient = self.take(pool)?;
        let pointers = [self.run.value(input).into(), (&quotient).into()];
        self.run.launch("average_pool", quotient.len(), &[&pointers, &sizes[..]].concat())?;
        self.divide(signal, &quotient, eps)?;
        let output = self.take(input)?;
        let pointers = [(&quotient).into(), (&output).into()];
        self.run.launch("average_pool_backward", output.len(), &[&pointers, &sizes[..]].concat())?;
        self.gate(&output, None, SignalGate::Product(self.run.value(input)))?;
        Ok(output)
    }

    /// A mean over all positions by the z+ rule, as a product whose weights are all alike.
    pub(super) fn mean_relevance(
        &self,
        pool: NodeId,
        signal: &Floats,
        eps: f32,
    ) -> Result<Floats, DeviceError> {
        let quotient = self.means(pool)?;
        self.divide(signal, &quotient, eps)?;
        let output = self.spread(pool, &quotient)?;
        self.gate(&output, None, SignalGate::Product(self.run.value(self.input_of(pool))))?;
        Ok(output)
    }

    /// The means over all positions of a node's input.
    fn means(&self, pool: NodeId) -> Result<Floats, DeviceError> {
        let (input, means) = (self.input_of(pool), self.take(pool)?);
        let shape = self.run.shape(input);
        let arguments =
            [self.run.value(input).into(), (&means).into(), shape.positions().into(), shape.channels.into()];
        self.run.launch("reduce_mean", means.len(), &arguments)?;
        Ok(means)
    }
}
