use std::collections::HashMap;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaFunction, CudaStream, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};

use super::argument::Argument;
use super::element::Element;
use super::errors::Errors;
use super::signature::Signature;
use crate::error::DeviceError;

/// The kernels of passes through networks.
// SAFETY: they touch what their lengths say, as the tests find that run them on the CPU.
pub(crate) const SOURCE: KernelSource = unsafe { KernelSource::new(include_str!("kernels.cu")) };
/// What the source is compiled with for maps of bf16.
pub(crate) const MAPS_IN_BF16: &str = "MAPS_IN_BF16";

/// Threads of a block.
const BLOCK: u32 = 256;
/// Blocks of a launch at most: several for each multiprocessor of the largest GPUs; each thread then loops.
const MOST_BLOCKS: u64 = 132 * 32;

/// Source of kernels of one's own, in CUDA's C++, behind what `prelude.cu` declares: every kernel is defined by `KERNEL` and
/// says behind each pointer, by `OF` or `MAYBE`, how many values it touches there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelSource(&'static str);

impl KernelSource {
    /// What every source begins with: declarations that kernels can use.
    pub const PRELUDE: &'static str = include_str!("prelude.cu");

    /// Wraps a source.
    ///
    /// # Safety
    /// No kernel may touch other memory than the lengths behind its pointers say, whatever the values there are.
    pub const unsafe fn new(source: &'static str) -> Self {
        Self(source)
    }

    #[cfg(test)]
    pub(crate) fn text(self) -> &'static str {
        self.0
    }
}

/// Kernels compiled for one GPU and maps of one element.
pub(crate) struct Kernels {
    errors: Errors,
    element: Element,
    kernels: HashMap<String, (Signature, CudaFunction)>,
}

impl Kernels {
    /// Those of a source, which is written as [`Signature`] says.
    pub(crate) fn compile(
        errors: Errors,
        context: &Arc<CudaContext>,
        KernelSource(source): KernelSource,
        element: Element,
    ) -> Result<Self, DeviceError> {
        let (major, minor) = errors.driver("asking what it can do", context.compute_capability())?;
        let program =
            compile_ptx_with_opts([KernelSource::PRELUDE, source].concat(), options(major, minor, element))
                .map_err(|error| errors.failed("compiling its kernels", error))?;
        let module = errors.driver("loading its kernels", context.load_module(program))?;
        let load = |signature: Signature| {
            let function = errors.driver("loading its kernels", module.load_function(&signature.name))?;
            Ok((signature.name.clone(), (signature, function)))
        };
        let kernels = Signature::all(source).into_iter().map(load).collect::<Result<_, DeviceError>>()?;
        Ok(Self { errors, element, kernels })
    }

    /// Starts a kernel that writes `count` values, on a stream on which the memory is also freed.
    ///
    /// # Panics
    /// If the arguments are not such as the kernel takes, or their memory is that of another GPU, or shorter than what
    /// the kernel touches.
    pub(crate) fn launch(
        &self,
        stream: &Arc<CudaStream>,
        name: &str,
        count: usize,
        arguments: &[Argument<'_>],
    ) -> Result<(), DeviceError> {
        if count == 0 {
            return Ok(());
        }
        let (signature, function) = self.kernels.get(name).unwrap_or_else(|| panic!("no kernel is {name}"));
        signature.check(self.element, count, arguments);
        let views = arguments.iter().filter_map(|argument| match argument {
            Argument::Memory(view) => Some(view.gpu()),
            Argument::Nothing | Argument::Whole(_) | Argument::Real(_) => None,
        });
        views.for_each(|gpu| assert_eq!(gpu, Some(self.errors.0), "the GPU of an argument of {name}"));

        let count = count as i64;
        let addresses: Vec<u64> = arguments.iter().map(address).collect();
        let mut launch = stream.launch_builder(function);
        launch.arg(&count);
        for (argument, address) in arguments.iter().zip(&addresses) {
            match argument {
                Argument::Memory(_) | Argument::Nothing => launch.arg(address),
                Argument::Whole(count) => launch.arg(count),
                Argument::Real(value) => launch.arg(value),
            };
        }
        let blocks = (count as u64).div_ceil(u64::from(BLOCK)).min(MOST_BLOCKS) as u32;
        let shape = LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (BLOCK, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the arguments are of the kernel's types, and the memory is this GPU's and at least as long as what the
        // kernel touches: both were checked above against what the source says, for which whoever made the
        // `KernelSource` stands. The memory is borrowed until the kernel is on the stream, behind which it is freed.
        self.errors.driver("starting a kernel", unsafe { launch.launch(shape) }.map(|_| ()))
    }
}

/// Where a kernel finds an argument's values; 0 for none.
fn address(argument: &Argument<'_>) -> u64 {
    match argument {
        Argument::Memory(view) => view.address(),
        Argument::Nothing | Argument::Whole(_) | Argument::Real(_) => 0,
    }
}

/// For a GPU of compute capability `major.minor`; without contraction every value has the bits of the CPU's.
fn options(major: i32, minor: i32, element: Element) -> CompileOptions {
    let mut options = vec![format!("--gpu-architecture=compute_{major}{minor}"), "--std=c++17".to_owned()];
    if element == Element::Bf16 {
        options.push(format!("-D{MAPS_IN_BF16}"));
    }
    CompileOptions { fmad: Some(false), options, ..CompileOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::memory::{DeviceView, Kind};

    #[test]
    fn every_kernel_says_what_it_touches() {
        let signatures = Signature::all(SOURCE.text());
        assert_eq!(signatures.len(), SOURCE.text().matches("\nKERNEL ").count());
        assert!(signatures.iter().any(|signature| signature.name == "most_aligned"));
    }

    #[test]
    #[should_panic(expected = "argument 1 of relu")]
    fn a_wrong_argument_does_not_reach_the_gpu() {
        let signatures = Signature::all(SOURCE.text());
        let relu = signatures.iter().find(|signature| signature.name == "relu").unwrap();
        let values = [0f32; 2];
        relu.check(Element::F32, 2, &[DeviceView::on_host(&values, Kind::F32).into(), Argument::Whole(2)]);
    }

    /// Compiling needs NVRTC, but no GPU.
    #[test]
    fn the_kernels_compile() {
        // SAFETY: this opens and closes a system library.
        if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
            println!("left out: NVRTC is not there");
            return;
        }
        for element in [Element::F32, Element::Bf16] {
            let source = [KernelSource::PRELUDE, SOURCE.text()].concat();
            let program = compile_ptx_with_opts(source, options(9, 0, element)).expect("the kernels compile");
            let program = program.to_src();
            for Signature { name, .. } in Signature::all(SOURCE.text()) {
                assert!(program.contains(&format!(".entry {name}(")), "{name}");
            }
        }
    }
}
