use std::time::{Duration, Instant};

/// How long a thread waits awake before it sleeps: longer than what lies between two loops of a pass, and no more than
/// waking takes.
pub const SPIN: Duration = Duration::from_micros(100);

/// Looks at the clock only now and then: reading it takes longer than what is waited for.
const LOOKS: u32 = 64;

/// A wait that goes on awake for [`SPIN`].
pub(crate) struct Spin {
    looks: u32,
    since: Option<Instant>,
}

impl Spin {
    pub(crate) fn new() -> Self {
        Self { looks: 0, since: None }
    }

    /// Lets a moment pass; false once it is time to sleep.
    pub(crate) fn go_on(&mut self) -> bool {
        std::hint::spin_loop();
        self.looks += 1;
        if !self.looks.is_multiple_of(LOOKS) {
            return true;
        }
        let now = Instant::now();
        now.duration_since(*self.since.get_or_insert(now)) < SPIN
    }
}
