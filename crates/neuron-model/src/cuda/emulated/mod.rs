//! The kernels' source compiled for the CPU, as one thread of one block, and held against the CPU engine: what they
//! compute can be tested without a GPU, though not how threads share it out.

mod backward;
mod maps;
mod maps_in_bf16;
mod matching;

use std::ffi::c_void;
use std::process::Command;

use super::element::Element;
use super::kernels::{Argument, MAPS_IN_BF16, PRELUDE, SOURCE};
use super::memory::{DeviceView, Kind};
use super::signature::Signature;
use half::bf16;
use neuron_kernels::{self as kernels, View};

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

/// The kernels as a library of the CPU's.
struct Emulated {
    element: Element,
    signatures: Vec<Signature>,
    library: libloading::Library,
    /// Where the library is while it is used.
    _folder: tempfile::TempDir,
}

/// An argument as `ARGUMENT` declares it.
#[repr(C)]
union Raw {
    pointer: u64,
    count: i64,
    value: f32,
}

impl Emulated {
    /// For maps of f32; `None`, with a line that says so, where there is no C++ compiler.
    fn new() -> Option<Self> {
        Self::of(Element::F32)
    }

    fn of(element: Element) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, library) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
        let signatures = Signature::all(SOURCE);
        let call = |Signature { name, parameters }: &Signature| {
            let arguments: String = (0..parameters.len()).map(|at| format!(", a[{at}]")).collect();
            format!("extern \"C\" void call_{name}(whole n, const Argument *a) {{ {name}(n{arguments}); }}\n")
        };
        let calls: String = signatures.iter().map(call).collect();
        std::fs::write(&source, [BUILT_IN, PRELUDE, SOURCE, ARGUMENT, &calls].concat())
            .expect("the source is written");
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        let mut compile = Command::new(compiler);
        if element == Element::Bf16 {
            compile.arg(format!("-D{MAPS_IN_BF16}"));
        }
        compile
            .args(["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-o"])
            .arg(&library)
            .arg(&source);
        let Ok(output) = compile.output() else {
            println!("left out: there is no C++ compiler");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library was just made and runs nothing when it is opened.
        let library = unsafe { libloading::Library::new(&library) }.expect("the library opens");
        Some(Self { element, signatures, library, _folder: folder })
    }

    /// Runs a kernel over memory of the host.
    fn run(&self, name: &str, count: usize, arguments: &[Argument<'_>]) {
        let signature = self.signatures.iter().find(|signature| signature.name == name);
        signature.expect("the kernel is there").check(self.element, count, arguments);
        let raw = |argument: &Argument<'_>| match *argument {
            Argument::Memory(view) => Raw { pointer: view.address() },
            Argument::Nothing => Raw { pointer: 0 },
            Argument::Whole(count) => Raw { count },
            Argument::Real(value) => Raw { value },
        };
        let arguments: Vec<Raw> = arguments.iter().map(raw).collect();
        // SAFETY: every kernel has such a function (see `new`), and its arguments' types were checked.
        unsafe {
            let call: libloading::Symbol<'_, unsafe extern "C" fn(i64, *const c_void)> =
                self.library.get(format!("call_{name}").as_bytes()).expect("the kernel is there");
            call(count as i64, arguments.as_ptr().cast());
        }
    }
}

/// Of which kind values of the host are.
trait Emulates {
    const KIND: Kind;
}

macro_rules! emulates {
    ($($scalar:ty => $kind:ident),*) => {
        $(impl Emulates for $scalar {
            const KIND: Kind = Kind::$kind;
        })*
    };
}

emulates!(f32 => F32, f64 => F64, bf16 => Bf16, u8 => U8, u32 => U32, u64 => U64, i64 => I64);

fn read<T: Emulates>(values: &[T]) -> Argument<'_> {
    DeviceView::on_host(values, T::KIND).into()
}

fn write<T: Emulates>(values: &mut [T]) -> Argument<'_> {
    DeviceView::on_host_mut(values, T::KIND).into()
}

const NONE: Argument<'_> = Argument::Nothing;

fn whole(value: usize) -> Argument<'static> {
    value.into()
}

/// Values of a few sizes, with ties, zeros of both signs, negatives, infinities and NaN.
fn values(len: usize, seed: usize) -> Vec<f32> {
    let value = |at: usize| match ((at + 13) * (seed + 7919)) % 47 {
        0 => f32::NAN,
        1 => -0.0,
        2 => f32::INFINITY,
        other => other as f32 % 11.0 - 5.0 + (other as f32).sin() * 0.001,
    };
    (0..len).map(value).collect()
}

/// Equal bits, apart from those of NaNs.
fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
        assert!(same, "{what} at {at}: {found} for {expected}");
    }
}

const BATCH: usize = 2;
const HEIGHT: usize = 7;
const WIDTH: usize = 5;
const CHANNELS: usize = 3;
const LEN: usize = BATCH * HEIGHT * WIDTH * CHANNELS;
