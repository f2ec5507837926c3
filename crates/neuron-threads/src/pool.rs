use std::any::Any;
use std::cell::{RefCell, UnsafeCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};

use crate::spin::Spin;

// What `Shared::state` says, in one word so that nobody can join a job that is just being closed.
/// Whether workers may join the job.
const OPEN: u64 = 1 << 63;
/// Whether the caller sleeps until the last worker has left.
const WAITING: u64 = 1 << 62;
/// The number of the job: who has worked on it does not join it again.
const NUMBER: u64 = WAITING - ONE_NUMBER;
const ONE_NUMBER: u64 = 1 << 32;
/// How many workers are in the job.
const JOINED: u64 = ONE_NUMBER - 1;

/// Threads that share loops: the caller's, and workers. They end with the pool.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// A pool of `threads`, the caller's among them; 0: one for each core that this process may use (its affinity, and
    /// the quota of its control group, count).
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn new(threads: usize) -> io::Result<Self> {
        let threads = match threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let shared = Arc::new(Shared::new(threads));
        let mut pool = Self { shared, workers: Vec::with_capacity(threads - 1) };
        for me in 1..threads {
            let shared = pool.shared.clone();
            let worker = thread::Builder::new().name(format!("compute-{me}"));
            // If this fails, dropping the pool ends those that were started.
            pool.workers.push(worker.spawn(move || shared.serve(me))?);
        }
        Ok(pool)
    }

    /// How many threads share a loop.
    pub fn threads(&self) -> usize {
        self.shared.seats.len()
    }

    /// Calls `work`, within which this thread's loops are shared among the threads of this pool.
    pub fn install<R>(&self, work: impl FnOnce() -> R) -> R {
        install(self.shared.clone(), work)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake(usize::MAX);
        for worker in self.workers.drain(..) {
            // A task may hold the last handle of its own pool.
            if worker.thread().id() != thread::current().id() {
                let _ = worker.join();
            }
        }
    }
}

