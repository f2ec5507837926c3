//! SIGINT, SIGTERM, and where nobody ignores them SIGHUP and SIGUSR1.
//!
//! They end a command at once. While [`caught`] is held, the first asks it to stop at the next safe place, and the second ends it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::Context;
use signal_hook::flag;

static REQUESTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// Whether nobody looks at the request, as at the start and where a command waits for a pipe.
static UNHEARD: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));
/// Commands within commands that look at it.
static HEARERS: AtomicUsize = AtomicUsize::new(0);

/// Prepares for the signals.
pub(crate) fn install() -> anyhow::Result<()> {
    for signal in signals() {
        // In this order: the second signal finds the request and ends the process at once.
        flag::register_conditional_default(signal, UNHEARD.clone())
            .and_then(|_| flag::register_conditional_shutdown(signal, 130, REQUESTED.clone()))
            .and_then(|_| flag::register(signal, REQUESTED.clone()))
            .context("cannot catch signals")?;
    }
    fail_beyond_limits().context("cannot catch signals")
}

/// A file that grows beyond the limit of its size (`ulimit -f`) then is an error that names it, as a full disk is; else the
/// process would be killed.
#[cfg(unix)]
fn fail_beyond_limits() -> std::io::Result<()> {
    flag::register(signal_hook::consts::SIGXFSZ, Arc::default()).map(|_| ())
}

#[cfg(not(unix))]
fn fail_beyond_limits() -> std::io::Result<()> {
    Ok(())
}

/// The signals by which people and schedulers ask a command to stop.
///
/// A terminal that is closed sends SIGHUP, unless `nohup` has it ignored, which must stay so; Slurm's `--signal` is often
/// SIGUSR1.
#[cfg(unix)]
fn signals() -> Vec<i32> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    let ignored = ignored_signals();
    let heard = |signal: &i32| ignored.is_some_and(|mask| mask & (1 << (signal - 1)) == 0);
    [SIGINT, SIGTERM].into_iter().chain([SIGHUP, SIGUSR1].into_iter().filter(heard)).collect()
}

#[cfg(not(unix))]
fn signals() -> Vec<i32> {
    vec![signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM]
}

/// The mask of ignored signals, where the system tells it.
#[cfg(unix)]
fn ignored_signals() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// While this lives, a signal is a request that [`requested`] tells of.
#[must_use]
pub(crate) struct Caught;

/// From now on the command looks at requests, often enough for people who wait.
pub(crate) fn caught() -> Caught {
    HEARERS.fetch_add(1, Ordering::SeqCst);
    UNHEARD.store(false, Ordering::SeqCst);
    Caught
}

impl Drop for Caught {
    fn drop(&mut self) {
        if HEARERS.fetch_sub(1, Ordering::SeqCst) == 1 {
            UNHEARD.store(true, Ordering::SeqCst);
        }
    }
}

/// Whether the user asked to stop.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
