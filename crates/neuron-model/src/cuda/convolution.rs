//! Convolutions and their transposes through cuDNN: algorithm and descriptors are found once for each shape, or that it
//! has none.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

use cudarc::cudnn::result::{self, CudnnError};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use super::algorithm::{Algorithm, Direction, find_algorithm};
use super::cudnn::{self, Activation, Described, Handle};
use super::element::Element;
use super::errors::Errors;
use super::memory::DeviceView;
use crate::arithmetic::Precision;
use crate::device_event::{DeviceEvent, Observer};
use crate::error::DeviceError;
use neuron_kernels::ConvGeometry;

/// A convolution of maps of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConvolutionCall {
    pub(crate) geometry: ConvGeometry,
    /// Of maps, weights and biases.
    pub(crate) element: Element,
    pub(crate) batch: usize,
    /// Of the convolution's input.
    pub(crate) height: usize,
    /// Of the convolution's input.
    pub(crate) width: usize,
    /// Whether every value must be one sum of products, without a transform's rounding.
    pub(crate) exact: bool,
}

impl ConvolutionCall {
    /// Height and width of the convolution's output.
    pub(crate) fn positions(&self) -> [usize; 2] {
        self.geometry.positions([self.height, self.width])
    }

    /// Values of the maps that the convolution reads.
    pub(crate) fn input_len(&self) -> usize {
        self.batch * self.height * self.width * self.geometry.in_channels
    }

    /// Values of the maps that it writes.
    pub(crate) fn output_len(&self) -> usize {
        let [rows, columns] = self.positions();
        self.batch * rows * columns * self.geometry.out_channels
    }
}

/// What a call reads and writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operands<'m> {
    /// The convolution's input; for its transpose the signal at its output.
    pub(crate) input: DeviceView<'m>,
    pub(crate) weight: DeviceView<'m>,
    /// Is overwritten.
    pub(crate) output: DeviceView<'m>,
}

/// What is computed from the operands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Computation<'m> {
    /// The sums alone.
    Sums,
    /// `relu(sums + bias + residual?)`
    Activation { bias: DeviceView<'m>, residual: Option<DeviceView<'m>> },
    /// The gradient with respect to the convolution's input.
    Transpose,
}

impl Computation<'_> {
    fn direction(self) -> Direction {
        match self {
            Self::Sums | Self::Activation { .. } => Direction::Forward,
            Self::Transpose => Direction::Backward,
        }
    }

    /// For errors.
    fn name(self) -> &'static str {
        match self.direction() {
            Direction::Forward => "a convolution",
            Direction::Backward => "a transposed convolution",
        }
    }

    /// # Panics
    /// If the memory is not of this GPU, or not what a call reads and writes.
    fn check(self, gpu: usize, call: &ConvolutionCall, operands: &Operands<'_>) {
        let expect = |view: DeviceView<'_>, len: usize| {
            let fits = view.gpu() == Some(gpu) && view.kind() == call.element.kind() && view.len() >= len;
            assert!(fits, "{view:?} is not {len} values on GPU {gpu} for {call:?}");
        };
        let (input, output) = match self.direction() {
            Direction::Forward => (call.input_len(), call.output_len()),
            Direction::Backward => (call.output_len(), call.input_len()),
        };
        expect(operands.input, input);
        expect(operands.weight, call.geometry.weight_len());
        expect(operands.output, output);
        if let Self::Activation { bias, residual } = self {
            expect(bias, call.geometry.out_channels);
            residual.into_iter().for_each(|residual| expect(residual, output));
        }
    }
}

/// cuDNN on one GPU.
pub(crate) struct Convolutions {
    // Dropped in this order: what belongs to the handle before it.
    /// `None`: cuDNN has no algorithm.
    planned: HashMap<(ConvolutionCall, Direction), Option<Planned>>,
    relu: Activation,
    workspace: Option<CudaSlice<u8>>,
    handle: Handle,
    errors: Errors,
    stream: Arc<CudaStream>,
    precision: Precision,
    observer: Observer,
}

