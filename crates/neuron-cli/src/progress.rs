//! Progress on stderr: a bar on a terminal, a plain line every ten seconds otherwise.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::say;

const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Progress of one long loop.
pub(crate) struct Progress {
    bar: ProgressBar,
    plain: Option<Plain>,
    unit: &'static str,
}

struct Plain {
    label: String,
    started: Instant,
    printed: Instant,
    start_position: u64,
}

impl Progress {
    /// A loop over `total` units (`images`, `steps`) of which `done` are done already.
    pub(crate) fn new(label: &str, unit: &'static str, total: usize, done: usize, quiet: bool) -> Self {
        let terminal = stderr().is_terminal();
        let target =
            if terminal && !quiet { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        let template =
            format!("{{prefix}} {{wide_bar}} {{pos}}/{{len}} {unit} {{per_sec}} ETA {{eta}} {{msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_prefix(label.to_owned());
        bar.set_position(done as u64);
        bar.reset_eta();
        let now = Instant::now();
        let plain = (!terminal && !quiet).then(|| Plain {
            label: label.to_owned(),
            started: now,
            printed: now,
            start_position: done as u64,
        });
        Self { bar, plain, unit }
    }

    /// Says how many units are done, and something about the last one (empty: nothing).
    pub(crate) fn update(&mut self, done: usize, message: &str) {
        self.bar.set_position(done as u64);
        self.bar.set_message(message.to_owned());
        let Some(plain) = &mut self.plain else { return };
        if plain.printed.elapsed() < PLAIN_EVERY {
            return;
        }
        plain.printed = Instant::now();
        let total = self.bar.length().unwrap_or(0);
        let rate =
            (done as u64).saturating_sub(plain.start_position) as f64 / plain.started.elapsed().as_secs_f64();
        let left = total.saturating_sub(done as u64) as f64 / rate.max(1e-9);
        let message = if message.is_empty() { String::new() } else { format!(", {message}") };
        say::line(format_args!(
            "{}: {done}/{total} {} ({rate:.1}/s, {left:.0} s left{message})",
            plain.label, self.unit
        ));
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
