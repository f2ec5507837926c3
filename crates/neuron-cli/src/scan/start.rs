//! Whether a scan begins, goes on, or need not run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use super::{Checkpoint, Identity, Shard, ShardFlag};

/// Flags of every command that scans.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ScanFlags {
    /// Go on where an interrupted run stopped
    #[arg(long)]
    pub(crate) resume: bool,
    /// Seconds between checkpoints
    #[arg(long, default_value_t = 60.0, value_name = "SECS", value_parser = seconds)]
    pub(crate) checkpoint_every: f64,
    /// Scan only one of N parts, numbered from 1; `neuron merge` joins them (auto: from Slurm's environment)
    #[arg(long, value_name = "I/N|auto")]
    pub(crate) shard: Option<ShardFlag>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds >= 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err("expected a number of seconds".to_owned()),
    }
}

impl ScanFlags {
    pub(crate) fn checkpoint_every(&self) -> Duration {
        Duration::from_secs_f64(self.checkpoint_every.min(1e9))
    }

    pub(crate) fn shard(&self) -> anyhow::Result<Option<Shard>> {
        self.shard.map(ShardFlag::resolve).transpose()
    }
}

/// What is to be done, by what an earlier run left behind.
pub(crate) enum Start {
    /// Scan from the beginning, or from a checkpoint on.
    Scan(Option<Checkpoint>),
    /// Everything was scanned; only the results have to be written.
    Write(Checkpoint),
    /// The results are there.
    Complete,
}

/// What an earlier run may have left behind.
pub(crate) struct Leftovers<'a> {
    pub(crate) checkpoint: &'a Path,
    /// Files of which each is written last in its folder: where all are there, the results are complete.
    pub(crate) manifests: &'a [PathBuf],
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
        let Some(present) = self.manifests.iter().find(|manifest| manifest.is_file()) else {
            return Ok(Start::Scan(None));
        };
        let folder = present.parent().unwrap_or(present).display();
        if !resume {
            bail!(
                "{folder} holds a complete result already: add --overwrite to replace it, or choose another --out"
            );
        }
        if self.manifests.iter().all(|manifest| manifest.is_file()) && self.manifests_match()? {
            return Ok(Start::Complete);
        }
        bail!(
            "{folder} holds the result of other settings: add --overwrite to replace it, or choose another --out"
        );
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

    /// Whether every manifest was made by this very scan.
    fn manifests_match(&self) -> anyhow::Result<bool> {
        for path in self.manifests {
            let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let manifest: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?;
            if manifest.get("scan").is_none_or(|scan| *scan != serde_json::json!(self.identity)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
