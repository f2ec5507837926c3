//! The loop of a scan: load, compute, keep the best, save.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use neuron_data::{Batch, Dataset, ImageError, Loader, LoaderOptions, Preprocessing};
use neuron_model::Device;

use super::checkpoint::{self, Checkpoint};
use super::destination::Destination;
use super::identity::Identity;
use super::job::Job;
use super::skipped::SkippedImage;
use super::start::ScanFlags;
use super::timing::Timing;
use crate::global::Global;
use crate::interrupt;
use crate::output;
use crate::progress::Progress;
use crate::shard::{self, Shard};

/// The most images that are worth loading together; more only adds latency and memory.
pub(crate) fn loaded_together(device: &Device) -> usize {
    match device.gpus() {
        0 => 32,
        gpus => 128 * gpus,
    }
}

/// How a data set is gone through.
pub(crate) struct Scan<'a> {
    pub(crate) label: &'static str,
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) shard: Option<Shard>,
    pub(crate) identity: Identity,
    pub(crate) destination: Destination,
    /// Images that the job gets at once; at least 1.
    pub(crate) batch_size: usize,
    /// Threads that decode; they sleep while enough images are waiting, so that the network has the cores.
    pub(crate) threads: usize,
    pub(crate) flags: &'a ScanFlags,
    pub(crate) global: &'a Global,
}

/// How far a scan came.
pub(crate) struct Scanned {
    /// False if a signal stopped the scan; the checkpoint then holds what was done.
    pub(crate) complete: bool,
    pub(crate) skipped: Vec<SkippedImage>,
    pub(crate) timing: Timing,
}

impl Scan<'_> {
    /// Goes through the images that are left after `resume`, or all.
    pub(super) fn run(&self, job: &mut dyn Job, resume: Option<Checkpoint>) -> anyhow::Result<Scanned> {
        let range = shard::range_of(self.shard, self.dataset.len());
        let (mut next, mut skipped) = (range.start, Vec::new());
        if let Some(checkpoint) = resume {
            (next, skipped) = (checkpoint.next, checkpoint.skipped);
            job.restore(checkpoint.lists, checkpoint.rest)?;
        }
        let started = Instant::now();
        let mut timing = Timing::default();
        let mut saved = Instant::now();
        let mut progress =
            Progress::new(self.label, "images", range.len(), next - range.start, self.global.quiet);
        let mut loader = self.loader(next..range.end)?;
        while next < range.end && !interrupt::requested() {
            let waiting = Instant::now();
            let Some(batch) = loader.next() else { break };
            timing.waited_for_images += waiting.elapsed().as_secs_f64();
            self.check_store(&batch, job, (next, &skipped))?;
            self.note_skipped(&batch, &mut skipped)?;
            job.absorb(&batch)?;
            let taken = batch.items.len() + batch.skipped.len();
            loader.recycle(batch);
            next += taken;
            timing.images += taken;
            progress.update(next - range.start, "");
            if saved.elapsed() >= self.flags.checkpoint_every() && next < range.end {
                self.save(job, next, false, &skipped)?;
                saved = Instant::now();
            }
        }
        progress.finish();
        let complete = next == range.end;
        if complete && self.shard.is_none() {
            self.check_any_was_read(range.len(), &skipped)?;
        }
        // Written also when all is done: if writing the results is interrupted, the scan need not run again.
        self.save(job, next, complete, &skipped)?;
        timing.seconds = started.elapsed().as_secs_f64();
        Ok(Scanned { complete, skipped, timing })
    }

    pub(super) fn loader<I>(&self, items: I) -> anyhow::Result<Loader>
    where
        I: IntoIterator<Item = usize>,
        I::IntoIter: Send + 'static,
    {
        let limits = self.global.limits();
        let options = LoaderOptions {
            batch_size: self.batch_size,
            threads: self.threads,
            limits,
            ..LoaderOptions::default()
        };
        let loader = Loader::new(self.dataset.clone(), items, &self.preprocessing, &options);
        loader.context("cannot start loading images")
    }

    fn note_skipped(&self, batch: &Batch, skipped: &mut Vec<SkippedImage>) -> anyhow::Result<()> {
        for item in &batch.skipped {
            if self.global.strict {
                bail!("{}: {} (leave out --strict to skip such files)", item.entry, item.reason);
            }
            skipped.push(SkippedImage {
                index: item.index,
                image: self.dataset.name(item.index).to_owned(),
                reason: item.reason.to_string(),
            });
        }
        Ok(())
    }

    /// Where the store of the images is down, the scan stops before them: skipped they would be missing for ever.
    fn check_store(
        &self,
        batch: &Batch,
        job: &dyn Job,
        (next, skipped): (usize, &[SkippedImage]),
    ) -> anyhow::Result<()> {
        let is_down = |reason: &ImageError| matches!(reason, ImageError::StoreDown { .. });
        let Some(lost) = batch.skipped.iter().find(|lost| is_down(&lost.reason)) else { return Ok(()) };
        self.save(job, next, false, skipped)?;
        bail!(
            "{}; the state up to image {next} is saved: when the store answers again, add --resume to go on",
            lost.reason
        );
    }

    /// A scan of which no image could be read has no result, and leaves nothing that the next run could stumble on.
    fn check_any_was_read(&self, images: usize, skipped: &[SkippedImage]) -> anyhow::Result<()> {
        let Some(first) = skipped.first().filter(|_| skipped.len() == images) else { return Ok(()) };
        output::remove(&self.destination.checkpoint)?;
        bail!(
            "none of the {images} images could be read, so there is no result; the first is {}: {}; if they have moved, \
             pass --data",
            first.image,
            first.reason
        );
    }

    fn save(
        &self,
        job: &dyn Job,
        next: usize,
        complete: bool,
        skipped: &[SkippedImage],
    ) -> anyhow::Result<()> {
        let lists = job.lists();
        let header = checkpoint::Header {
            identity: self.identity.clone(),
            shard: self.shard,
            next,
            complete,
            skipped: skipped.to_vec(),
            rest: job.rest(),
            lists: Some(lists.len() as u64),
        };
        checkpoint::save(&self.destination.checkpoint, &header, &lists)
    }
}
