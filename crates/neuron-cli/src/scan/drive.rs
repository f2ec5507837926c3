//! A scan from the decision how to start to the report: what every command that scans does in the same way.

use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::checkpoint::unusable;
use super::destination::Destination;
use super::job::Job;
use super::run::{Scan, Scanned};
use super::skipped::SkippedImage;
use super::start::Start;
use super::timing::Timing;
use crate::not_finite::NotFinite;
use crate::numbers::counted;
use crate::outcome::{Outcome, describe};
use crate::{interrupt, output};

impl Scan<'_> {
    /// Scans what earlier runs have left to do, lets `write` make files of it, and reports.
    ///
    /// A shard's result is its checkpoint; `write` is not called for it. Where `write` is interrupted, the
    /// checkpoint stays: nothing need be scanned again.
    pub(crate) fn drive<J: Job>(
        &self,
        mut job: J,
        write: impl FnOnce(J, &[SkippedImage]) -> anyhow::Result<Outcome>,
    ) -> anyhow::Result<Outcome> {
        let Self { global, .. } = *self;
        let Destination { folder, checkpoint, .. } = &self.destination;
        let _claims = self.destination.claim(self.label)?;
        let _caught = interrupt::caught();
        let scanned = match self.start()? {
            Start::Complete { skipped } => {
                global.say(0, || format!("already complete: {}", folder.display()));
                return self.report_complete(skipped, folder);
            }
            Start::Write(finished) => {
                job.restore(finished.lists, finished.rest)?;
                Scanned { complete: true, skipped: finished.skipped, timing: Timing::default() }
            }
            Start::Scan(resume) => {
                let scanned = self.run(&mut job, resume);
                if matches!(&scanned, Err(error) if error.is::<NotFinite>()) {
                    // With these weights no scan comes to its end: what was kept of it would only be in the way.
                    output::remove(checkpoint)?;
                }
                scanned?
            }
        };
        let interrupted = || {
            let state = checkpoint.display();
            global.say(0, || format!("interrupted; continue with --resume (state: {state})"));
            Ok(Outcome::Interrupted)
        };
        if !scanned.complete {
            return interrupted();
        }
        let forwards = job.forwards();
        if self.shard.is_some() {
            return self.report(&scanned, forwards, checkpoint);
        }
        if write(job, &scanned.skipped)? == Outcome::Interrupted {
            return interrupted();
        }
        output::remove(checkpoint)?;
        self.report(&scanned, forwards, folder)
    }

    /// How the scan starts, by what earlier runs have left.
    ///
    /// # Errors
    /// If something is there that it would destroy or could not continue.
    pub(crate) fn start(&self) -> anyhow::Result<Start> {
        let leftovers = self.destination.leftovers(&self.identity);
        let start = leftovers.decide(self.flags.resume, self.global.overwrite)?;
        if let Start::Scan(Some(checkpoint)) | Start::Write(checkpoint) = &start {
            let of_part = checkpoint.check_part(self.shard, self.dataset.len());
            of_part.with_context(|| unusable(&self.destination.checkpoint))?;
        }
        Ok(start)
    }

    /// For a plan: how the scan would start, or why it would be refused.
    ///
    /// # Errors
    /// If it was asked to continue a run and cannot.
    pub(crate) fn preview(&self) -> anyhow::Result<String> {
        match self.start() {
            Ok(start) => Ok(start.described()),
            Err(refused) if self.flags.resume => Err(refused),
            Err(refused) => Ok(format!("refused: {}", describe(&refused))),
        }
    }

    /// For JSON on stdout: nothing was done, as all of it was there.
    fn report_complete(&self, skipped: usize, place: &Path) -> anyhow::Result<Outcome> {
        if self.global.json {
            let summary = json!({
                "command": self.label,
                "already_complete": true,
                "images": 0,
                "skipped_before": skipped,
                "forwards": 0,
                "output": place.display().to_string(),
            });
            output::print(&format!("{summary:#}\n"))?;
        }
        Ok(Outcome::with_skipped(skipped))
    }

    /// Says what was done: one line on stderr, or JSON on stdout.
    fn report(&self, scanned: &Scanned, forwards: u64, place: &Path) -> anyhow::Result<Outcome> {
        let Scanned { skipped, timing, .. } = scanned;
        self.global.say(0, || {
            format!(
                "{}, {} skipped, {:.1} s, {:.1} images/s, bound by {}: {}",
                counted(timing.images, "image"),
                skipped.len(),
                timing.seconds,
                timing.images_per_second(),
                timing.bound_by(),
                place.display()
            )
        });
        if self.global.json {
            let summary = json!({
                "command": self.label,
                "images": timing.images,
                "skipped": skipped,
                "forwards": forwards,
                "seconds": timing.seconds,
                "images_per_second": timing.images_per_second(),
                "bound_by": timing.bound_by(),
                "output": place.display().to_string(),
            });
            output::print(&format!("{summary:#}\n"))?;
        }
        Ok(Outcome::with_skipped(skipped.len()))
    }
}
