//! Whether a scan begins, goes on, or need not run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::checkpoint::Checkpoint;
use super::identity::Identity;
use super::tasks::Tasks;
use crate::input;
use crate::outcome::WrongUsage;
use crate::shard::{Shard, ShardFlag};

/// Flags of every command that scans.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ScanFlags {
    /// Continue an interrupted run
    #[arg(long)]
    pub(crate) resume: bool,
    /// Seconds between checkpoints
    #[arg(long, default_value_t = 60.0, value_name = "SECS", value_parser = seconds)]
    pub(crate) checkpoint_every: f64,
    /// Scan only part I of N, counted from 1; `neuron merge` joins the parts (auto: this task of a Slurm array; auto/N: of a
    /// Kubernetes Indexed Job)
    #[arg(long, value_name = "I/N|auto[/N]")]
    pub(crate) shard: Option<ShardFlag>,
    /// The tasks of a plan; `neuron plan` sets them.
    #[arg(skip)]
    pub(crate) tasks: Option<Tasks>,
}

/// Seconds between two things that are done again and again.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds".to_owned()),
    }
}

impl ScanFlags {
    pub(crate) fn checkpoint_every(&self) -> Duration {
        Duration::from_secs_f64(self.checkpoint_every)
    }

    pub(crate) fn shard(&self) -> Result<Option<Shard>, WrongUsage> {
        self.shard.map(ShardFlag::resolve).transpose()
    }
}

/// What is to be done, by what an earlier run left behind.
pub(crate) enum Start {
    /// Scan from the beginning, or from a checkpoint on.
    Scan(Option<Checkpoint>),
    /// Everything was scanned; only the results have to be written.
    Write(Checkpoint),
    /// The results are there, without some images that could not be read.
    Complete { skipped: usize },
}

impl Start {
    /// For a plan: where the scan would begin.
    pub(crate) fn described(&self) -> String {
        match self {
            Self::Scan(None) => "from the first image".to_owned(),
            Self::Scan(Some(checkpoint)) => format!("resumed at image {}", checkpoint.next),
            Self::Write(_) => "all images were scanned: only the results are written".to_owned(),
            Self::Complete { .. } => "already complete: nothing is done".to_owned(),
        }
    }
}

/// What an earlier run may have left behind.
pub(crate) struct Leftovers<'a> {
    pub(crate) checkpoint: &'a Path,
    /// Files of which each is written last in its folder: where all are there, the results are complete.
    pub(crate) manifests: &'a [PathBuf],
    /// What else a complete result holds.
    pub(crate) promised: &'a [PathBuf],
    /// A folder with files of another origin that the results would replace.
    pub(crate) occupied: Option<&'a Path>,
    pub(crate) identity: &'a Identity,
}

impl Leftovers<'_> {
    /// Decides how to start.
    ///
    /// # Errors
    /// If something is there that this run would destroy or could not continue; it says what to do.
    pub(crate) fn decide(&self, resume: bool, overwrite: bool) -> anyhow::Result<Start> {
        if overwrite && !resume {
            return Ok(Start::Scan(None));
        }
        if let Some(checkpoint) = Checkpoint::open(self.checkpoint)? {
            self.check_identity(&checkpoint.identity)?;
            // A scan that is complete lacks only its files: running the command again writes them.
            return match (checkpoint.complete, resume) {
                (true, _) => Ok(Start::Write(checkpoint)),
                (false, true) => Ok(Start::Scan(Some(checkpoint))),
                (false, false) => bail!(
                    "an unfinished run is at {} (stopped before image {}): add --resume to continue it, or --overwrite to start over",
                    self.checkpoint.display(),
                    checkpoint.next
                ),
            };
        }
        if overwrite {
            return Ok(Start::Scan(None));
        }
        let present: Vec<&PathBuf> = self.manifests.iter().filter(|manifest| manifest.is_file()).collect();
        match present.first() {
            Some(first) if !resume => bail!(
                "{} already holds a complete result: add --overwrite to replace it, or choose another folder",
                folder_of(first).display()
            ),
            Some(_) => self.complete(&present),
            None => match self.occupied {
                Some(folder) => bail!(
                    "{} already holds lists of another origin (they have no manifest.json): add --overwrite to \
                     replace them, or choose another folder",
                    folder.display()
                ),
                None => Ok(Start::Scan(None)),
            },
        }
    }

    /// Results are there: those of this very scan, all or some of them?
    fn complete(&self, present: &[&PathBuf]) -> anyhow::Result<Start> {
        let mut skipped = 0;
        for path in present {
            let manifest = Manifest::read(path)?;
            let differences = manifest.scan.differences(self.identity);
            if !differences.is_empty() {
                let is_of_channels = differences.iter().all(|line| line.starts_with("settings.channels: "));
                let way_out = if is_of_channels { ", pass only channels that are not there yet" } else { "" };
                bail!(
                    "{} holds a result of other settings:\n  {}\nadd --overwrite to replace it{way_out}, or choose another folder",
                    folder_of(path).display(),
                    differences.join("\n  ")
                );
            }
            skipped = skipped.max(manifest.skipped);
        }
        // Where a part is missing, all of it is made again: what is there is replaced by the same bytes.
        if present.len() < self.manifests.len() || !self.promised.iter().all(|file| file.is_file()) {
            Ok(Start::Scan(None))
        } else {
            Ok(Start::Complete { skipped })
        }
    }

    fn check_identity(&self, found: &Identity) -> anyhow::Result<()> {
        let differences = found.differences(self.identity);
        if differences.is_empty() {
            return Ok(());
        }
        bail!(
            "the checkpoint {} belongs to a run with other weights, data or settings:\n  {}\nrepeat those settings, or add --overwrite (without --resume) to start over",
            self.checkpoint.display(),
            differences.join("\n  ")
        );
    }
}

/// What a result says of itself.
struct Manifest {
    scan: Identity,
    /// Number of images that could not be read.
    skipped: usize,
}

impl Manifest {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = input::read(path, input::JSON_BYTES)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let damaged = || {
            format!(
                "{} is damaged: add --overwrite to replace the result, or choose another folder",
                path.display()
            )
        };
        let manifest: Map<String, Value> = serde_json::from_slice(&text).with_context(damaged)?;
        let scan = manifest.get("scan").cloned().unwrap_or_else(|| json!({}));
        let scan = serde_json::from_value(scan).with_context(damaged)?;
        // One manifest lists them, another counts them.
        let skipped = match manifest.get("skipped") {
            None => 0,
            Some(Value::Array(listed)) => listed.len(),
            Some(counted) => counted.as_u64().with_context(damaged)? as usize,
        };
        Ok(Self { scan, skipped })
    }
}

fn folder_of(manifest: &Path) -> &Path {
    manifest.parent().unwrap_or(manifest)
}
