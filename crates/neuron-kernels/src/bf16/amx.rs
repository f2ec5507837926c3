//! Intel's matrix instructions. `std::arch` has them on nightly compilers only: here they are assembly.
//!
//! What is computed with them ([`product`], [`steps`]) is written for a [`unit::TileUnit`]: the processor's, or, in tests, one
//! in software, so that every machine with the vector instructions of the epilogue runs the same code to the same bits.

mod pending;
mod product;
mod rows;
#[cfg(test)]
mod software;
mod steps;
mod unit;

use super::task::Task;
use std::arch::asm;
use std::arch::x86_64::*;
use std::sync::OnceLock;

#[cfg(test)]
pub(super) use software::product_in_software;

/// Whether the processor and the system have them; asks the system for the tile state, once a process.
pub(super) fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bf16")
            && has_tiles()
            && is_permitted()
    })
}

/// Whether the processor has tiles and their products of bf16 numbers, and the system saves registers at all.
fn has_tiles() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    const AMX_BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    __cpuid(0).eax >= 7
        && __cpuid(1).ecx & OSXSAVE != 0
        && __cpuid_count(7, 0).edx & AMX_BF16_AND_TILE == AMX_BF16_AND_TILE
}

#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    const XFEATURE_XTILEDATA: i64 = 18;
    let result: i64;
    // SAFETY: the call changes what this process may use, and touches no memory.
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => result, in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA, out("rcx") _, out("r11") _, options(nostack));
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

/// All rows times all panels.
///
/// # Safety
/// The machine must have the instructions. The runs must be readable for all rows, and no other task may write this
/// one's rows and columns.
pub(super) unsafe fn product(task: &Task<'_>) {
    // SAFETY: the caller's promise; the unit's instructions belong to those that the machine has.
    unsafe { product::product(task, unit::Processor) }
}
