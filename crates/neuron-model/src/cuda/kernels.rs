use std::collections::HashMap;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaFunction, CudaStream, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};

use super::at::{Address, At};
use super::element::Element;
use crate::device::DeviceError;

pub(super) const SOURCE: &str = include_str!("kernels.cu");
/// What the source is compiled with for maps of bf16.
pub(super) const MAPS_IN_BF16: &str = "MAPS_IN_BF16";

/// Threads of a block.
const BLOCK: u32 = 256;
/// Blocks of a launch at most: several for each multiprocessor of the largest GPUs; each thread then loops.
const MOST_BLOCKS: u64 = 132 * 32;

/// The kernels of `kernels.cu`, and the types of their arguments after the count.
pub(super) const SIGNATURES: &[(&str, &str)] = &[
    ("bias_activation", "pppww"),
    ("scale_shift", "ppppww"),
    ("relu", "pp"),
    ("add", "pppw"),
    ("accumulate", "ppf"),
    ("scale_by_channel", "ppw"),
    ("quotient", "ppf"),
    ("fill", "pf"),
    ("fill_pixels", "pfff"),
    ("gate", "pppw"),
    ("split_by_magnitude", "pppp"),
    ("max_pool", "pppwwwwwwww"),
    ("max_pool_backward", "pppwwwwwwww"),
    ("average_pool", "ppwwwwwww"),
    ("average_pool_backward", "ppwwwwwww"),
    ("spread_mean", "ppww"),
    ("reduce_max", "pppww"),
    ("reduce_mean", "ppww"),
    ("global_average_pool", "ppww"),
    ("convolution", "pppwwwwwwwwww"),
    ("transposed_convolution", "pppwwwwwwwwww"),
    ("to_maps", "pp"),
    ("from_maps", "pp"),
    ("look_up", "ppp"),
    ("alignment", "pppww"),
    ("most_aligned", "ppw"),
    ("seed", "ppppwww"),
    ("extremes", "ppppwww"),
    ("sort_keys", "pppppww"),
    ("merge_runs", "ppww"),
    ("match_sorted", "pppppppppww"),
    ("sum_squares", "ppwww"),
    ("sum_segments", "ppww"),
];

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument {
    /// Values on the GPU; 0 for none.
    Pointer(Address),
    /// A number of things.
    Whole(i64),
    /// A factor or a summand.
    Real(f32),
}

impl Argument {
    fn letter(self) -> char {
        match self {
            Self::Pointer(_) => 'p',
            Self::Whole(_) => 'w',
            Self::Real(_) => 'f',
        }
    }
}

impl From<Address> for Argument {
    fn from(address: Address) -> Self {
        Self::Pointer(address)
    }
}

impl From<usize> for Argument {
    fn from(count: usize) -> Self {
        // Lengths of what is in memory fit.
        Self::Whole(count as i64)
    }
}

impl From<bool> for Argument {
    fn from(flag: bool) -> Self {
        Self::Whole(i64::from(flag))
    }
}

impl From<f32> for Argument {
    fn from(value: f32) -> Self {
        Self::Real(value)
    }
}

/// Our own kernels, compiled for one GPU and maps of one element.
pub(super) struct Kernels {
    at: At,
    functions: HashMap<&'static str, CudaFunction>,
}

impl Kernels {
    pub(super) fn compile(at: At, context: &Arc<CudaContext>, element: Element) -> Result<Self, DeviceError> {
        let (major, minor) = at.driver("asking what it can do", context.compute_capability())?;
        let program = compile_ptx_with_opts(SOURCE, options(major, minor, element))
            .map_err(|error| at.failed("compiling its kernels", error))?;
        let module = at.driver("loading its kernels", context.load_module(program))?;
        let load = |(name, _): &(&'static str, _)| {
            at.driver("loading its kernels", module.load_function(name)).map(|function| (*name, function))
        };
        Ok(Self { at, functions: SIGNATURES.iter().map(load).collect::<Result<_, _>>()? })
    }

    /// Starts a kernel that writes `count` values.
    ///
    /// # Safety
    /// The pointers must be those of live memory on the stream's GPU, as long as the kernel's use of them.
    ///
    /// # Panics
    /// If the arguments are not of the kernel's types.
    pub(super) unsafe fn launch(
        &self,
        stream: &Arc<CudaStream>,
        name: &'static str,
        count: usize,
        arguments: &[Argument],
    ) -> Result<(), DeviceError> {
        check(name, arguments);
        if count == 0 {
            return Ok(());
        }
        let count = count as i64;
        let mut launch = stream.launch_builder(&self.functions[name]);
        launch.arg(&count);
        for argument in arguments {
            match argument {
                Argument::Pointer(address) => launch.arg(address),
                Argument::Whole(count) => launch.arg(count),
                Argument::Real(value) => launch.arg(value),
            };
        }
        let blocks = (count as u64).div_ceil(u64::from(BLOCK)).min(MOST_BLOCKS) as u32;
        let shape = LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (BLOCK, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the types are the kernel's (checked above), the memory is the caller's promise.
        self.at.driver("starting a kernel", unsafe { launch.launch(shape) }.map(|_| ()))
    }
}

/// # Panics
/// If these are not the types of the kernel's arguments.
pub(super) fn check(name: &str, arguments: &[Argument]) {
    let letters: String = arguments.iter().map(|argument| argument.letter()).collect();
    let signature = SIGNATURES.iter().find(|(known, _)| *known == name);
    assert_eq!(signature.map(|(_, letters)| *letters), Some(&*letters), "arguments of {name}");
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

    /// The parameters of every kernel of the source, as letters.
    fn declared() -> Vec<(String, String)> {
        let kernels = SOURCE.split("\nKERNEL ").skip(1);
        let letters = |parameters: &str| {
            let letter = |parameter: &str| match parameter.trim() {
                pointer if pointer.contains('*') => 'p',
                whole if whole.starts_with("whole ") => 'w',
                real if real.starts_with("float ") => 'f',
                other => panic!("{other} is none of the types that arguments have"),
            };
            parameters.split(',').map(letter).collect::<String>()
        };
        let kernel = |text: &str| {
            let (name, rest) = text.split_once('(').unwrap();
            let (parameters, _) = rest.split_once(')').unwrap();
            (name.to_owned(), letters(parameters))
        };
        kernels.map(kernel).collect()
    }

    #[test]
    fn the_signatures_are_those_of_the_source() {
        let declared = declared();
        assert_eq!(declared.len(), SIGNATURES.len());
        for ((name, letters), (known, signature)) in declared.iter().zip(SIGNATURES) {
            assert_eq!((&**name, &**letters), (*known, &*format!("w{signature}")), "{name}");
        }
    }

    #[test]
    #[should_panic(expected = "arguments of relu")]
    fn a_wrong_argument_does_not_reach_the_gpu() {
        check("relu", &[Argument::Pointer(1), Argument::Whole(2)]);
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
            let program = compile_ptx_with_opts(SOURCE, options(9, 0, element)).expect("the kernels compile");
            let program = program.to_src();
            for (name, _) in SIGNATURES {
                assert!(program.contains(&format!(".entry {name}(")), "{name}");
            }
        }
    }
}
