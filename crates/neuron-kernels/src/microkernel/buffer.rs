//! Reused memory, aligned to cache lines.
use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
};

/// Values of a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Reusable values that begin at a cache line.
///
/// Vectors that straddle lines cost a forward pass about 7 %, so activations are best kept in these.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)], len }
    }

    /// Changes the length. The contents are arbitrary afterwards; memory is only ever taken, not given back.
    pub fn resize(&mut self, len: usize) {
        if self.lines.len() * LINE < len {
            // The old memory goes first: its contents are not needed beside the new.
            self.lines = Vec::new();
            self.lines = vec![Line([0.0; LINE]); len.div_ceil(LINE)];
        }
        self.len = len;
    }

    /// The length up to which [`Buffer::resize`] takes no memory.
    pub fn capacity(&self) -> usize {
        self.lines.len() * LINE
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines are values without padding, at least `len` of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: the lines are values without padding, at least `len` of them.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

thread_local! {
    /// Buffers that no call on this thread uses now. A stack, not one buffer: while a thread waits for the rest of its
    /// tasks, it may be given one of another convolution, which needs scratch of its own.
    static FREE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Lends `body` `len` values with arbitrary contents. The memory is kept for the next call on this thread: fresh pages
/// would cost more than many a layer.
pub(crate) fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    let free = FREE.with_borrow_mut(|free| {
        // The smallest that is large enough, else the largest, which is replaced.
        free.sort_by_key(Buffer::capacity);
        let fit = free.partition_point(|buffer| buffer.capacity() < len);
        (!free.is_empty()).then(|| free.remove(fit.min(free.len() - 1)))
    });
    let mut buffer = free.unwrap_or_default();
    buffer.resize(len);
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
