//! Reused memory, aligned to cache lines.
use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
};

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Values that begin at a cache line.
#[derive(Debug, Default)]
pub(in crate::cpu) struct Buffer(Vec<Line>);

impl Buffer {
    /// At least `len` zeros, in whole cache lines.
    pub(in crate::cpu) fn zeros(len: usize) -> Self {
        Self(vec![Line([0.0; 16]); len.div_ceil(16)])
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a `Line` is 16 values without padding.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 16) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: a `Line` is 16 values without padding.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 16) }
    }
}

thread_local! {
    /// Buffers that no call on this thread uses now. A stack, not one buffer: while a thread waits for the rest of its
    /// tasks, it may be given one of another convolution, which needs scratch of its own.
    static FREE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Lends `body` at least `len` values with arbitrary contents. They are kept for the next call on this thread: fresh
/// pages would cost more than many a layer.
pub(in crate::cpu) fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    let free = FREE.with_borrow_mut(|free| {
        // The smallest that is large enough, else the largest, which is replaced.
        free.sort_by_key(|buffer| buffer.len());
        let fit = free.partition_point(|buffer| buffer.len() < len);
        (!free.is_empty()).then(|| free.remove(fit.min(free.len() - 1)))
    });
    let mut buffer = free.unwrap_or_default();
    if buffer.len() < len {
        drop(std::mem::take(&mut buffer));
        buffer = Buffer::zeros(len);
    }
    let result = body(&mut buffer);
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_scratch_is_distinct_and_aligned() {
        with_scratch(100, |outer| {
            outer.fill(1.0);
            with_scratch(200, |inner| {
                assert!(inner.len() >= 200 && inner.as_ptr().addr() % 64 == 0);
                inner.fill(2.0);
            });
            assert!(outer.iter().all(|value| *value == 1.0));
        });
        let kept = with_scratch(150, |scratch| scratch.as_ptr().addr());
        assert_eq!(kept, with_scratch(150, |scratch| scratch.as_ptr().addr()), "the buffer is kept");
    }
}
