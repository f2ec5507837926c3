//! The one place where loops become parallel.
//!
//! The ambient rayon pool does the work. Entering a pool costs more than a small layer, so a caller enters it once for
//! a whole forward pass (`pool.install`); from within, a loop costs about a microsecond.
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of threads that share a loop.
pub(super) fn threads() -> usize {
    rayon::current_num_threads()
}

/// Calls `body` for every task, in any order. Threads claim tasks one by one, which evens out uneven ones.
pub(super) fn run(tasks: usize, body: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return;
            }
            body(task);
        }
    };
    fan_out(threads().min(tasks), &work);
}

/// Calls `work` on up to `workers` threads, this one included.
fn fan_out(workers: usize, work: &(impl Fn() + Sync)) {
    if workers <= 1 {
        work();
    } else {
        rayon::join(|| fan_out(workers - workers / 2, work), || fan_out(workers / 2, work));
    }
}

/// Calls `body` with the index and the values of every `chunk` of `output`.
pub(super) fn for_each_chunk<T: Send>(output: &mut [T], chunk: usize, body: impl Fn(usize, &mut [T]) + Sync) {
    output.par_chunks_mut(chunk).enumerate().for_each(|(index, values)| body(index, values));
}

/// As [`for_each_chunk`], over two outputs side by side.
pub(super) fn for_each_chunk_pair<T: Send, U: Send>(
    left: &mut [T],
    right: &mut [U],
    chunk: usize,
    body: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    let pairs = left.par_chunks_mut(chunk).zip(right.par_chunks_mut(chunk));
    pairs.enumerate().for_each(|(index, (left, right))| body(index, left, right));
}
