use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{CUmemPool_attribute, CUresult};
use cudarc::driver::{CudaContext, CudaEvent, CudaStream};
use cudarc::{cudnn, driver, nvrtc};

use super::argument::Argument;
use super::convolution::Convolutions;
use super::element::Element;
use super::errors::Errors;
use super::kernels::{KernelSource, Kernels, SOURCE};
use super::memory::{DeviceMemory, Scalar};
use crate::arithmetic::Precision;
use crate::device_event::{DeviceEvent, Observer};
use crate::error::DeviceError;
use neuron_kernels::Buffer;

/// Values on a GPU.
pub(crate) type Floats = DeviceMemory<f32>;

/// Values on a GPU that are stored as some [`Element`].
pub(crate) type Bytes = DeviceMemory<u8>;

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
    /// Those of other sources, compiled when they were first asked for.
    others: Mutex<Vec<(KernelSource, Arc<Kernels>)>>,
    convolutions: Mutex<Convolutions>,
    observer: Observer,
}

impl Gpu {
    /// Opens the GPU of that number.
    pub(crate) fn open(number: usize, precision: Precision, observer: Observer) -> Result<Self, DeviceError> {
        check_libraries()?;
        let errors = Errors(number);
        let count = errors.driver("looking for GPUs", count_gpus())?;
        if number >= count {
            return Err(DeviceError::NoGpu { gpu: number, count });
        }
        let context = errors.driver("opening it", CudaContext::new(number))?;
        // SAFETY: the library's events would order the uses of each piece of memory by several streams. Only images are
        // touched by two, and `Upload` orders those by events of its own.
        unsafe { context.disable_event_tracking() };
        errors.driver("setting up its memory", keep_freed_memory(&context))?;
        // Not the default stream, which is that of whatever GPU the calling thread used last.
        let stream = errors.driver("opening it", context.new_stream())?;
        let arrivals = errors.driver("opening it", context.new_stream())?;
        let compile = |element| Kernels::compile(errors, &context, SOURCE, element);
        let kernels = compile(Element::F32)?;
        let kernels_in_bf16 = match precision {
            Precision::Bf16 => Some(compile(Element::Bf16)?),
            Precision::F32 | Precision::Tf32 | Precision::Bf16x3 => None,
        };
        let convolutions = Mutex::new(Convolutions::new(errors, &stream, precision, observer.clone())?);
        let others = Mutex::default();
        Ok(Self {
            number,
            precision,
            stream,
            arrivals,
            kernels,
            kernels_in_bf16,
            others,
            convolutions,
            observer,
        })
    }

    pub(crate) fn errors(&self) -> Errors {
        Errors(self.number)
    }

    pub(crate) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    pub(crate) fn arrivals(&self) -> &Arc<CudaStream> {
        &self.arrivals
    }

    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// Starts one of our own kernels, for maps of an element, to write `count` values.
    ///
    /// # Panics
    /// If the arguments are not such as the kernel takes.
    pub(crate) fn launch(
        &self,
        element: Element,
        name: &str,
        count: usize,
        arguments: &[Argument<'_>],
    ) -> Result<(), DeviceError> {
        let kernels = match element {
            Element::F32 => &self.kernels,
            Element::Bf16 => self.kernels_in_bf16.as_ref().expect("compiled for the precision of such maps"),
        };
        kernels.launch(&self.stream, name, count, arguments)
    }

    /// As [`Gpu::launch`], of kernels of another source.
    pub(crate) fn launch_from(
        &self,
        source: KernelSource,
        name: &str,
        count: usize,
        arguments: &[Argument<'_>],
    ) -> Result<(), DeviceError> {
        self.compiled(source)?.launch(&self.stream, name, count, arguments)
    }

    fn compiled(&self, source: KernelSource) -> Result<Arc<Kernels>, DeviceError> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kernels)) = others.iter().find(|(known, _)| *known == source) {
            return Ok(kernels.clone());
        }
        let context = self.stream.context();
        let kernels = Arc::new(Kernels::compile(self.errors(), context, source, Element::F32)?);
        others.push((source, kernels.clone()));
        Ok(kernels)
    }

    /// cuDNN, which serves one caller at a time.
    pub(crate) fn convolutions(&self) -> MutexGuard<'_, Convolutions> {
        self.convolutions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn halved(&self, from: usize, to: usize) {
        self.tell(&DeviceEvent::BatchHalved { gpu: self.number, from, to });
    }

    /// Tells the device's observer.
    pub(crate) fn tell(&self, event: &DeviceEvent) {
        (self.observer)(event);
    }

    /// `len` arbitrary values.
    pub(crate) fn alloc<T: Scalar>(&self, len: usize) -> Result<DeviceMemory<T>, DeviceError> {
        // SAFETY: whatever it holds is a value of such a type.
        let memory = unsafe { self.stream.alloc(len.max(1)) };
        self.errors().driver("taking memory", memory).map(DeviceMemory)
    }

    /// An event that nothing has been recorded in yet.
    pub(crate) fn event(&self) -> Result<CudaEvent, DeviceError> {
        self.errors().driver("ordering its streams", self.stream.context().new_event(None))
    }

    /// The same values once more.
    pub(crate) fn copy(&self, values: &Floats) -> Result<Floats, DeviceError> {
        self.errors().driver("copying on it", self.stream.clone_dtod(&values.0)).map(DeviceMemory)
    }

    /// A copy of `values` on the GPU.
    pub(crate) fn upload<T: Scalar>(&self, values: &[T]) -> Result<DeviceMemory<T>, DeviceError> {
        self.errors().driver("copying to it", self.stream.clone_htod(values)).map(DeviceMemory)
    }

    /// Waits for everything that was started, and copies the first `len` values to the host.
    pub(crate) fn download<T: Scalar>(
        &self,
        values: &DeviceMemory<T>,
        len: usize,
    ) -> Result<Vec<T>, DeviceError> {
        let copied = self.stream.clone_dtoh(&values.0.slice(..len));
        let copied = self.errors().driver("copying from it", copied)?;
        self.wait()?;
        Ok(copied)
    }

    /// As [`Gpu::download`], into memory that backward passes use.
    pub(crate) fn download_into_buffer(&self, values: &Floats, len: usize) -> Result<Buffer, DeviceError> {
        let mut buffer = Buffer::zeros(len);
        let copied = self.stream.memcpy_dtoh(&values.0.slice(..len), &mut buffer[..]);
        self.errors().driver("copying from it", copied)?;
        self.wait()?;
        Ok(buffer)
    }

    /// Waits for everything that was started.
    pub(crate) fn wait(&self) -> Result<(), DeviceError> {
        self.errors().driver("computing", self.stream.synchronize())
    }

    /// Makes the GPU the calling thread's.
    pub(crate) fn bind(&self) -> Result<(), DeviceError> {
        self.errors().driver("turning to it", self.stream.context().bind_to_thread())
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
