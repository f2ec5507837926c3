//! The one place where loops become parallel.
use rayon::prelude::*;

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
