//! Into how many tasks a loop is cut.

/// Where there is enough to do: a thread that starts late, or shares its core, then holds up the others by little.
const A_THREAD: usize = 8;

/// Channels a task at least, where there are as many: what lies together is read together.
pub(super) const CHANNELS: usize = 128;

/// How many tasks a loop wants.
pub(super) fn wanted() -> usize {
    match neuron_threads::threads() {
        1 => 1,
        threads => A_THREAD * threads,
    }
}
