//! Work done by several threads, handed over in order, in bounded memory.
//!
//! Every batch is one buffer, split into a slot for each item. Workers take slots in order of the items, fill
//! them independently and give them back; the consumer gets a batch when all its slots are back, joined again
//! without a copy. At most `depth` batches are open at a time: beyond that workers sleep until the consumer
//! takes one.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::BytesMut;

/// What workers do with one item.
pub(crate) trait Work: Send + Sync + 'static {
    /// Memory that a worker keeps from item to item.
    type Scratch;
    /// What is known of an item beside its slot.
    type Outcome: Send + 'static;

    /// Memory for one worker.
    fn scratch(&self) -> Self::Scratch;

    /// Fills the slot of an item.
    fn fill(&self, scratch: &mut Self::Scratch, index: usize, slot: &mut [u8]) -> Self::Outcome;
}

/// Sizes of the queue.
pub(crate) struct Shape {
    pub(crate) threads: usize,
    /// Items in a batch; the last one may have fewer.
    pub(crate) batch: usize,
    /// Bytes of a slot.
    pub(crate) slot_bytes: usize,
    /// Most batches open at a time.
    pub(crate) depth: usize,
}

/// A finished batch: the items with their outcomes, and all slots one after the other.
pub(crate) struct Finished<O> {
    pub(crate) items: Vec<(usize, O)>,
    pub(crate) slots: BytesMut,
}

/// The consumer's end; dropping it stops the workers and waits for the items in hand.
pub(crate) struct Ordered<W: Work> {
    shared: Arc<Shared<W>>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared<W: Work> {
    work: W,
    shape: Shape,
    queue: Mutex<Queue<W::Outcome>>,
    /// There is something to do, or nothing ever again.
    room: Condvar,
    /// The oldest batch is complete, or none is coming.
    ready: Condvar,
}

struct Queue<O> {
    /// The items that no worker has taken yet; `None` once they are used up or the queue is stopped.
    items: Option<Box<dyn Iterator<Item = usize> + Send>>,
    open: VecDeque<Open<O>>,
    /// Number of the batch at the front of `open`.
    front: usize,
    /// Buffers of batches that the consumer has given back.
    spare: Vec<BytesMut>,
    /// A worker panicked: the consumer shall too, and must not wait for what will never come.
    failure: Option<Failure>,
}

enum Failure {
    Unseen(Box<dyn Any + Send>),
    Passed,
}

/// A batch in the making.
struct Open<O> {
    /// What is left of the buffer: slots that no worker has taken.
    rest: BytesMut,
    taken: usize,
    done: Vec<Option<Slot<O>>>,
    missing: usize,
    /// No more items are added.
    closed: bool,
}

struct Slot<O> {
    index: usize,
    bytes: BytesMut,
    outcome: O,
}

/// One item in the hands of a worker.
struct Job {
    batch: usize,
    position: usize,
    index: usize,
    bytes: BytesMut,
}

impl<W: Work> Ordered<W> {
    pub(crate) fn start(
        work: W,
        items: impl Iterator<Item = usize> + Send + 'static,
        shape: Shape,
    ) -> std::io::Result<Self> {
        let threads = shape.threads;
        let queue = Queue {
            items: Some(Box::new(items)),
            open: VecDeque::new(),
            front: 0,
            spare: Vec::new(),
            failure: None,
        };
        let shared = Arc::new(Shared {
            work,
            shape,
            queue: Mutex::new(queue),
            room: Condvar::new(),
            ready: Condvar::new(),
        });
        let mut ordered = Self { shared, workers: Vec::with_capacity(threads) };
        for _ in 0..threads {
            let shared = Arc::clone(&ordered.shared);
            let builder = std::thread::Builder::new().name("neuron-loader".into());
            ordered.workers.push(builder.spawn(move || shared.serve())?);
        }
        Ok(ordered)
    }

    /// The next batch in order, or `None` after the last or after [`Ordered::stop`].
    ///
    /// # Panics
    /// If a worker did, with what it said.
    pub(crate) fn next(&self) -> Option<Finished<W::Outcome>> {
        let mut queue = self.shared.lock();
        loop {
            match queue.failure.replace(Failure::Passed) {
                Some(Failure::Unseen(panic)) => {
                    drop(queue);
                    resume_unwind(panic);
                }
                Some(Failure::Passed) => return None,
                None => queue.failure = None,
            }
            match queue.open.front() {
                Some(batch) if batch.closed && batch.missing == 0 => break,
                None if queue.items.is_none() => return None,
                _ => queue = wait(&self.shared.ready, queue),
            }
        }
        let batch = queue.open.pop_front()?;
        queue.front += 1;
        drop(queue);
        self.shared.room.notify_all();
        Some(batch.finish())
    }

