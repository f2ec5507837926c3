//! A plan's steps as calls of cuDNN and of our kernels.

use neuron_geometry::Window;

use super::run::GpuRun;
use crate::cuda::argument::Argument;
use crate::cuda::convolution::{Computation, ConvolutionCall, Operands};
use crate::cuda::device_weights::{WeightForm, geometry};
use crate::cuda::gpu::Floats;
use crate::cuda::memory::DeviceMemory;
use crate::error::DeviceError;
use crate::ops::Operation;
use crate::plan::Step;
use crate::prepared::Part;
use crate::value::{NodeId, Reduction};
use neuron_kernels::Algorithm;

impl GpuRun {
    /// The maps of a node reduced for each channel, and where their maxima are.
    pub(crate) fn reduce(
        &self,
        node: NodeId,
        reduction: Reduction,
    ) -> Result<(Floats, Option<DeviceMemory<u32>>), DeviceError> {
        let (shape, gpu) = (self.shape(node), self.gpu());
        let count = self.room() * shape.channels;
        let scores = gpu.alloc(count)?;
        let sizes = [shape.positions().into(), shape.channels.into()];
        let maps = Argument::from(self.value(node));
        let positions = match reduction {
            Reduction::Mean => {
                self.launch("reduce_mean", count, &[&[maps, (&scores).into()], &sizes[..]].concat())?;
                None
            }
            Reduction::Max => {
                let positions = gpu.alloc::<u32>(count)?;
                let outputs = [maps, (&scores).into(), (&positions).into()];
                self.launch("reduce_max", count, &[&outputs, &sizes[..]].concat())?;
                Some(positions)
            }
        };
        Ok((scores, positions))
    }

    /// A convolution over maps of the block.
    pub(super) fn call(&self, convolution: NodeId, exact: bool) -> ConvolutionCall {
        let graph = self.graph();
        let input = self.shape(graph.node(convolution).inputs[0]);
        let geometry = geometry(graph, convolution);
        let (element, batch) = (self.element(), self.room());
        ConvolutionCall { geometry, element, batch, height: input.height, width: input.width, exact }
    }

    /// Overwrites the output with the sums of a convolution: by cuDNN, or by our own kernel if it has none.
    pub(super) fn convolve(&self, call: ConvolutionCall, operands: Operands<'_>) -> Result<(), DeviceError> {
        if self.gpu().convolutions().run(call, Computation::Sums, operands)? {
            return Ok(());
        }
        self.launch("convolution", call.output_len(), &sliding_arguments(call, operands))
    }

    /// The transpose of [`GpuRun::convolve`].
    pub(super) fn transpose(&self, call: ConvolutionCall, operands: Operands<'_>) -> Result<(), DeviceError> {
        if self.gpu().convolutions().run(call, Computation::Transpose, operands)? {
            return Ok(());
        }
        self.launch("transposed_convolution", call.input_len(), &sliding_arguments(call, operands))
    }

    /// Starts one step of the plan, whose operations [are known](crate::cuda::capability::forward).
    pub(super) fn step(&self, step: &Step) -> Result<(), DeviceError> {
        let (input, output) = (self.value(step.inputs[0]), self.value(step.output));
        let (count, channels) = (self.len(step.output), self.shape(step.output).channels);
        let relu = step.activation.is_some();
        match self.graph().node(step.node).operation {
            Operation::Convolution(_) | Operation::Linear(_) => self.product(step),
            Operation::BatchNorm(_) => {
                let affine = self.values(WeightForm::Norm(step.node))?;
                let (scale, shift) = (affine.weight(), affine.bias());
                let arguments =
                    [input.into(), scale.into(), shift.into(), output.into(), channels.into(), relu.into()];
                self.launch("scale_shift", count, &arguments)
            }
            Operation::Relu(_) => self.launch("relu", count, &[input.into(), output.into()]),
            Operation::Add(_) => {
                let shortcut = self.value(step.inputs[1]);
                let arguments = [input.into(), shortcut.into(), output.into(), relu.into()];
                self.launch("add", count, &arguments)
            }
            Operation::MaxPool(pool) => {
                let pointers = [input.into(), output.into(), self.argmax(step.output).into()];
                let sizes = self.pooling(step.output, pool.window);
                self.launch("max_pool", count, &[&pointers, &sizes[..]].concat())
            }
            Operation::GlobalAveragePool(_) => {
                let positions = self.shape(step.inputs[0]).positions();
                let arguments = [input.into(), output.into(), positions.into(), channels.into()];
                self.launch("global_average_pool", count, &arguments)
            }
            // The image is sent, not computed, and nothing else is in a plan that was taken.
            _ => Ok(()),
        }
    }

    /// `relu?(product + bias + addend?)`, in one call where cuDNN has it.
    fn product(&self, step: &Step) -> Result<(), DeviceError> {
        let (form, exact) = match step.fold {
            Some(norm) => {
                let exact = self.plan().algorithm() == Algorithm::Direct;
                (WeightForm::Folded { convolution: step.node, norm }, exact)
            }
            None => (WeightForm::Part(step.node, Part::Raw), false),
        };
        self.convolution(step, (form, self.call(step.node, exact)), step.addend, step.activation.is_some())
    }

    /// `relu?(convolution + bias + residual?)`, in one call where cuDNN has it.
    fn convolution(
        &self,
        step: &Step,
        (form, call): (WeightForm, ConvolutionCall),
        residual: Option<NodeId>,
        relu: bool,
    ) -> Result<(), DeviceError> {
        let values = self.values(form)?;
        let (input, weight, output) = (self.value(step.inputs[0]), values.weight(), self.value(step.output));
        let operands = Operands { input, weight, output };
        let (bias, residual) = (values.bias(), residual.map(|id| self.value(id)));
        if relu
            && self.gpu().convolutions().run(call, Computation::Activation { bias, residual }, operands)?
        {
            return Ok(());
        }
        self.convolve(call, operands)?;
        let (count, channels) = (self.len(step.output), call.geometry.out_channels);
        let arguments = [output.into(), bias.into(), residual.into(), channels.into(), relu.into()];
        self.launch("bias_activation", count, &arguments)
    }

    /// The sizes that the kernels of max-pools take.
    pub(super) fn pooling(&self, pool: NodeId, window: Window) -> Vec<Argument<'static>> {
        let window = [window.kernel[0], window.stride[0], window.padding[0]];
        self.pool_sizes(pool).into_iter().chain(window).map(Argument::from).collect()
    }

    /// Height, width and channels of a pool's input, height and width of its output.
    pub(super) fn pool_sizes(&self, pool: NodeId) -> [usize; 5] {
        let (input, output) = (self.shape(self.graph().node(pool).inputs[0]), self.shape(pool));
        [input.height, input.width, input.channels, output.height, output.width]
    }
}

/// What the kernels of convolutions take.
fn sliding_arguments<'m>(
    call: ConvolutionCall,
    Operands { input, weight, output }: Operands<'m>,
) -> Vec<Argument<'m>> {
    let (geometry, [rows, columns]) = (call.geometry, call.positions());
    let maps = [call.height, call.width, geometry.in_channels, rows, columns, geometry.out_channels];
    let Window { kernel, stride, padding, .. } = geometry.window;
    let window = [kernel[0], stride[0], padding[0], geometry.groups];
    let sizes = maps.into_iter().chain(window).map(Argument::from);
    [input, weight, output].into_iter().map(Argument::from).chain(sizes).collect()
}
