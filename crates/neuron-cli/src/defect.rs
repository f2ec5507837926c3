//! Panics: a defect of this program, told in one line. Those that a reader of damaged files catches are not told at all.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use crate::say;

/// As Rust's own runtime ends a program that panicked.
const EXIT_CODE: u8 = 101;

/// What the last panic said; whether it is told depends on whether somebody catches it.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Runs the program; a panic that nobody catches is told, and ends it.
pub(crate) fn guard(program: impl FnOnce() -> ExitCode) -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        // With RUST_BACKTRACE set it says how it came to this.
        let backtrace = Backtrace::capture();
        let mut text = panic.to_string();
        if backtrace.status() == BacktraceStatus::Captured {
            text += &format!("\n{backtrace}");
        }
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }));
    panic::catch_unwind(AssertUnwindSafe(program)).unwrap_or_else(|_| tell())
}

fn tell() -> ExitCode {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    say::line(format_args!(
        "error: this is a defect of neuron, please report it with the command that you ran: {last}"
    ));
    ExitCode::from(EXIT_CODE)
}
