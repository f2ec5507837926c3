//! Which microkernel computes the arithmetic on this machine.
use super::fused;
use super::task::Task;
use crate::microkernel::{Isa, wanted};
use std::sync::OnceLock;

/// Computes a task.
pub(super) type Kernel = unsafe fn(&Task<'_>);

/// A name and a kernel that this machine can run.
#[derive(Clone, Copy)]
pub(super) struct Engine {
    pub(super) name: &'static str,
    pub(super) kernel: Kernel,
}

/// Whether the processor and the system have matrix instructions for bf16 (AMX), which make it the fastest arithmetic.
pub fn has_matrix_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return super::amx::is_there();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What this machine has, the fastest first.
pub(super) fn available() -> impl Iterator<Item = Engine> {
    let mut engines = Vec::new();
    #[cfg(target_arch = "x86_64")]
    if has_matrix_instructions() {
        engines.push(Engine { name: "amx", kernel: super::amx::product });
    }
    engines.extend(Isa::available().map(|isa| match isa.name {
        #[cfg(target_arch = "x86_64")]
        "avx512" if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") => {
            Engine { name: "avx512", kernel: fused::avx512 }
        }
        #[cfg(target_arch = "x86_64")]
        "avx2" | "avx512" => Engine { name: isa.name, kernel: fused::avx2 },
        name => Engine { name, kernel: fused::portable },
    }));
    engines.into_iter()
}

/// The fastest that this machine has, unless [`wanted`] is another.
///
/// # Panics
/// As [`wanted`].
pub(super) fn detected() -> Engine {
    static DETECTED: OnceLock<Engine> = OnceLock::new();
    *DETECTED.get_or_init(|| wanted(available(), |engine| engine.name))
}
