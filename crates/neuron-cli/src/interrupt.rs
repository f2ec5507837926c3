//! SIGINT and SIGTERM: the first asks the running command to stop at the next safe place, the second ends it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::Context;

static REQUESTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Catches the signals from now on.
pub(crate) fn install() -> anyhow::Result<()> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // In this order: the second signal finds the flag set and ends the process at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, REQUESTED.clone())
            .and_then(|_| signal_hook::flag::register(signal, REQUESTED.clone()))
            .context("cannot catch signals")?;
    }
    Ok(())
}

/// Whether the user asked to stop.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
