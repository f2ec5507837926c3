//! How much memory a process has, and had, from its allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CEILING: AtomicUsize = AtomicUsize::new(usize::MAX);
static AT_CEILING: OnceLock<fn()> = OnceLock::new();

/// What no system grants: such a request fails, and whoever made it hears of that.
const ABSURD_BYTES: usize = 1 << 40;

/// The system's allocator, which counts; to be made a program's own by `#[global_allocator]`.
pub struct Counting;

/// Bytes that are allocated now; 0 where [`Counting`] is not the allocator.
pub fn live_bytes() -> usize {
    LIVE.load(Relaxed)
}

/// The most bytes that were allocated at once since [`forget_peak`].
pub fn peak_bytes() -> usize {
    PEAK.load(Relaxed)
}

/// Begins to look for a new peak.
pub fn forget_peak() {
    PEAK.store(live_bytes(), Relaxed);
}

/// Calls `act` once, before more than so many bytes are allocated; it should end the process.
pub fn set_ceiling(bytes: usize, act: fn()) {
    // The first one stays: there is one fuzzer in a process.
    let _ = AT_CEILING.set(act);
    CEILING.store(bytes, Relaxed);
}

fn grow(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed).wrapping_add(bytes);
    PEAK.fetch_max(live, Relaxed);
    if live > CEILING.load(Relaxed) {
        // What is called allocates, too.
        CEILING.store(usize::MAX, Relaxed);
        if let Some(act) = AT_CEILING.get() {
            act();
        }
    }
}

fn shrink(bytes: usize) {
    LIVE.fetch_sub(bytes, Relaxed);
}

// SAFETY: every call is handed to the system's allocator as it came; counting touches only atomic numbers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= ABSURD_BYTES {
            return std::ptr::null_mut();
        }
        grow(layout.size());
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= ABSURD_BYTES {
            return std::ptr::null_mut();
        }
        grow(layout.size());
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: `place` came from the system's allocator with this layout.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size >= ABSURD_BYTES {
            return std::ptr::null_mut();
        }
        // Both are there while one is copied to the other.
        grow(size);
        // SAFETY: `place` came from the system's allocator with this layout; the caller vouches for `size`.
        let moved = unsafe { System.realloc(place, layout, size) };
        shrink(if moved.is_null() { size } else { layout.size() });
        moved
    }
}
