//! The kernels' source compiled for the CPU, and held against the CPU engine: what they compute can be tested without a
//! GPU, though not how threads share it out.

mod backward;
mod host;
mod maps;
mod maps_in_bf16;

use super::argument::Argument;
use super::element::Element;
use super::kernels::{KernelSource, MAPS_IN_BF16, SOURCE};
use super::memory::{DeviceView, Kind};
use super::signature::Signature;
use half::bf16;
use host::{Host, Raw, assert_same, values};
use neuron_kernels::{self as kernels, View};

/// The kernels for maps of an element.
struct Emulated {
    element: Element,
    signatures: Vec<Signature>,
    host: Host,
}

impl Emulated {
    /// For maps of f32; `None`, with a line that says so, where there is no C++ compiler.
    fn new() -> Option<Self> {
        Self::of(Element::F32)
    }

    fn of(element: Element) -> Option<Self> {
        let defined = (element == Element::Bf16).then_some(MAPS_IN_BF16);
        let host = Host::compile(KernelSource::PRELUDE, SOURCE.text(), defined)?;
        Some(Self { element, signatures: Signature::all(SOURCE.text()), host })
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
        // SAFETY: types and lengths were checked against what the source says.
        unsafe { self.host.run(name, count, &arguments) };
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

const BATCH: usize = 2;
const HEIGHT: usize = 7;
const WIDTH: usize = 5;
const CHANNELS: usize = 3;
const LEN: usize = BATCH * HEIGHT * WIDTH * CHANNELS;
