//! A plan's steps as calls of cuDNN and of our kernels.

use cudarc::driver::CudaSlice;
use neuron_geometry::Window;

use super::convolution::{Addends, Operands, Site};
use super::frozen::Form;
use super::gpu::Floats;
use super::kernels::Argument;
use super::lane::Lane;
use crate::device::DeviceError;
use crate::graph::NodeId;
use crate::kernels::{Part, geometry};
use crate::plan::{Step, StepKind};
use crate::session::Reduction;
use neuron_kernels::Algorithm;

impl Lane {
    /// The maps of a node reduced for each channel, and where their maxima are.
    pub(super) fn reduce(
        &self,
        node: NodeId,
        reduction: Reduction,
    ) -> Result<(Floats, Option<CudaSlice<u32>>), DeviceError> {
        let (shape, gpu) = (self.shape(node), self.gpu());
        let count = self.room() * shape.channels;
        let scores = gpu.alloc(count)?;
        let sizes = [shape.positions().into(), shape.channels.into()];
        let maps = self.value(node).into();
        let positions = match reduction {
            Reduction::Mean => {
                self.launch(
                    "reduce_mean",
                    count,
                    &[&[maps, gpu.address(&scores).into()], &sizes[..]].concat(),
                )?;
                None
            }
            Reduction::Max => {
                let positions = gpu.alloc::<u32>(count)?;
                let outputs = [maps, gpu.address(&scores).into(), gpu.address(&positions).into()];
                self.launch("reduce_max", count, &[&outputs, &sizes[..]].concat())?;
                Some(positions)
            }
        };
        Ok((scores, positions))
    }

    /// A convolution over maps of the block.
    pub(super) fn site(&self, convolution: NodeId, exact: bool) -> Site {
        let graph = self.graph();
        let input = self.shape(graph.node(convolution).inputs[0]);
        let geometry = geometry(graph, convolution);
        let (element, batch) = (self.element(), self.room());
        Site { geometry, element, batch, height: input.height, width: input.width, exact }
    }

    /// Overwrites the output with the sums of a convolution: by cuDNN, or by our own kernel if it has none.
    pub(super) fn convolve(&self, site: Site, operands: Operands) -> Result<(), DeviceError> {
        // SAFETY: as in `launch`; the lengths are those of the site.
        if unsafe { self.gpu().convolutions().convolve(site, operands) }? {
            return Ok(());
        }
        let [rows, columns] = site.positions();
        let count = site.batch * rows * columns * site.geometry.out_channels;
        self.launch("convolution", count, &sliding_arguments(site, operands))
    }

    /// The transpose of [`Lane::convolve`].
    pub(super) fn transpose(&self, site: Site, operands: Operands) -> Result<(), DeviceError> {
        // SAFETY: as in `launch`; the lengths are those of the site.
        if unsafe { self.gpu().convolutions().transpose(site, operands) }? {
            return Ok(());
        }
        let count = site.batch * site.height * site.width * site.geometry.in_channels;
        self.launch("transposed_convolution", count, &sliding_arguments(site, operands))
    }

    /// Starts one step of the plan.
    pub(super) fn step(&self, step: &Step) -> Result<(), DeviceError> {
        let (input, output, count) = (self.value(step.input), self.value(step.output), self.len(step.output));
        let channels = self.shape(step.output).channels;
        match step.kind {
            StepKind::Convolution { convolution, norm, residual, relu } => {
                let form = match norm {
                    Some(norm) => Form::Folded { convolution, norm },
                    None => Form::Part(convolution, Part::Raw),
                };
                let exact = norm.is_some() && self.plan().algorithm() == Algorithm::Direct;
                self.convolution(step, (form, self.site(convolution, exact)), residual, relu)
            }
            StepKind::Linear { linear } => {
                self.convolution(step, (Form::Part(linear, Part::Raw), self.site(linear, false)), None, false)
            }
            StepKind::BatchNorm { norm, relu } => {
                let affine = self.values(Form::Norm(norm))?;
                let (scale, shift) = (self.gpu().address(&affine.weight), self.gpu().address(&affine.bias));
                let arguments =
                    [input.into(), scale.into(), shift.into(), output.into(), channels.into(), relu.into()];
                self.launch("scale_shift", count, &arguments)
            }
            StepKind::Relu => self.launch("relu", count, &[input.into(), output.into()]),
            StepKind::Add { shortcut, relu } => {
                let arguments = [input.into(), self.value(shortcut).into(), output.into(), relu.into()];
                self.launch("add", count, &arguments)
            }
            StepKind::MaxPool(window) => {
                let pointers = [input.into(), output.into(), self.argmax(step.output).into()];
                self.launch("max_pool", count, &[&pointers, &self.pooling(step.output, window)[..]].concat())
            }
            StepKind::GlobalAveragePool => {
                let positions = self.shape(step.input).positions();
                let arguments = [input.into(), output.into(), positions.into(), channels.into()];
                self.launch("global_average_pool", count, &arguments)
            }
        }
    }

    /// `relu?(convolution + bias + residual?)`, in one call where cuDNN has it.
    fn convolution(
        &self,
        step: &Step,
        (form, site): (Form, Site),
        residual: Option<NodeId>,
        relu: bool,
    ) -> Result<(), DeviceError> {
        let values = self.values(form)?;
        let (weight, bias) = (self.gpu().address(&values.weight), self.gpu().address(&values.bias));
        let residual = residual.map(|id| self.value(id));
        let operands = Operands { input: self.value(step.input), weight, output: self.value(step.output) };
        if relu {
            // SAFETY: as in `launch`; the lengths are those of the site.
            let fused = unsafe {
                self.gpu().convolutions().convolve_fused(site, operands, Addends { bias, residual })
            };
            if fused? {
                return Ok(());
            }
        }
        self.convolve(site, operands)?;
        let (count, channels) = (self.len(step.output), site.geometry.out_channels);
        let arguments =
            [operands.output.into(), bias.into(), residual.unwrap_or(0).into(), channels.into(), relu.into()];
        self.launch("bias_activation", count, &arguments)
    }

    /// The sizes that the kernels of max-pools take.
    pub(super) fn pooling(&self, pool: NodeId, window: Window) -> Vec<Argument> {
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
fn sliding_arguments(site: Site, Operands { input, weight, output }: Operands) -> Vec<Argument> {
    let (geometry, [rows, columns]) = (site.geometry, site.positions());
    let maps = [site.height, site.width, geometry.in_channels, rows, columns, geometry.out_channels];
    let Window { kernel, stride, padding, .. } = geometry.window;
    let window = [kernel[0], stride[0], padding[0], geometry.groups];
    let sizes = maps.into_iter().chain(window).map(Argument::from);
    [input, weight, output].into_iter().map(Argument::from).chain(sizes).collect()
}
