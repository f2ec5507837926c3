//! Convolutions and their transposes through cuDNN: algorithm and descriptors are found once for each shape, or that it
//! has none.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

use cudarc::cudnn::result::{self, CudnnError};
use cudarc::cudnn::sys::{cudnnConvolutionBwdDataAlgo_t as Backward, cudnnConvolutionFwdAlgo_t as Forward};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use super::algorithm::{backward_algorithm, forward_algorithm};
use super::at::{Address, At};
use super::cudnn::{self, Activation, Described, Handle};
use super::element::Element;
use crate::device::{DeviceError, DeviceEvent, Observer, Precision};
use crate::graph::{Graph, NodeId, Operation};
use neuron_geometry::Window;
use neuron_kernels::ConvGeometry;

/// A convolution of maps of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Site {
    pub(super) geometry: ConvGeometry,
    /// Of maps, weights and biases.
    pub(super) element: Element,
    pub(super) batch: usize,
    /// Of the convolution's input.
    pub(super) height: usize,
    /// Of the convolution's input.
    pub(super) width: usize,
    /// Whether every value must be one sum of products, without a transform's rounding.
    pub(super) exact: bool,
}

impl Site {
    /// Height and width of the convolution's output.
    pub(super) fn positions(&self) -> [usize; 2] {
        self.geometry.positions([self.height, self.width])
    }
}

