//! Loops do every task once, whoever is there to share them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use neuron_threads::{Pool, SPIN, alone, for_each, run, threads};

/// Rounds of a test; Miri, which is slow, does few.
const ROUNDS: usize = if cfg!(miri) { 5 } else { 2000 };

fn pool(threads: usize) -> Pool {
    Pool::new(threads).expect("threads can be started")
}

/// Does a loop and checks that every task was done once.
fn check(tasks: usize) {
    let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
    run(tasks, |task| {
        counts[task].fetch_add(1, Ordering::Relaxed);
    });
    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{tasks} tasks: {counts:?}");
}

#[test]
fn every_task_is_done_once() {
    for threads in [1, 2, 3, 16] {
        pool(threads).install(|| {
            for round in 0..ROUNDS {
                check(round % 40);
            }
        });
    }
}

#[test]
fn a_pool_without_a_number_has_a_thread_for_each_core() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(pool(0).threads(), cores);
    assert_eq!(threads(), cores);
    check(100);
    pool(3).install(|| assert_eq!(threads(), 3));
    assert_eq!(threads(), cores);
}

#[test]
fn sleeping_workers_are_woken() {
    let pool = pool(4);
    for _ in 0..ROUNDS.min(20) {
        thread::sleep(3 * SPIN);
        // Ends only if somebody else than the caller takes part.
        let (arrived, waited) = (AtomicUsize::new(0), AtomicBool::new(false));
        pool.install(|| {
            run(2, |_| {
                arrived.fetch_add(1, Ordering::SeqCst);
                while arrived.load(Ordering::SeqCst) < 2 {
                    thread::yield_now();
                    waited.store(true, Ordering::Relaxed);
                }
            });
        });
        assert_eq!(arrived.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn callers_sleep_until_the_last_worker_has_left() {
    pool(2).install(|| {
        let done = AtomicUsize::new(0);
        // Only the second task is slow: whoever does the first waits for longer than it spins.
        run(2, |task| {
            if task == 1 {
                thread::sleep(20 * SPIN);
            }
            done.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(done.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn loops_within_loops_are_run_by_their_caller() {
    pool(3).install(|| {
        let count = AtomicUsize::new(0);
        run(20, |_| {
            assert_eq!(threads(), 3);
            run(30, |_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.load(Ordering::Relaxed), 600);
    });
}

#[test]
fn a_thread_can_be_alone_for_a_while() {
    pool(3).install(|| {
        let me = thread::current().id();
        alone(|| {
            assert_eq!(threads(), 1);
            run(100, |_| assert_eq!(thread::current().id(), me));
        });
        assert_eq!(threads(), 3, "the others are back");
        run(6, |_| alone(|| check(10)));
    });
}

#[test]
fn several_callers_share_a_pool() {
    let pool = pool(3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| pool.install(|| (0..ROUNDS).for_each(|round| check(round % 30))));
        }
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    let pool = pool(3);
    for at in 0..ROUNDS.min(60) {
        let done = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.install(|| {
                run(60, |task| {
                    assert!(task != at, "task {at}");
                    done.fetch_add(1, Ordering::Relaxed);
                });
            });
        }));
        let message = result.expect_err("a task panics");
        assert_eq!(message.downcast_ref::<String>(), Some(&format!("task {at}")));
        assert!(done.load(Ordering::Relaxed) < 60);
        pool.install(|| check(60));
    }
}

#[test]
fn many_panics_are_one() {
    let pool = pool(4);
    let all = catch_unwind(AssertUnwindSafe(|| pool.install(|| run(100, |_| panic!("every task")))));
    assert_eq!(all.expect_err("tasks panic").downcast_ref::<&str>(), Some(&"every task"));
    pool.install(|| check(100));
}

#[test]
fn parts_are_taken_once_and_dropped() {
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = AtomicUsize::new(0);
    pool(2).install(|| for_each((0..50).map(|_| Counted(&dropped)), |_, part| drop(part)));
    assert_eq!(dropped.load(Ordering::Relaxed), 50);

    let mut values = vec![0; 1003];
    let mut sums = [0; 11];
    pool(2).install(|| {
        for_each(values.chunks_mut(100).zip(&mut sums), |index, (values, sum)| {
            values.fill(index);
            *sum = values.iter().sum();
        });
    });
    assert!(values.iter().enumerate().all(|(at, value)| *value == at / 100));
    assert_eq!(sums[10], 30);
}

/// Other programs hold the cores, and the workers come late or never: the caller does not wait for them.
#[test]
fn a_busy_machine_loses_no_task() {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let cores = thread::available_parallelism().map_or(1, usize::from).min(8);
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let pool = pool(2 * cores);
        pool.install(|| {
            for round in 0..ROUNDS.min(200) {
                check(round % 50);
                if round % 50 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
    });
}