    /// Takes a batch's buffer back, to be filled again.
    pub(crate) fn recycle(&self, slots: BytesMut) {
        let mut queue = self.shared.lock();
        let shape = &self.shared.shape;
        // As many as can ever be of use: those of the open batches and that of the one that was taken.
        if queue.spare.len() <= shape.depth && slots.len() == shape.batch * shape.slot_bytes {
            queue.spare.push(slots);
        }
    }

    /// A handle that stops the work from elsewhere.
    pub(crate) fn stopper(&self) -> Arc<dyn Stop> {
        Arc::clone(&self.shared) as Arc<dyn Stop>
    }
}

impl<W: Work> Drop for Ordered<W> {
    fn drop(&mut self) {
        self.shared.stop();
        for worker in self.workers.drain(..) {
            // Workers catch their panics; what was not passed on by `next` is of no interest any more.
            let _ = worker.join();
        }
    }
}

/// Something that can be told to stop.
pub(crate) trait Stop: Send + Sync {
    /// Hands out no more items; batches that are complete or under way still arrive.
    fn stop(&self);
}

impl<W: Work> Stop for Shared<W> {
    fn stop(&self) {
        let mut queue = self.lock();
        queue.exhausted();
        drop(queue);
        self.room.notify_all();
        self.ready.notify_all();
    }
}

impl<W: Work> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, Queue<W::Outcome>> {
        // Only the caller's iterator can panic while the lock is held, and it leaves the queue whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let work = || {
            let mut scratch = self.work.scratch();
            while let Some(mut job) = self.take() {
                let outcome = self.work.fill(&mut scratch, job.index, &mut job.bytes);
                self.give(job, outcome);
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.lock().failure = Some(Failure::Unseen(panic));
            self.stop();
        }
    }

    /// Waits for an item to work on; `None` when there will be no more.
    fn take(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            queue.items.as_ref()?;
            if let Some(job) = queue.take(&self.shape) {
                return Some(job);
            }
            if queue.items.is_none() {
                // This worker found the end: the others and the consumer have to hear of it.
                drop(queue);
                self.room.notify_all();
                self.ready.notify_all();
                return None;
            }
            queue = wait(&self.room, queue);
        }
    }

    fn give(&self, job: Job, outcome: W::Outcome) {
        let mut queue = self.lock();
        let at = job.batch - queue.front;
        let batch = &mut queue.open[at];
        batch.done[job.position] = Some(Slot { index: job.index, bytes: job.bytes, outcome });
        batch.missing -= 1;
        let complete = at == 0 && batch.closed && batch.missing == 0;
        drop(queue);
        if complete {
            self.ready.notify_all();
        }
    }
}

impl<O> Queue<O> {
    /// The next item, if there is one and room for it.
    fn take(&mut self, shape: &Shape) -> Option<Job> {
        let has_room = self.open.back().is_some_and(|batch| !batch.closed);
        if !has_room && self.open.len() == shape.depth {
            return None;
        }
        let Some(index) = self.items.as_mut()?.next() else {
            self.exhausted();
            return None;
        };
        if !has_room {
            let bytes = shape.batch * shape.slot_bytes;
            let rest = self.spare.pop().unwrap_or_else(|| BytesMut::zeroed(bytes));
            self.open.push_back(Open {
                rest,
                taken: 0,
                done: Vec::with_capacity(shape.batch),
                missing: 0,
                closed: false,
            });
        }
        let number = self.front + self.open.len() - 1;
        let batch = self.open.back_mut()?;
        let job =
            Job { batch: number, position: batch.taken, index, bytes: batch.rest.split_to(shape.slot_bytes) };
        batch.taken += 1;
        batch.missing += 1;
        batch.done.push(None);
        batch.closed = batch.taken == shape.batch;
        Some(job)
    }

    /// No more items: the last batch is as long as it is.
    fn exhausted(&mut self) {
        self.items = None;
        if let Some(last) = self.open.back_mut() {
            last.closed = true;
        }
    }
}

impl<O> Open<O> {
    /// Joins the slots again: they are neighbours in one allocation, so that nothing is copied.
    fn finish(self) -> Finished<O> {
        let mut slots = BytesMut::new();
        let mut items = Vec::with_capacity(self.taken);
        for slot in self.done.into_iter().flatten() {
            slots.unsplit(slot.bytes);
            items.push((slot.index, slot.outcome));
        }
        slots.unsplit(self.rest);
        Finished { items, slots }
    }
}

fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
