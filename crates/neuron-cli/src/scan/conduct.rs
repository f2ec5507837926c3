//! A scan from the decision how to start to the report: what every command that scans does in the same way.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::start::{Leftovers, Start};
use super::{Job, Scan, Scanned, SkippedImage, Timing};
use crate::not_finite::NotFinite;
use crate::outcome::Outcome;
use crate::output;

/// Where the results of a scan go.
pub(crate) struct Destination {
    /// The folder of the results, for messages.
    pub(crate) folder: PathBuf,
    /// Where the state is kept meanwhile; a shard's result.
    pub(crate) checkpoint: PathBuf,
    /// Files of which each is written last in its folder: where all are there, the results are complete.
    pub(crate) manifests: Vec<PathBuf>,
}

impl Scan<'_> {
    /// Scans what earlier runs have left to do, lets `write` make files of it, and reports.
    ///
    /// A shard's result is its checkpoint; `write` is not called for it. Where `write` is interrupted, the
    /// checkpoint stays: nothing need be scanned again.
    pub(crate) fn conduct<J: Job>(
        &self,
        mut job: J,
        write: impl FnOnce(J, &[SkippedImage]) -> anyhow::Result<Outcome>,
    ) -> anyhow::Result<Outcome> {
        let Self { global, flags, .. } = *self;
        let Destination { folder, checkpoint, manifests } = &self.destination;
        let manifests = if self.shard.is_some() { &[][..] } else { manifests };
        let leftovers = Leftovers { checkpoint, manifests, identity: &self.identity };
        let scanned = match leftovers.decide(flags.resume, global.overwrite)? {
            Start::Complete => {
                global.say(0, || format!("complete already: {}", folder.display()));
                return Ok(Outcome::Done);
            }
            Start::Write(finished) => {
                job.restore(finished.lists, finished.rest)?;
                Scanned { complete: true, skipped: finished.skipped, timing: Timing::default() }
            }
            Start::Scan(resume) => {
                let scanned = self.run(&mut job, resume);
                if scanned.as_ref().is_err_and(|error| error.is::<NotFinite>()) {
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

    /// Says what was done: one line on stderr, or JSON on stdout.
    fn report(&self, scanned: &Scanned, forwards: u64, place: &Path) -> anyhow::Result<Outcome> {
        let Scanned { skipped, timing, .. } = scanned;
        self.global.say(0, || {
            format!(
                "{} images, {} skipped, {:.1} s, {:.1} images/s, bound by {}: {}",
                timing.images,
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
                "output": place,
            });
            output::print(&format!("{summary:#}\n"))?;
        }
        Ok(Outcome::with_skipped(skipped.len()))
    }
}
