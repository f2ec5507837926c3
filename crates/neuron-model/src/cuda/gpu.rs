use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{CUmemPool_attribute, CUresult};
use cudarc::driver::{CudaContext, CudaEvent, CudaSlice, CudaStream, DevicePtr, DeviceRepr};
use cudarc::{cudnn, driver, nvrtc};

use super::at::{Address, At};
use super::convolution::Convolutions;
use super::element::Element;
use super::kernels::Kernels;
use crate::device::{DeviceError, DeviceEvent, Observer, Precision};
use neuron_kernels::Buffer;

/// Values on a GPU.
pub(super) type Floats = CudaSlice<f32>;

/// Values on a GPU that are stored as some [`Element`].
pub(super) type Bytes = CudaSlice<u8>;

/// An open GPU: its streams, our own kernels and cuDNN.
pub(crate) struct Gpu {
    number: usize,
    precision: Precision,
    /// On which everything is computed, in the order in which it is started.
    stream: Arc<CudaStream>,
    /// On which images come, while others are computed with.
    arrivals: Arc<CudaStream>,
    kernels: Kernels,
    /// For maps in bf16, if there may be some.
    kernels_in_bf16: Option<Kernels>,
    convolutions: Mutex<Convolutions>,
    observer: Observer,
}

impl Gpu {
    /// Opens the GPU of that number.
    pub(crate) fn open(number: usize, precision: Precision, observer: Observer) -> Result<Self, DeviceError> {
        check_libraries()?;
        let at = At(number);
        let count = at.driver("looking for GPUs", count_gpus())?;
        if number >= count {
            return Err(DeviceError::NoGpu { gpu: number, count });
        }
        let context = at.driver("opening it", CudaContext::new(number))?;
        // SAFETY: the library's events would order the uses of each piece of memory by several streams. Only images are
        // touched by two, and `Staging` orders those by events of its own.
        unsafe { context.disable_event_tracking() };
        at.driver("setting up its memory", keep_freed_memory(&context))?;
        // Not the default stream, which is that of whatever GPU the calling thread used last.
        let stream = at.driver("opening it", context.new_stream())?;
        let arrivals = at.driver("opening it", context.new_stream())?;
        let kernels = Kernels::compile(at, &context, Element::F32)?;
        let kernels_in_bf16 = match precision {
            Precision::Bf16 => Some(Kernels::compile(at, &context, Element::Bf16)?),
            Precision::F32 | Precision::Tf32 => None,
        };
        let convolutions = Mutex::new(Convolutions::new(at, &stream, precision, observer.clone())?);
        Ok(Self { number, precision, stream, arrivals, kernels, kernels_in_bf16, convolutions, observer })
    }

    /// For errors.
    pub(super) fn at(&self) -> At {
        At(self.number)
    }

    pub(super) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    pub(super) fn arrivals(&self) -> &Arc<CudaStream> {
        &self.arrivals
    }

    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// The kernels for maps of an element.
    pub(super) fn kernels(&self, element: Element) -> &Kernels {
        match element {
            Element::F32 => &self.kernels,
            Element::Bf16 => self.kernels_in_bf16.as_ref().expect("compiled for the precision of such maps"),
        }
    }

    /// cuDNN, which serves one caller at a time.
    pub(super) fn convolutions(&self) -> MutexGuard<'_, Convolutions> {
        self.convolutions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn halved(&self, from: usize, to: usize) {
        (self.observer)(&DeviceEvent::BatchHalved { gpu: self.number, from, to });
    }

    /// `len` arbitrary values.
    pub(super) fn alloc<T: DeviceRepr>(&self, len: usize) -> Result<CudaSlice<T>, DeviceError> {
        // SAFETY: every kernel that gets new memory overwrites it before another reads it.
        self.at().driver("taking memory", unsafe { self.stream.alloc(len.max(1)) })
    }

    /// An event that nothing has been recorded in yet.
    pub(super) fn event(&self) -> Result<CudaEvent, DeviceError> {
        self.at().driver("ordering its streams", self.stream.context().new_event(None))
    }

    /// The same values once more.
    pub(super) fn copy(&self, values: &Floats) -> Result<Floats, DeviceError> {
        self.at().driver("copying on it", self.stream.clone_dtod(values))
    }

    /// A copy of `values` on the GPU.
    pub(super) fn upload<T: DeviceRepr>(&self, values: &[T]) -> Result<CudaSlice<T>, DeviceError> {
        self.at().driver("copying to it", self.stream.clone_htod(values))
    }

    /// Waits for everything that was started, and copies the first `len` values to the host.
    pub(super) fn download<T: DeviceRepr>(
        &self,
        values: &CudaSlice<T>,
        len: usize,
    ) -> Result<Vec<T>, DeviceError> {
        let copied = self.stream.clone_dtoh(&values.slice(..len));
        let copied = self.at().driver("copying from it", copied)?;
        self.wait()?;
        Ok(copied)
    }

    /// As [`Gpu::download`], into memory that walks use.
    pub(super) fn download_into_buffer(&self, values: &Floats, len: usize) -> Result<Buffer, DeviceError> {
        let mut buffer = Buffer::zeros(len);
        let copied = self.stream.memcpy_dtoh(&values.slice(..len), &mut buffer[..]);
        self.at().driver("copying from it", copied)?;
        self.wait()?;
        Ok(buffer)
    }

    /// Waits for everything that was started.
    pub(super) fn wait(&self) -> Result<(), DeviceError> {
        self.at().driver("computing", self.stream.synchronize())
    }

    /// The address of values, for a call on this GPU's stream while they live.
    pub(super) fn address<T>(&self, values: &CudaSlice<T>) -> Address {
        values.device_ptr(&self.stream).0
    }

    /// Makes the GPU the calling thread's.
    pub(super) fn bind(&self) -> Result<(), DeviceError> {
        self.at().driver("turning to it", self.stream.context().bind_to_thread())
    }
}

/// Looks for the libraries before anything calls them: a call into one that is not there would panic.
fn check_libraries() -> Result<(), DeviceError> {
    // SAFETY: these open and close system libraries, which have no state that this could harm.
    let present = unsafe {
        [
            (driver::sys::is_culib_present(), "NVIDIA's driver (libcuda)", "install the driver"),
            (
                nvrtc::sys::is_culib_present(),
                "NVRTC (libnvrtc)",
                "install CUDA 13 or add its folder to LD_LIBRARY_PATH",
            ),
            (
                cudnn::sys::is_culib_present(),
                "cuDNN (libcudnn)",
                "install cuDNN 9 or add its folder to LD_LIBRARY_PATH",
            ),
        ]
    };
    match present.into_iter().find(|(present, ..)| !present) {
        Some((_, library, way_out)) => Err(DeviceError::NoLibrary { library, way_out }),
        None => Ok(()),
    }
}

/// How many GPUs the driver finds.
fn count_gpus() -> Result<usize, DriverError> {
    match CudaContext::device_count() {
        Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
        Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Keeps memory that was given back for the next who asks, instead of returning it to the system at every wait.
fn keep_freed_memory(context: &CudaContext) -> Result<(), DriverError> {
    if !context.has_async_alloc() {
        return Ok(());
    }
    let mut threshold = u64::MAX;
    // SAFETY: the device is open, and the attribute is a u64 by the driver's documentation.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device())?;
        let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast())
    }
}
