#![doc = include_str!("../README.md")]

mod pool;
mod spin;

use std::cell::UnsafeCell;
use std::sync::{Mutex, PoisonError};

pub use pool::Pool;
pub use spin::SPIN;

/// How many threads would share a loop here.
pub fn threads() -> usize {
    pool::current().threads()
}

/// Calls `body` once for each of `0..tasks`, in any order, on several threads, and returns when all calls have.
///
/// # Panics
/// With the first panic of a call; the tasks that were not begun are left out then.
pub fn run(tasks: usize, body: impl Fn(usize) + Sync) {
    pool::current().run(tasks, &body);
}

/// Calls `work`, within which this thread shares its loops with no other: what many tasks do at once wants to be cut into few.
pub fn alone<R>(work: impl FnOnce() -> R) -> R {
    pool::alone(work)
}

/// Calls `body` once for each part, with its index, as [`run`] does. Parts are usually chunks of an output:
///
/// ```
/// let mut squares = vec![0; 1000];
/// neuron_threads::for_each(squares.chunks_mut(100), |chunk, squares| {
///     squares.iter_mut().zip(100 * chunk..).for_each(|(square, n)| *square = n * n);
/// });
/// assert_eq!(squares[999], 998_001);
/// ```
///
/// # Panics
/// As [`run`].
pub fn for_each<T: Send>(parts: impl IntoIterator<Item = T>, body: impl Fn(usize, T) + Sync) {
    let parts: Vec<Part<T>> = parts.into_iter().map(|part| Part(UnsafeCell::new(Some(part)))).collect();
    // SAFETY: `run` calls each index once.
    run(parts.len(), |index| body(index, unsafe { parts[index].take() }));
}

/// As [`for_each`], with scratch that as many `new` ones are made of as are needed at once.
///
/// # Panics
/// As [`run`].
pub fn for_each_with<S: Send, T: Send>(
    new: impl Fn() -> S + Sync,
    parts: impl IntoIterator<Item = T>,
    body: impl Fn(&mut S, usize, T) + Sync,
) {
    let spare = Mutex::new(Vec::new());
    let spare = || spare.lock().unwrap_or_else(PoisonError::into_inner);
    for_each(parts, |index, part| {
        let taken = spare().pop();
        let mut scratch = taken.unwrap_or_else(&new);
        body(&mut scratch, index, part);
        spare().push(scratch);
    });
}

/// What one task takes.
struct Part<T>(UnsafeCell<Option<T>>);

// SAFETY: `take` is the only access, and its callers promise that it happens once.
unsafe impl<T: Send> Sync for Part<T> {}

impl<T> Part<T> {
    /// # Safety
    /// It must be called at most once.
    unsafe fn take(&self) -> T {
        // SAFETY: the caller's promise: nobody else is here.
        unsafe { &mut *self.0.get() }.take().expect("a part is taken once")
    }
}