thread_local! {
    /// The pool whose threads share this thread's loops.
    static CURRENT: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// Puts the pool back that was current before, also when a loop panics.
struct Restored(Option<Arc<Shared>>);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

fn install<R>(pool: Arc<Shared>, work: impl FnOnce() -> R) -> R {
    let _restored = Restored(CURRENT.replace(Some(pool)));
    work()
}

/// Calls `work`, within which this thread has no others.
pub(crate) fn alone<R>(work: impl FnOnce() -> R) -> R {
    static ALONE: OnceLock<Arc<Shared>> = OnceLock::new();
    install(ALONE.get_or_init(|| Arc::new(Shared::new(1))).clone(), work)
}

/// The pool of this thread, else one that is made when it is first asked for.
pub(crate) fn current() -> Arc<Shared> {
    static DEFAULT: OnceLock<Pool> = OnceLock::new();
    CURRENT.with_borrow(Clone::clone).unwrap_or_else(|| {
        // Without threads the caller does all of it.
        let alone = || Pool { shared: Arc::new(Shared::new(1)), workers: Vec::new() };
        DEFAULT.get_or_init(|| Pool::new(0).unwrap_or_else(|_| alone())).shared.clone()
    })
}

/// What the threads of a pool know.
pub(crate) struct Shared {
    state: AtomicU64,
    /// Is written by the caller whose turn it is, while nobody is in the job; read by who has joined.
    job: UnsafeCell<Job>,
    /// Whether a caller has the threads.
    taken: AtomicBool,
    /// The caller's and the workers'.
    seats: Box<[Seat]>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// For a caller that sleeps until the last worker has left.
    leaving: Mutex<()>,
    left: Condvar,
    stop: AtomicBool,
}

// SAFETY: all but `job` is `Sync`, and `job` is handed over by `state` (see there); the loop's body is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: a job's pointer is used only between `open` and the return of `share`, by whoever has joined.
unsafe impl Send for Shared {}

#[derive(Clone, Copy)]
struct Job {
    body: *const (dyn Fn(usize) + Sync),
    tasks: usize,
}

/// One thread's place in the pool. Neighbours lie on cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
struct Seat {
    /// The next task of its share.
    next: AtomicUsize,
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Shared {
    fn new(threads: usize) -> Self {
        let body: *const (dyn Fn(usize) + Sync) = &|_: usize| ();
        Self {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(Job { body, tasks: 0 }),
            taken: AtomicBool::new(false),
            seats: (0..threads).map(|_| Seat::default()).collect(),
            panic: Mutex::new(None),
            leaving: Mutex::new(()),
            left: Condvar::new(),
            stop: AtomicBool::new(false),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.seats.len()
    }

    /// Runs a loop on all threads, or on the caller's alone if the others are taken.
    pub(crate) fn run(&self, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        if tasks <= 1 || self.threads() == 1 || self.taken.swap(true, Ordering::Acquire) {
            return (0..tasks).for_each(body);
        }
        self.share(tasks, body);
        self.taken.store(false, Ordering::Release);
        let panic = lock(&self.panic).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Does not unwind, and returns only when nobody is in the job any more.
    fn share(&self, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        // SAFETY: only its lifetime changes; this function outlasts every use.
        let body: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(body) };
        let job = Job { body, tasks };
        // SAFETY: it is this caller's turn, the last job is closed and everybody has left it.
        unsafe { *self.job.get() = job };
        for (thread, seat) in self.seats.iter().enumerate() {
            seat.next.store(self.first(thread, tasks), Ordering::Relaxed);
        }
        let number = self.state.load(Ordering::Relaxed).wrapping_add(ONE_NUMBER) & NUMBER;
        self.state.store(OPEN | number, Ordering::SeqCst);
        self.wake(tasks - 1);
        self.work(0, job);
        self.state.fetch_and(!OPEN, Ordering::AcqRel);
        self.wait();
    }

    /// The first task of a thread's share.
    fn first(&self, thread: usize, tasks: usize) -> usize {
        (tasks as u128 * thread as u128 / self.threads() as u128) as usize
    }

    /// Does a thread's own tasks, then those that others have left.
    fn work(&self, me: usize, job: Job) {
        // SAFETY: the caller of `share` keeps the body until everybody who joined has left.
        let body = unsafe { &*job.body };
        let done = catch_unwind(AssertUnwindSafe(|| {
            for turn in 0..self.threads() {
                let whose = (me + turn) % self.threads();
                let end = self.first(whose + 1, job.tasks);
                loop {
                    let task = self.seats[whose].next.fetch_add(1, Ordering::Relaxed);
                    if task >= end {
                        break;
                    }
                    body(task);
                }
            }
        }));
        if let Err(panic) = done {
            self.seats.iter().for_each(|seat| seat.next.store(job.tasks, Ordering::Relaxed));
            let mut first = lock(&self.panic);
            if first.is_none() {
                *first = Some(panic);
            } else {
                // Dropping it could panic once more.
                std::mem::forget(panic);
            }
        }
    }

    /// Waits until everybody has left a closed job.
    fn wait(&self) {
        let mut spin = Spin::new();
        while self.state.load(Ordering::Acquire) & JOINED != 0 {
            if spin.go_on() {
                continue;
            }
            let mut leaving = lock(&self.leaving);
            if self.state.fetch_or(WAITING, Ordering::AcqRel) & JOINED != 0 {
                while self.state.load(Ordering::Acquire) & JOINED != 0 {
                    leaving = self.left.wait(leaving).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Wakes up to `count` workers that sleep.
    fn wake(&self, count: usize) {
        for seat in self.seats.iter().skip(1).take(count) {
            if seat.asleep.load(Ordering::SeqCst)
                && let Some(thread) = seat.thread.get()
            {
                thread.unpark();
            }
        }
    }

    /// The life of a worker.
    fn serve(self: Arc<Self>, me: usize) {
        let seat = &self.seats[me];
        seat.thread.get_or_init(thread::current);
        CURRENT.set(Some(self.clone()));
        let mut last = None;
        let mut spin = Spin::new();
        while !self.stop.load(Ordering::SeqCst) {
            let state = self.state.load(Ordering::SeqCst);
            if state & OPEN != 0 && Some(state & NUMBER) != last {
                seat.asleep.store(false, Ordering::Relaxed);
                if self.join(state) {
                    last = Some(state & NUMBER);
                    // SAFETY: who has joined may read the job: it was written before it was opened.
                    self.work(me, unsafe { *self.job.get() });
                    self.leave();
                    spin = Spin::new();
                }
            } else if seat.asleep.load(Ordering::Relaxed) {
                // Announced, and looked once more since: whoever opens a job from now on sees it.
                thread::park();
                seat.asleep.store(false, Ordering::Relaxed);
                spin = Spin::new();
            } else if !spin.go_on() {
                seat.asleep.store(true, Ordering::SeqCst);
            }
        }
        CURRENT.set(None);
    }

    fn join(&self, state: u64) -> bool {
        self.state.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn leave(&self) {
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        if before & WAITING != 0 && before & JOINED == 1 {
            drop(lock(&self.leaving));
            self.left.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
