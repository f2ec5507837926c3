//! One input for one target, and what came of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::{Target, memory};

/// What any input may take, however short.
const BASE_BYTES: usize = 64 << 20;
/// What each of its bytes may take beside.
const BYTES_PER_BYTE: usize = 200;
/// How long an input may take.
pub const LONGEST: Duration = Duration::from_secs(5);

/// Where the last panic was, and what it said.
static PANIC: Mutex<Option<Panic>> = Mutex::new(None);

/// A panic as it was reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panic {
    /// File and line.
    pub place: String,
    /// What it said.
    pub message: String,
}

/// What an input took.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Whether the target took it for what it reads.
    pub taken: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// The most memory that it had at once.
    pub peak_bytes: usize,
    /// The last panic that the reader itself caught.
    pub caught: Option<Panic>,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = if self.taken { "taken" } else { "refused" };
        write!(f, "{taken} in {:.1} ms and {} KiB", self.elapsed.as_secs_f64() * 1e3, self.peak_bytes >> 10)
    }
}

/// What no input may cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The reader panicked, or broke a promise that its target checks.
    Panicked(Panic),
    /// More memory than the input's length accounts for.
    Memory {
        /// The most that it had at once.
        peak_bytes: usize,
        /// What it may have.
        limit_bytes: usize,
    },
    /// More time than any input may take.
    Slow {
        /// How long it took.
        elapsed: Duration,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(Panic { place, message }) => write!(f, "panicked at {place}: {message}"),
            Self::Memory { peak_bytes, limit_bytes } => {
                write!(f, "took {} MiB, more than {} MiB", peak_bytes >> 20, limit_bytes >> 20)
            }
            Self::Slow { elapsed } => write!(f, "took {:.1} s", elapsed.as_secs_f64()),
        }
    }
}

impl Fault {
    /// What two faults have in common that are one.
    pub fn kind(&self) -> &str {
        match self {
            Self::Panicked(panic) => &panic.place,
            Self::Memory { .. } => "memory",
            Self::Slow { .. } => "slow",
        }
    }
}

/// Takes note of panics instead of printing them, in the whole process from now on.
pub fn note_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied().map(str::to_owned);
        let message = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        *last_panic() = Some(Panic { place, message });
    }));
}

fn last_panic() -> std::sync::MutexGuard<'static, Option<Panic>> {
    // A note that was half taken is still the last one.
    PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The most memory that an input of so many bytes may take.
pub fn limit_bytes(length: usize) -> usize {
    BASE_BYTES.saturating_add(length.saturating_mul(BYTES_PER_BYTE))
}

/// Hands bytes to a target.
///
/// Memory is only counted where [`memory::Counting`] is the allocator, and for the whole process: one trial at a time.
///
/// # Errors
/// [`Fault`], whichever comes first.
pub fn run(target: Target, bytes: &[u8]) -> Result<Cost, Fault> {
    *last_panic() = None;
    memory::forget_peak();
    let (before, started) = (memory::live_bytes(), Instant::now());
    let outcome = catch_unwind(AssertUnwindSafe(|| target(bytes)));
    let elapsed = started.elapsed();
    let peak_bytes = memory::peak_bytes().saturating_sub(before);
    let panic = last_panic().take();
    let Ok(taken) = outcome else { return Err(Fault::Panicked(panic.unwrap_or_default())) };
    let limit_bytes = limit_bytes(bytes.len());
    if peak_bytes > limit_bytes {
        return Err(Fault::Memory { peak_bytes, limit_bytes });
    }
    if elapsed > LONGEST {
        return Err(Fault::Slow { elapsed });
    }
    Ok(Cost { taken, elapsed, peak_bytes, caught: panic })
}
