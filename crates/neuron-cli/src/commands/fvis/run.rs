//! The steps of a run, and what is written meanwhile and in the end.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use neuron_data::Preprocessing;
use neuron_fvis::{FvisError, Item, Optimizer, Settings, Start, Unit};

use super::display::Display;
use super::failure;
use super::mask::Masks;
use super::report::Report;
use super::results::{Results, Unfinished};
use crate::interrupt;
use crate::outcome::Outcome;
use crate::references::References;

/// Done, or done without some references.
pub(super) fn outcome(references: &[References]) -> Outcome {
    Outcome::with_skipped(references.iter().map(|references| references.skipped().len()).sum())
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The schedule is done.
    Finished,
    /// `--stop-after`.
    Stopped,
    /// A signal.
    Interrupted,
}

/// A run that was found to be possible.
pub(super) struct Run<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) results: &'a Results<'a>,
    /// What decides the pictures beside the settings, for the checkpoint.
    pub(super) inputs: String,
}

impl Run<'_> {
    /// The optimiser, where an earlier run left off if there is one.
    pub(super) fn optimizer(
        &self,
        settings: Settings,
        start: Start,
        unfinished: Option<Unfinished>,
    ) -> anyhow::Result<Optimizer<'_>> {
        let Report { global, network, units, subjects, references, .. } = *self.report;
        let each = subjects.iter().zip(references);
        let each = each.map(|(subject, references)| Unit { channel: subject.channel, references }).collect();
        let mut optimizer = Optimizer::new(network, &units.target, each, settings, start)?;
        if let Some(Unfinished { bytes, inputs }) = unfinished {
            optimizer.restore(&bytes, &inputs)?;
            global.say(0, || format!("resumed after {} steps", optimizer.steps_done()));
        }
        Ok(optimizer)
    }

    /// Takes the steps that are left.
    pub(super) fn optimize(&self, optimizer: &mut Optimizer<'_>) -> anyhow::Result<Ended> {
        let failed = |error| failure::of_run(error, self.report, self.results);
        self.steps(optimizer).map_err(failed)
    }

    fn steps(&self, optimizer: &mut Optimizer<'_>) -> anyhow::Result<Ended> {
        let Report { args, global, .. } = *self.report;
        let total = optimizer.settings().schedule.steps();
        let last = args.stop_after.unwrap_or(total).min(total);
        let mut display = Display::new(last, global.quiet);
        let mut saved = Instant::now();
        let checkpoint_every = Duration::from_secs_f64(args.checkpoint_every);
        while optimizer.steps_done() < last {
            let step = optimizer.step(&mut |event| {
                display.show(event);
                if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            match step {
                Err(FvisError::Stopped) => return Ok(Ended::Interrupted),
                step => step?,
            }
            let steps = optimizer.steps_done();
            if interrupt::requested() && steps < last {
                return Ok(Ended::Interrupted);
            }
            if args.save_every.is_some_and(|every| steps.is_multiple_of(every.get())) && steps < last {
                let record = |item: &Item| self.report.first_record(optimizer.settings(), item);
                self.results.write_intermediate(optimizer, record)?;
            }
            if saved.elapsed() >= checkpoint_every && steps < last {
                self.results.write_checkpoint(optimizer, &self.inputs)?;
                saved = Instant::now();
            }
        }
        Ok(if optimizer.is_finished() { Ended::Finished } else { Ended::Stopped })
    }

    /// Writes what came of it: the pictures, and the state of a run that is not finished.
    pub(super) fn finish(
        &self,
        optimizer: &mut Optimizer<'_>,
        ended: Ended,
        preprocessing: &Preprocessing,
    ) -> anyhow::Result<Outcome> {
        let report = self.report;
        // First: who asked it to stop may not wait for the pictures.
        if !matches!(ended, Ended::Finished) {
            self.results.write_checkpoint(optimizer, &self.inputs)?;
        }
        if optimizer.steps_done() > 0 {
            let records = report.records(optimizer, preprocessing)?;
            let masks =
                Masks::new(report.args.mask, (report.network, &report.units.target), optimizer.settings())?;
            self.results.write(optimizer, &records, masks)?;
            report.say(&records, self.results)?;
        }
        match ended {
            Ended::Finished => self.results.remove_checkpoint()?,
            Ended::Stopped => {}
            Ended::Interrupted => {
                self.report.global.say(0, || "interrupted; continue with --resume".to_owned());
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(outcome(self.report.references))
    }
}
