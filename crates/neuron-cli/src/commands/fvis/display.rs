use neuron_fvis::{Event, Item};

use crate::progress::Progress;
use crate::say;

/// The progress of an optimisation on stderr: a bar for the references, then one for the steps.
pub(super) struct Display {
    last_step: usize,
    quiet: bool,
    references: Option<Progress>,
    steps: Option<Progress>,
}

impl Display {
    pub(super) fn new(last_step: usize, quiet: bool) -> Self {
        Self { last_step, quiet, references: None, steps: None }
    }

    pub(super) fn show(&mut self, event: Event<'_>) {
        match event {
            Event::MemoryFull { from, to } if !self.quiet => {
                say::line(format_args!(
                    "the GPU's memory does not hold {from} pictures at once: continuing with {to}"
                ));
            }
            Event::References { done, total } => {
                let new = || Progress::new("fvis", "references", total, 0, self.quiet);
                self.references.get_or_insert_with(new).update(done, "");
            }
            Event::Step { step, learning_rate, elapsed, items } => {
                if let Some(references) = self.references.take() {
                    references.finish();
                }
                let last = |item: &Item| item.history.last().map_or(0.0, |step| step.loss);
                let loss = items.iter().map(last).sum::<f64>() / items.len().max(1) as f64;
                let speed = items.len() as f64 / elapsed.as_secs_f64().max(1e-9);
                let message = format!("loss {loss:.5}, rate {learning_rate:.3}, {speed:.1} images/s");
                let new = || Progress::new("fvis", "steps", self.last_step, step, self.quiet);
                self.steps.get_or_insert_with(new).update(step + 1, &message);
            }
            _ => {}
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.references.iter().chain(&self.steps).for_each(Progress::finish);
    }
}