// SAFETY: a handle and its descriptors may be used from any thread, by one at a time (cuDNN's documentation on thread
// safety); the only owner is the mutex of a `Gpu`.
unsafe impl Send for Convolutions {}

/// A convolution and how it is computed.
struct Planned {
    described: Described,
    algorithm: Algorithm,
    /// Whether cuDNN is known not to have it with bias, residual and ReLU in one.
    unfusable: bool,
}

impl Convolutions {
    pub(crate) fn new(
        errors: Errors,
        stream: &Arc<CudaStream>,
        precision: Precision,
        observer: Observer,
    ) -> Result<Self, DeviceError> {
        let handle = errors.cudnn("starting cuDNN", cudnn::handle(stream.cu_stream().cast()))?;
        let relu = errors.cudnn("starting cuDNN", cudnn::relu())?;
        let (planned, workspace, stream) = (HashMap::new(), None, stream.clone());
        Ok(Self { planned, relu, workspace, handle, errors, stream, precision, observer })
    }

    /// Overwrites the output; false if cuDNN cannot do that in one call.
    ///
    /// # Panics
    /// If the memory is not of this GPU, or shorter than the call says.
    pub(crate) fn run(
        &mut self,
        call: ConvolutionCall,
        computation: Computation<'_>,
        operands: Operands<'_>,
    ) -> Result<bool, DeviceError> {
        computation.check(self.errors.0, &call, &operands);
        let key = (call, computation.direction());
        self.plan(key)?;
        let is_fused = matches!(computation, Computation::Activation { .. });
        let Some(planned) = self.planned[&key].as_ref().filter(|planned| !(is_fused && planned.unfusable))
        else {
            return Ok(false);
        };
        // SAFETY: the operands were checked against the call above, and the descriptors are those of the call. They are
        // borrowed until the call is on the stream, behind which their memory is freed.
        match unsafe { self.start(planned, computation, operands) } {
            Err(error) if is_refusal(error) => {
                self.refuse(key, is_fused);
                Ok(false)
            }
            done => self.errors.cudnn(computation.name(), done).map(|()| true),
        }
    }

    /// Puts a call on the stream.
    ///
    /// # Safety
    /// The operands must be memory of this GPU, and of the lengths that the descriptors say.
    unsafe fn start(
        &self,
        planned: &Planned,
        computation: Computation<'_>,
        Operands { input, weight, output }: Operands<'_>,
    ) -> Result<(), CudnnError> {
        let Described { input: input_map, output: output_map, bias: bias_map, filter, sliding } =
            &planned.described;
        let (handle, workspace) = (self.handle.raw(), self.workspace());
        let (one, zero) = (1f32, 0f32);
        // SAFETY: handle, descriptors and workspace live, the operands are the caller's promise.
        unsafe {
            match (computation, planned.algorithm) {
                (Computation::Sums, Algorithm::Forward(algorithm)) => result::convolution_forward(
                    handle,
                    scalar(&one),
                    input_map.raw(),
                    pointer(input).cast_const(),
                    filter.raw(),
                    pointer(weight).cast_const(),
                    sliding.raw(),
                    algorithm,
                    workspace.0,
                    workspace.1,
                    scalar(&zero),
                    output_map.raw(),
                    pointer(output),
                ),
                (Computation::Activation { bias, residual }, Algorithm::Forward(algorithm)) => {
                    result::convolution_bias_activation_forward(
                        handle,
                        scalar(&one),
                        input_map.raw(),
                        pointer(input).cast_const(),
                        filter.raw(),
                        pointer(weight).cast_const(),
                        sliding.raw(),
                        algorithm,
                        workspace.0,
                        workspace.1,
                        scalar(if residual.is_some() { &one } else { &zero }),
                        output_map.raw(),
                        // Without a residual its factor is 0 and cuDNN reads nothing there.
                        pointer(residual.unwrap_or(output)).cast_const(),
                        bias_map.raw(),
                        pointer(bias).cast_const(),
                        self.relu.raw(),
                        output_map.raw(),
                        pointer(output),
                    )
                }
                (Computation::Transpose, Algorithm::Backward(algorithm)) => {
                    result::convolution_backward_data(
                        handle,
                        scalar(&one),
                        filter.raw(),
                        pointer(weight).cast_const(),
                        output_map.raw(),
                        pointer(input).cast_const(),
                        sliding.raw(),
                        algorithm,
                        workspace.0,
                        workspace.1,
                        scalar(&zero),
                        input_map.raw(),
                        pointer(output),
                    )
                }
                _ => unreachable!("a call is planned in its direction"),
            }
        }
    }

