//! cuDNN's descriptors, which are freed with their owners. All maps and filters are channels-last.

use cudarc::cudnn::result::{self, CudnnError};
use cudarc::cudnn::sys;

use super::element::Element;
use crate::arithmetic::Precision;
use neuron_kernels::ConvGeometry;

const FORMAT: sys::cudnnTensorFormat_t = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
/// Of products' sums, whatever maps are stored as.
const SUMS: sys::cudnnDataType_t = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;

/// Something of cuDNN's that must be freed.
pub(crate) struct Owned<T: Copy> {
    raw: T,
    free: unsafe fn(T) -> Result<(), CudnnError>,
}

impl<T: Copy> Owned<T> {
    pub(crate) fn raw(&self) -> T {
        self.raw
    }
}

impl<T: Copy> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: created by the constructors below, and freed only here. What cannot be freed is lost.
        let _ = unsafe { (self.free)(self.raw) };
    }
}

pub(crate) type Handle = Owned<sys::cudnnHandle_t>;
pub(crate) type Map = Owned<sys::cudnnTensorDescriptor_t>;
pub(crate) type Filter = Owned<sys::cudnnFilterDescriptor_t>;
pub(crate) type Sliding = Owned<sys::cudnnConvolutionDescriptor_t>;
pub(crate) type Activation = Owned<sys::cudnnActivationDescriptor_t>;

/// A convolution as cuDNN wants it described.
pub(crate) struct Described {
    pub(crate) input: Map,
    pub(crate) output: Map,
    pub(crate) bias: Map,
    pub(crate) filter: Filter,
    pub(crate) sliding: Sliding,
}

/// cuDNN's state for one GPU, which works on `stream`.
pub(crate) fn handle(stream: sys::cudaStream_t) -> Result<Handle, CudnnError> {
    let handle = Owned { raw: result::create_handle()?, free: result::destroy_handle };
    // SAFETY: the handle was just created; the stream outlives it in the same `Gpu`.
    unsafe { result::set_stream(handle.raw, stream) }?;
    Ok(handle)
}

/// A map of `batch` items.
pub(crate) fn map(element: Element, [batch, channels, height, width]: [usize; 4]) -> Result<Map, CudnnError> {
    let map = Owned { raw: result::create_tensor_descriptor()?, free: result::destroy_tensor_descriptor };
    let sizes = [batch, channels, height, width].map(size);
    // SAFETY: the descriptor was just created.
    unsafe { result::set_tensor4d_descriptor(map.raw, FORMAT, element.cudnn(), sizes) }?;
    Ok(map)
}

/// The weights of a convolution, `[out_channels, kernel, kernel, in_channels / groups]`.
pub(crate) fn filter(element: Element, geometry: ConvGeometry) -> Result<Filter, CudnnError> {
    let filter = Owned { raw: result::create_filter_descriptor()?, free: result::destroy_filter_descriptor };
    let sizes = geometry.weight_shape().map(size);
    // SAFETY: the descriptor was just created.
    unsafe { result::set_filter4d_descriptor(filter.raw, element.cudnn(), FORMAT, sizes) }?;
    Ok(filter)
}

/// How a convolution slides, and how exactly it multiplies.
pub(crate) fn sliding(geometry: ConvGeometry, precision: Precision) -> Result<Sliding, CudnnError> {
    let raw = result::create_convolution_descriptor()?;
    let sliding = Owned { raw, free: result::destroy_convolution_descriptor };
    let [padding, stride, dilation] =
        [geometry.window.padding, geometry.window.stride, geometry.window.dilation]
            .map(|pair| pair.map(size));
    let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
    let math = match precision {
        Precision::F32 => sys::cudnnMathType_t::CUDNN_FMA_MATH,
        Precision::Tf32 | Precision::Bf16 | Precision::Bf16x3 => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
    };
    // SAFETY: the descriptor was just created.
    unsafe {
        result::set_convolution2d_descriptor(
            raw,
            padding[0],
            padding[1],
            stride[0],
            stride[1],
            dilation[0],
            dilation[1],
            mode,
            SUMS,
        )?;
        result::set_convolution_math_type(raw, math)?;
        result::set_convolution_group_count(raw, size(geometry.groups))?;
    }
    Ok(sliding)
}

/// A ReLU that lets NaN through.
pub(crate) fn relu() -> Result<Activation, CudnnError> {
    let raw = result::create_activation_descriptor()?;
    let relu = Owned { raw, free: free_activation };
    let mode = sys::cudnnActivationMode_t::CUDNN_ACTIVATION_RELU;
    let nan = sys::cudnnNanPropagation_t::CUDNN_PROPAGATE_NAN;
    // SAFETY: the descriptor was just created.
    unsafe { result::set_activation_descriptor(raw, mode, nan, 0.0) }?;
    Ok(relu)
}

unsafe fn free_activation(raw: sys::cudnnActivationDescriptor_t) -> Result<(), CudnnError> {
    // SAFETY: the caller's promise that it is not freed yet.
    unsafe { sys::cudnnDestroyActivationDescriptor(raw) }.result()
}

/// cuDNN takes sizes as C's ints; larger ones become one that it refuses.
fn size(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(-1)
}
