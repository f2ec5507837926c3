//! Which microkernel computes on this machine, and in which arithmetic.
use super::arithmetic::Bf16Arithmetic;
use super::fused;
use super::task::Task;
use crate::microkernel::{Isa, UnknownIsa, wanted};
use std::sync::OnceLock;

/// Computes a task.
pub(super) type Kernel = unsafe fn(&Task<'_>);

/// A name and a kernel that this machine can run.
#[derive(Clone, Copy)]
pub(super) struct Engine {
    pub(super) name: &'static str,
    pub(super) arithmetic: Bf16Arithmetic,
    kernel: Kernel,
    /// Whether the kernel goes through the items of a task itself: all of them for each panel.
    takes_items: bool,
    /// Whether the processor's instructions for bf16 numbers compute it; else those for f32.
    is_native: bool,
}

impl Engine {
    /// All rows of all items times all panels.
    ///
    /// # Safety
    /// The machine must have the engine. The runs must be readable for all rows, and no other task may write this one's
    /// rows and columns.
    pub(super) unsafe fn compute(&self, task: &Task<'_>) {
        // SAFETY: the caller's promise.
        let compute = |task: &Task<'_>| unsafe { (self.kernel)(task) };
        if self.takes_items || task.items.count == 1 {
            compute(task);
        } else {
            task.for_each_item(compute);
        }
    }
}

/// Whether the processor and the system have matrix instructions for bf16 (AMX), which make it the fastest arithmetic.
pub fn has_matrix_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return super::amx::is_there();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The arithmetic that convolutions of this process compute in: that of the machine's fastest engine, or of the one that
/// the environment variable `NEURON_ISA` names.
///
/// # Panics
/// If the machine lacks what the variable asks for.
pub fn bf16_arithmetic() -> Bf16Arithmetic {
    detected().arithmetic
}

/// Whether instructions for bf16 numbers compute convolutions, so that they take less time than in f32; else f32 ones
/// imitate them, and take more.
///
/// # Panics
/// As [`bf16_arithmetic`].
pub fn bf16_is_fast() -> bool {
    detected().is_native
}

/// The code for matrix instructions on a tile unit in software, where the vector instructions of its epilogue are.
#[cfg(all(test, target_arch = "x86_64"))]
pub(super) fn in_software() -> Option<Engine> {
    use super::{amx, dot};
    let (name, arithmetic, kernel) =
        ("tiles in software", Bf16Arithmetic::Tiles, amx::product_in_software as Kernel);
    dot::is_there().then_some(Engine { name, arithmetic, kernel, takes_items: true, is_native: false })
}

/// What this machine has for an arithmetic, the fastest first.
pub(super) fn available(arithmetic: Bf16Arithmetic) -> impl Iterator<Item = Engine> {
    native(arithmetic).into_iter().chain(Isa::available().map(move |isa| emulation(isa.name, arithmetic)))
}

#[cfg(target_arch = "x86_64")]
fn native(arithmetic: Bf16Arithmetic) -> Option<Engine> {
    use super::{amx, dot};
    let (name, is_there, kernel): (_, _, Kernel) = match arithmetic {
        Bf16Arithmetic::Tiles => ("amx", amx::is_there(), amx::product),
        Bf16Arithmetic::Pairs => ("avx512bf16", dot::is_there(), dot::product),
    };
    let takes_items = arithmetic == Bf16Arithmetic::Tiles;
    is_there.then_some(Engine { name, arithmetic, kernel, takes_items, is_native: true })
}

#[cfg(not(target_arch = "x86_64"))]
fn native(_: Bf16Arithmetic) -> Option<Engine> {
    None
}

/// The engine on f32 instructions of the set, which this machine must have.
fn emulation(isa: &'static str, arithmetic: Bf16Arithmetic) -> Engine {
    let name = match (isa, arithmetic) {
        (name, Bf16Arithmetic::Tiles) => name,
        ("avx512", Bf16Arithmetic::Pairs) => "avx512-pairs",
        ("avx2", Bf16Arithmetic::Pairs) => "avx2-pairs",
        ("neon", Bf16Arithmetic::Pairs) => "neon-pairs",
        (_, Bf16Arithmetic::Pairs) => "portable-pairs",
    };
    #[cfg(target_arch = "x86_64")]
    let has_all_of_avx512 = || is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl");
    let kernels: [Kernel; 2] = match isa {
        #[cfg(target_arch = "x86_64")]
        "avx512" if has_all_of_avx512() => [fused::tiles::avx512, fused::pairs::avx512],
        #[cfg(target_arch = "x86_64")]
        "avx512" | "avx2" => [fused::tiles::avx2, fused::pairs::avx2],
        _ => [fused::tiles::portable, fused::pairs::portable],
    };
    let kernel = kernels[usize::from(arithmetic == Bf16Arithmetic::Pairs)];
    Engine { name, arithmetic, kernel, takes_items: false, is_native: false }
}

/// The arithmetics in the order of preference on this machine.
fn preferred() -> [Bf16Arithmetic; 2] {
    #[cfg(target_arch = "x86_64")]
    if !has_matrix_instructions() && super::dot::is_fast() {
        return [Bf16Arithmetic::Pairs, Bf16Arithmetic::Tiles];
    }
    [Bf16Arithmetic::Tiles, Bf16Arithmetic::Pairs]
}

/// The fastest that this machine has, unless [`wanted`] is another.
///
/// # Panics
/// As [`wanted`].
pub(super) fn detected() -> Engine {
    static DETECTED: OnceLock<Engine> = OnceLock::new();
    *DETECTED.get_or_init(|| named().unwrap_or_else(|error| panic!("{error}")))
}

/// Checks that this machine has the instructions that the environment variable `NEURON_ISA` names, if it names any: before
/// anything is computed, which panics without them.
///
/// # Errors
/// [`UnknownIsa`] with those that it has.
pub fn check_isa() -> Result<(), UnknownIsa> {
    named().map(|_| ())
}

fn named() -> Result<Engine, UnknownIsa> {
    wanted(preferred().into_iter().flat_map(available), |engine| engine.name, |name| name)
}