    /// Remembers that cuDNN refused a call.
    fn refuse(&mut self, key: (ConvolutionCall, Direction), is_fused: bool) {
        match self.planned.get_mut(&key) {
            Some(Some(planned)) if is_fused => planned.unfusable = true,
            _ => {
                self.planned.insert(key, None);
                self.say_missing(key);
            }
        }
    }

    /// Finds the descriptors for a call and an algorithm, unless they are there.
    fn plan(&mut self, key: (ConvolutionCall, Direction)) -> Result<(), DeviceError> {
        if self.planned.contains_key(&key) {
            return Ok(());
        }
        let (call, direction) = key;
        let described = self.errors.cudnn("describing a convolution", describe(call, self.precision))?;
        let found = match find_algorithm(direction, &described, &self.handle, call.exact) {
            Err(error) if is_refusal(error) => None,
            found => self.errors.cudnn("choosing an algorithm", found)?,
        };
        if found.is_none() {
            self.say_missing(key);
        }
        self.reserve(found.map_or(0, |(_, workspace_bytes)| workspace_bytes))?;
        let planned = found.map(|(algorithm, _)| Planned { described, algorithm, unfusable: false });
        self.planned.insert(key, planned);
        Ok(())
    }

    fn say_missing(&self, (call, direction): (ConvolutionCall, Direction)) {
        let ConvolutionCall { geometry, element, height, width, .. } = call;
        let direction = match direction {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
        };
        let convolution = format!("{geometry:?} of {height} x {width} {element:?}");
        (self.observer)(&DeviceEvent::NoAlgorithm { gpu: self.errors.0, direction, convolution });
    }

    /// Makes the workspace, which all convolutions share, at least `bytes` long.
    fn reserve(&mut self, bytes: usize) -> Result<(), DeviceError> {
        if self.workspace.as_ref().is_none_or(|workspace| workspace.len() < bytes.max(1)) {
            self.workspace = None;
            // SAFETY: scratch memory, which is written before it is read.
            let workspace = unsafe { self.stream.alloc(bytes.max(1)) };
            self.workspace = Some(self.errors.driver("taking scratch memory", workspace)?);
        }
        Ok(())
    }

    fn workspace(&self) -> (*mut c_void, usize) {
        let workspace = self.workspace.as_ref();
        workspace.map_or((std::ptr::null_mut(), 0), |bytes| {
            (bytes.device_ptr(&self.stream).0 as *mut c_void, bytes.len())
        })
    }
}

fn describe(call: ConvolutionCall, precision: Precision) -> Result<Described, CudnnError> {
    let ConvolutionCall { geometry, element, batch, height, width, .. } = call;
    let [rows, columns] = call.positions();
    Ok(Described {
        input: cudnn::map(element, [batch, geometry.in_channels, height, width])?,
        output: cudnn::map(element, [batch, geometry.out_channels, rows, columns])?,
        bias: cudnn::map(element, [1, geometry.out_channels, 1, 1])?,
        filter: cudnn::filter(element, geometry)?,
        sliding: cudnn::sliding(geometry, precision)?,
    })
}

/// Whether cuDNN says that it has no such operation, not that it failed.
fn is_refusal(error: CudnnError) -> bool {
    // Codes from 2000 say that an argument is not acceptable, from 3000 that the operation is not supported.
    (2000..4000).contains(&(error.0 as u32))
}

fn pointer(view: DeviceView<'_>) -> *mut c_void {
    view.address() as *mut c_void
}

fn scalar(value: &f32) -> *const c_void {
    std::ptr::from_ref(value).cast()
}
