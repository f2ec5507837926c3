use std::ops::ControlFlow;

/// Something that happens while a site is written.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many of all pictures have been taken up.
    Picture {
        /// Pictures taken up so far.
        done: usize,
        /// All pictures.
        total: usize,
    },
}

/// Is told what happens, on any thread, and says whether to go on.
pub type Observer<'a> = &'a (dyn Fn(Event) -> ControlFlow<()> + Sync);
