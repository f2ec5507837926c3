//! Reused memory, aligned to cache lines.
use super::memory::{LINE, Memory};
use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
    thread::LocalKey,
};

/// What buffers hold: numbers of which every pattern of bits is one.
pub trait Number: sealed::Sealed + Copy + 'static {}

mod sealed {
    use super::Aligned;
    use std::cell::RefCell;
    use std::thread::LocalKey;

    /// Numbers without padding, smaller than a cache line, whose pattern of zeros is 0.
    pub trait Sealed: Sized {
        /// Buffers that no call on this thread uses now. A stack, not one buffer: a call may be made within another.
        fn free() -> &'static LocalKey<RefCell<Vec<Aligned<Self>>>>;
    }
}

/// Reusable values that begin at a cache line.
///
/// Vectors that straddle lines cost a forward pass about 7 %, so activations are best kept in these.
#[derive(Debug)]
pub struct Aligned<T> {
    memory: Memory,
    len: usize,
    values: std::marker::PhantomData<T>,
}

/// Values of maps in f32.
pub type Buffer = Aligned<f32>;
/// bf16 numbers.
pub type Bf16Buffer = Aligned<u16>;

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self { memory: Memory::none(), len: 0, values: std::marker::PhantomData }
    }
}

impl<T: Number> Aligned<T> {
    /// Values of a cache line.
    const IN_A_LINE: usize = LINE / size_of::<T>();

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { memory: Memory::zeros(Self::bytes(len)), len, values: std::marker::PhantomData }
    }

    /// `len` zeros, for values that last as long as a network: many small buffers share huge pages.
    pub fn lasting_zeros(len: usize) -> Self {
        Self { memory: Memory::lasting_zeros(Self::bytes(len)), len, values: std::marker::PhantomData }
    }

    /// Whole cache lines.
    fn bytes(len: usize) -> usize {
        len.div_ceil(Self::IN_A_LINE) * LINE
    }

    /// Changes the length. The contents are arbitrary afterwards; memory is only ever taken, not given back.
    pub fn resize(&mut self, len: usize) {
        if self.capacity() < len {
            // The old memory goes first: its contents are not needed beside the new.
            self.memory = Memory::none();
            *self = Self::zeros(len);
        }
        self.len = len;
    }

    /// The length up to which [`Aligned::resize`] takes no memory.
    pub fn capacity(&self) -> usize {
        self.memory.bytes() / size_of::<T>()
    }
}

impl<T: Number> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut clone = Self::zeros(self.len);
        clone.copy_from_slice(self);
        clone
    }
}

impl<T: Number> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the memory is at least `len` numbers, and every pattern of their bits is one.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), self.len) }
    }
}

impl<T: Number> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast(), self.len) }
    }
}

thread_local! {
    static FREE_F32: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
    static FREE_BF16: RefCell<Vec<Bf16Buffer>> = const { RefCell::new(Vec::new()) };
}

impl Number for f32 {}
impl sealed::Sealed for f32 {
    fn free() -> &'static LocalKey<RefCell<Vec<Aligned<Self>>>> {
        &FREE_F32
    }
}

impl Number for u16 {}
impl sealed::Sealed for u16 {
    fn free() -> &'static LocalKey<RefCell<Vec<Aligned<Self>>>> {
        &FREE_BF16
    }
}

/// Lends `body` `len` values with arbitrary contents. The memory is kept for the next call on this thread: fresh pages
/// would cost more than many a layer.
pub(crate) fn with_scratch<T: Number, R>(len: usize, body: impl FnOnce(&mut [T]) -> R) -> R {
    let free = T::free().with_borrow_mut(|free| {
        // The smallest that is large enough, else the largest, which is replaced.
        free.sort_by_key(Aligned::capacity);
        let fit = free.partition_point(|buffer| buffer.capacity() < len);
        (!free.is_empty()).then(|| free.remove(fit.min(free.len() - 1)))
    });
    let mut buffer = free.unwrap_or_default();
    buffer.resize(len);
    let result = body(&mut buffer);
    T::free().with_borrow_mut(|free| free.push(buffer));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_scratch_is_distinct_and_aligned() {
        with_scratch(100, |outer: &mut [f32]| {
            outer.fill(1.0);
            with_scratch(200, |inner: &mut [f32]| {
                assert!(inner.len() >= 200 && inner.as_ptr().addr().is_multiple_of(64));
                inner.fill(2.0);
            });
            assert!(outer.iter().all(|value| *value == 1.0));
        });
        let at = |scratch: &mut [f32]| scratch.as_ptr().addr();
        let kept = with_scratch(150, at);
        assert_eq!(kept, with_scratch(150, at), "the buffer is kept");
    }

    #[test]
    fn lengths_are_counted_in_values() {
        let mut numbers = Bf16Buffer::zeros(33);
        assert!(numbers.len() == 33 && numbers.capacity() == 64 && numbers.iter().all(|number| *number == 0));
        numbers.resize(65);
        assert!(numbers.len() == 65 && numbers.capacity() == 96);
        assert_eq!(Buffer::zeros(17).capacity(), 32);
    }
}