/// The nodes whose windows our own kernels cannot run: they know square ones without dilation and ceil mode. cuDNN
/// knows more, but may hand any convolution back to them.
pub(super) fn unsupported(graph: &Graph, needed: &[bool]) -> Option<String> {
    let plain = |window: &Window| window.is_square() && window.dilation == [1; 2] && !window.ceil_mode;
    let slides = |id: NodeId| match &graph.node(id).operation {
        Operation::Convolution(geometry) => Some(geometry.window),
        Operation::MaxPool(window) => Some(*window),
        _ => None,
    };
    let refused = graph.ids().filter(|id| needed[id.0] && !slides(*id).is_none_or(|window| plain(&window)));
    let names: Vec<&str> = refused.map(|id| graph.node(id).name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// What a convolution reads and writes.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) input: Address,
    pub(super) weight: Address,
    pub(super) output: Address,
}

/// What is added to a convolution's sums before a ReLU.
#[derive(Clone, Copy)]
pub(super) struct Addends {
    pub(super) bias: Address,
    pub(super) residual: Option<Address>,
}

/// cuDNN on one GPU.
pub(super) struct Convolutions {
    // Dropped in this order: what belongs to the handle before it.
    // `None`: cuDNN has no algorithm.
    forward: HashMap<Site, Option<Planned<Forward>>>,
    backward: HashMap<Site, Option<Planned<Backward>>>,
    relu: Activation,
    workspace: Option<CudaSlice<u8>>,
    handle: Handle,
    at: At,
    stream: Arc<CudaStream>,
    precision: Precision,
    observer: Observer,
}

// SAFETY: a handle and its descriptors may be used from any thread, by one at a time (cuDNN's documentation on thread
// safety); the only owner is the mutex of a `Gpu`.
unsafe impl Send for Convolutions {}

/// A convolution and how it is computed.
struct Planned<A> {
    described: Described,
    algorithm: A,
    workspace_bytes: usize,
    /// Whether cuDNN is known not to have it with bias, residual and ReLU in one.
    unfusable: bool,
}

impl Convolutions {
    pub(super) fn new(
        at: At,
        stream: &Arc<CudaStream>,
        precision: Precision,
        observer: Observer,
    ) -> Result<Self, DeviceError> {
        let handle = at.cudnn("starting cuDNN", cudnn::handle(stream.cu_stream().cast()))?;
        let relu = at.cudnn("starting cuDNN", cudnn::relu())?;
        let (forward, backward) = (HashMap::new(), HashMap::new());
        let (workspace, stream) = (None, stream.clone());
        Ok(Self { forward, backward, relu, workspace, handle, at, stream, precision, observer })
    }

    /// Overwrites the output with the sums alone; false if cuDNN cannot do that.
    ///
    /// # Safety
    /// The operands must be memory of this GPU with the lengths that the site says.
    pub(super) unsafe fn convolve(&mut self, site: Site, operands: Operands) -> Result<bool, DeviceError> {
        self.plan_forward(site)?;
        let workspace = self.workspace();
        let Some(planned) = &self.forward[&site] else { return Ok(false) };
        let (one, zero) = (1f32, 0f32);
        // SAFETY: descriptors and workspace are the plan's, the operands the caller's promise.
        let done = unsafe {
            result::convolution_forward(
                self.handle.raw(),
                scalar(&one),
                planned.described.input.raw(),
                pointer(operands.input).cast_const(),
                planned.described.filter.raw(),
                pointer(operands.weight).cast_const(),
                planned.described.sliding.raw(),
                planned.algorithm,
                workspace.0,
                workspace.1,
                scalar(&zero),
                planned.described.output.raw(),
                pointer(operands.output),
            )
        };
        match done {
            Err(error) if is_refusal(error) => {
                self.forward.insert(site, None);
                self.say_missing("forward", site);
                Ok(false)
            }
            done => self.at.cudnn("a convolution", done).map(|()| true),
        }
    }

    /// Overwrites the output with `relu(sums + bias + residual?)`; false if cuDNN cannot do that in one call.
    ///
    /// # Safety
    /// As [`Convolutions::convolve`]; the residual must be as long as the output.
    pub(super) unsafe fn convolve_fused(
        &mut self,
        site: Site,
        operands: Operands,
        addends: Addends,
    ) -> Result<bool, DeviceError> {
        self.plan_forward(site)?;
        let workspace = self.workspace();
        let Some(planned) = self.forward[&site].as_ref().filter(|planned| !planned.unfusable) else {
            return Ok(false);
        };
        let (one, share) = (1f32, if addends.residual.is_some() { 1f32 } else { 0f32 });
        // Without a residual its factor is 0 and cuDNN reads nothing there.
        let residual = addends.residual.unwrap_or(operands.output);
        // SAFETY: descriptors and workspace are the plan's, the operands the caller's promise.
        let done = unsafe {
            result::convolution_bias_activation_forward(
                self.handle.raw(),
                scalar(&one),
                planned.described.input.raw(),
                pointer(operands.input).cast_const(),
                planned.described.filter.raw(),
                pointer(operands.weight).cast_const(),
                planned.described.sliding.raw(),
                planned.algorithm,
                workspace.0,
                workspace.1,
                scalar(&share),
                planned.described.output.raw(),
                pointer(residual).cast_const(),
                planned.described.bias.raw(),
                pointer(addends.bias).cast_const(),
                self.relu.raw(),
                planned.described.output.raw(),
                pointer(operands.output),
            )
        };
        match done {
            Err(error) if is_refusal(error) => {
                if let Some(Some(planned)) = self.forward.get_mut(&site) {
                    planned.unfusable = true;
                }
                Ok(false)
            }
            done => self.at.cudnn("a convolution", done).map(|()| true),
        }
    }

    /// Overwrites `output`, laid out like the convolution's input, with the gradient with respect to it; `input` is
    /// that with respect to the convolution's output. False if cuDNN cannot do that.
    ///
    /// # Safety
    /// As [`Convolutions::convolve`], with the lengths exchanged.
    pub(super) unsafe fn transpose(&mut self, site: Site, operands: Operands) -> Result<bool, DeviceError> {
        self.plan_backward(site)?;
        let workspace = self.workspace();
        let Some(planned) = &self.backward[&site] else { return Ok(false) };
        let (one, zero) = (1f32, 0f32);
        // SAFETY: descriptors and workspace are the plan's, the operands the caller's promise.
        let done = unsafe {
            result::convolution_backward_data(
                self.handle.raw(),
                scalar(&one),
                planned.described.filter.raw(),
                pointer(operands.weight).cast_const(),
                planned.described.output.raw(),
                pointer(operands.input).cast_const(),
                planned.described.sliding.raw(),
                planned.algorithm,
                workspace.0,
                workspace.1,
                scalar(&zero),
                planned.described.input.raw(),
                pointer(operands.output),
            )
        };
        match done {
            Err(error) if is_refusal(error) => {
                self.backward.insert(site, None);
                self.say_missing("backward", site);
                Ok(false)
            }
            done => self.at.cudnn("a transposed convolution", done).map(|()| true),
        }
    }

    fn plan_forward(&mut self, site: Site) -> Result<(), DeviceError> {
        if self.forward.contains_key(&site) {
            return Ok(());
        }
        let find = |described: &Described| forward_algorithm(described, &self.handle, site.exact);
        let planned = self.plan(site, "forward", find)?;
        self.reserve(planned.as_ref().map_or(0, |planned| planned.workspace_bytes))?;
        self.forward.insert(site, planned);
        Ok(())
    }

    fn plan_backward(&mut self, site: Site) -> Result<(), DeviceError> {
        if self.backward.contains_key(&site) {
            return Ok(());
        }
        let find = |described: &Described| backward_algorithm(described, &self.handle, site.exact);
        let planned = self.plan(site, "backward", find)?;
        self.reserve(planned.as_ref().map_or(0, |planned| planned.workspace_bytes))?;
        self.backward.insert(site, planned);
        Ok(())
    }

    /// Descriptors for a site, and the algorithm that `find` picks; `None` if there is none.
    fn plan<A>(
        &self,
        site: Site,
        direction: &'static str,
        find: impl FnOnce(&Described) -> Result<Option<(A, usize)>, CudnnError>,
    ) -> Result<Option<Planned<A>>, DeviceError> {
        let described = self.at.cudnn("describing a convolution", describe(site, self.precision))?;
        let found = match find(&described) {
            Err(error) if is_refusal(error) => None,
            found => self.at.cudnn("choosing an algorithm", found)?,
        };
        let Some((algorithm, workspace_bytes)) = found else {
            self.say_missing(direction, site);
            return Ok(None);
        };
        Ok(Some(Planned { described, algorithm, workspace_bytes, unfusable: false }))
    }

    fn say_missing(&self, direction: &'static str, site: Site) {
        let Site { geometry, element, height, width, .. } = site;
        let convolution = format!("{geometry:?} of {height} x {width} {element:?}");
        (self.observer)(&DeviceEvent::NoAlgorithm { gpu: self.at.0, direction, convolution });
    }

    /// Makes the workspace, which all convolutions share, at least `bytes` long.
    fn reserve(&mut self, bytes: usize) -> Result<(), DeviceError> {
        if self.workspace.as_ref().is_none_or(|workspace| workspace.len() < bytes.max(1)) {
            self.workspace = None;
            // SAFETY: scratch memory, which is written before it is read.
            let workspace = unsafe { self.stream.alloc(bytes.max(1)) };
            self.workspace = Some(self.at.driver("taking scratch memory", workspace)?);
        }
        Ok(())
    }

    fn workspace(&self) -> (*mut c_void, usize) {
        let workspace = self.workspace.as_ref();
        workspace.map_or((std::ptr::null_mut(), 0), |bytes| {
            (pointer(bytes.device_ptr(&self.stream).0), bytes.len())
        })
    }
}

fn describe(site: Site, precision: Precision) -> Result<Described, CudnnError> {
    let Site { geometry, element, batch, height, width, .. } = site;
    let [rows, columns] = site.positions();
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

fn pointer(address: Address) -> *mut c_void {
    address as *mut c_void
}

fn scalar(value: &f32) -> *const c_void {
    std::ptr::from_ref(value).cast()
}
