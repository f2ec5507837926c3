//! Kernels' source as a library of the CPU's: every kernel runs as one thread of one block. With it values to run them
//! on.

use std::ffi::c_void;
use std::process::Command;

/// What the compiler of a GPU's kernels knows by itself.
const BUILT_IN: &str = "
#include <cmath>
#define __global__
#define __device__
struct Axis { unsigned x, y, z; };
static const Axis blockIdx = {0, 0, 0}, threadIdx = {0, 0, 0}, blockDim = {1, 1, 1}, gridDim = {1, 1, 1};
";

/// Hands arguments of any type to any kernel.
const ARGUMENT: &str = "
union Argument {
    void *pointer; whole count; float value;
    template <class T> operator T *() const { return (T *)pointer; }
    operator whole() const { return count; }
    operator float() const { return value; }
};
";

/// An argument as `ARGUMENT` declares it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) union Raw {
    pub(crate) pointer: u64,
    pub(crate) count: i64,
    pub(crate) value: f32,
}

/// A source, compiled.
pub(crate) struct Host {
    library: libloading::Library,
    /// Where the library is while it is used.
    _folder: tempfile::TempDir,
}

impl Host {
    /// Compiles a source behind its prelude; `None`, with a line that says so, where there is no C++ compiler.
    pub(crate) fn compile(prelude: &str, source: &str, defined: Option<&str>) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, library) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
        let calls: String = source.split("\nKERNEL ").skip(1).map(call).collect();
        let text = [BUILT_IN, prelude, source, ARGUMENT, &calls].concat();
        std::fs::write(&file, text).expect("the source is written");
        let mut compile = Command::new(std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned()));
        compile.args(defined.map(|defined| format!("-D{defined}")));
        compile.args(["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-o"]);
        let Ok(output) = compile.arg(&library).arg(&file).output() else {
            println!("left out: there is no C++ compiler");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library was just made and runs nothing when it is opened.
        let library = unsafe { libloading::Library::new(&library) }.expect("the library opens");
        Some(Self { library, _folder: folder })
    }

    /// Runs a kernel.
    ///
    /// # Safety
    /// The arguments must be of the kernel's types, and their memory as long as what it touches.
    pub(crate) unsafe fn run(&self, name: &str, count: usize, arguments: &[Raw]) {
        // SAFETY: every kernel has such a function (see `call`); the rest is the caller's promise.
        unsafe {
            let call: libloading::Symbol<'_, unsafe extern "C" fn(i64, *const c_void)> =
                self.library.get(format!("call_{name}").as_bytes()).expect("the kernel is there");
            call(count as i64, arguments.as_ptr().cast());
        }
    }
}

/// A function that calls a kernel, whose text begins with its name.
fn call(kernel: &str) -> String {
    let (name, rest) = kernel.split_once('(').expect("a kernel has parameters");
    let (parameters, _) = rest.split_once(") {").expect("a kernel has a body");
    let arguments: String = (0..parameters.matches(',').count()).map(|at| format!(", a[{at}]")).collect();
    format!("extern \"C\" void call_{name}(whole n, const Argument *a) {{ {name}(n{arguments}); }}\n")
}

/// Values of a few sizes, with ties, zeros of both signs, negatives, infinities and NaN.
pub(crate) fn values(len: usize, seed: usize) -> Vec<f32> {
    let value = |at: usize| match ((at + 13) * (seed + 7919)) % 47 {
        0 => f32::NAN,
        1 => -0.0,
        2 => f32::INFINITY,
        other => other as f32 % 11.0 - 5.0 + (other as f32).sin() * 0.001,
    };
    (0..len).map(value).collect()
}

/// Equal bits, apart from those of NaNs.
pub(crate) fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
        assert!(same, "{what} at {at}: {found} for {expected}");
    }
}
