use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

/// Writes the item's number into its slot; fails, dawdles and panics where it is told to.
struct Stamp {
    seed: u64,
    panics_at: Option<usize>,
    /// Scratches alive: what leaks would stay.
    alive: Arc<AtomicUsize>,
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A number that looks random, the same in worker and test.
fn mix(seed: u64, index: usize) -> u64 {
    (seed + 1).wrapping_mul(index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

impl Stamp {
    fn fails(&self, index: usize) -> bool {
        mix(self.seed, index).is_multiple_of(7)
    }
}

impl Work for Stamp {
    type Scratch = Alive;
    type Outcome = Result<usize, usize>;

    fn scratch(&self) -> Alive {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Alive(Arc::clone(&self.alive))
    }

    fn fill(&self, _: &mut Alive, index: usize, slot: &mut [u8]) -> Self::Outcome {
        if mix(self.seed, index).is_multiple_of(31) {
            std::thread::sleep(Duration::from_micros(200));
        }
        assert_ne!(self.panics_at, Some(index), "told to panic");
        slot.copy_from_slice(&(index as u64).to_le_bytes());
        if self.fails(index) { Err(index) } else { Ok(index) }
    }
}

fn stamp(seed: u64) -> (Stamp, Arc<AtomicUsize>) {
    let alive = Arc::new(AtomicUsize::new(0));
    (Stamp { seed, panics_at: None, alive: Arc::clone(&alive) }, alive)
}

fn shape(threads: usize, batch: usize, depth: usize) -> Shape {
    Shape { threads, batch, slot_bytes: 8, depth }
}

#[test]
fn order_counts_and_memory_hold_through_random_failures() {
    const ITEMS: usize = 2000;
    for threads in 1..=8 {
        for (batch, depth) in [(1, 1), (7, 2), (64, 3)] {
            let (work, alive) = stamp(threads as u64);
            let expected: Vec<_> = (0..ITEMS).map(|index| (index, work.fails(index))).collect();
            let queue = Ordered::start(work, 0..ITEMS, shape(threads, batch, depth)).unwrap();
            let mut found = Vec::new();
            let mut buffers = std::collections::HashSet::new();
            while let Some(finished) = queue.next() {
                let is_last = found.len() + finished.items.len() == ITEMS;
                assert!(finished.items.len() == batch || is_last, "only the last batch is short");
                for (slot, (index, outcome)) in finished.slots.chunks(8).zip(&finished.items) {
                    assert_eq!(slot, (*index as u64).to_le_bytes());
                    found.push((*index, outcome.is_err()));
                }
                buffers.insert(finished.slots.as_ptr() as usize);
                queue.recycle(finished.slots);
            }
            assert_eq!(found, expected, "{threads} threads, batches of {batch}");
            assert!(buffers.len() <= depth + 1, "{} buffers for {depth} open batches", buffers.len());
            drop(queue);
            assert_eq!(alive.load(Ordering::SeqCst), 0, "every worker has ended");
        }
    }
}

#[test]
fn workers_wait_for_the_consumer() {
    let (work, _) = stamp(1);
    let handed_out = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&handed_out);
    let items = (0..1000).inspect(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let queue = Ordered::start(work, items, shape(4, 10, 2)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(handed_out.load(Ordering::SeqCst), 20, "two batches of ten, and no more");
    queue.next().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(handed_out.load(Ordering::SeqCst), 30);
}

#[test]
fn a_consumer_that_stops_early_leaves_no_one_waiting() {
    for taken in 0..4 {
        let (work, alive) = stamp(3);
        let queue = Ordered::start(work, 0.., shape(4, 8, 2)).unwrap();
        for _ in 0..taken {
            queue.next().unwrap();
        }
        drop(queue);
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_stop_from_elsewhere_ends_the_stream_in_order() {
    let (work, _) = stamp(5);
    let queue = Ordered::start(work, 0.., shape(3, 8, 2)).unwrap();
    let stopper = queue.stopper();
    let mut next = 0;
    while let Some(finished) = queue.next() {
        for (index, _) in finished.items {
            assert_eq!(index, next);
            next += 1;
        }
        if next >= 100 {
            stopper.stop();
        }
    }
    assert!((100..200).contains(&next), "{next} items");
}

#[test]
fn a_panic_reaches_the_consumer() {
    let (mut work, alive) = stamp(9);
    work.panics_at = Some(42);
    let queue = Ordered::start(work, 0.., shape(3, 8, 2)).unwrap();
    let consume = AssertUnwindSafe(|| while queue.next().is_some() {});
    let panic = catch_unwind(consume).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("told to panic"));
    assert!(queue.next().is_none(), "and then there is nothing more");
    drop(queue);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn nothing_to_do_is_no_batch() {
    let (work, _) = stamp(0);
    assert!(Ordered::start(work, 0..0, shape(2, 4, 2)).unwrap().next().is_none());
}
