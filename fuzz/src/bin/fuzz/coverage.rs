//! Which edges of the readers an input took, in a build that counts them (`scripts/fuzz.sh` makes one).
//!
//! The compiler lays out a counter of one byte for every edge and hands them over before `main`, by LLVM's "inline
//! 8-bit counters" of SanitizerCoverage. In any other build there are none, and inputs are made blindly.

use std::sync::Mutex;

/// Where counters begin, and how many there are.
static COUNTERS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called by every instrumented part of the program, before `main`.
// SAFETY: the name is the one that the compiler's calls have, and nothing else here defines it.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    let (start, length) = (start as usize, stop as usize - start as usize);
    if let Ok(mut counters) = COUNTERS.lock()
        && !counters.contains(&(start, length))
    {
        counters.push((start, length));
    }
}

/// Called beside it, with the places in the code, which nothing here needs.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_pcs_init(_start: *const usize, _stop: *const usize) {}

/// The edges that inputs have taken so far.
#[derive(Default)]
pub(crate) struct Coverage {
    /// For each edge, the orders of magnitude in which it was taken, as bits.
    seen: Vec<u8>,
    /// Edges that were taken at all.
    pub(crate) edges: usize,
}

impl Coverage {
    /// Whether this build counts at all.
    pub(crate) fn is_counted() -> bool {
        COUNTERS.lock().is_ok_and(|counters| !counters.is_empty())
    }

    /// Whether the last input took an edge that none took before, or took one far more often; counts anew.
    pub(crate) fn is_new(&mut self) -> bool {
        let Ok(counters) = COUNTERS.lock() else { return false };
        let total = counters.iter().map(|(_, length)| length).sum();
        self.seen.resize(total, 0);
        let mut seen = self.seen.iter_mut();
        let mut new = false;
        for &(start, length) in counters.iter() {
            // SAFETY: the compiler handed over this range, which lives as long as the program. The readers' threads
            // have ended, or only lose a count.
            let counted = unsafe { std::slice::from_raw_parts_mut(start as *mut u8, length) };
            for (count, seen) in counted.iter_mut().zip(seen.by_ref()) {
                if *count == 0 {
                    continue;
                }
                let magnitude = 1 << count.ilog2();
                if *seen & magnitude == 0 {
                    self.edges += usize::from(*seen == 0);
                    *seen |= magnitude;
                    new = true;
                }
                *count = 0;
            }
        }
        new
    }
}
