//! The images that a scan goes through, as flags and as a checkpoint remembers them.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::ensure;
use clap::ValueEnum;
use neuron_data::{Dataset, DatasetOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::identity::Identity;
use crate::numbers::count;
use crate::place::Place;
use crate::say;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SourceFlags {
    /// Only the first N images of each class
    #[arg(long, value_name = "N", alias = "split_N", value_parser = count)]
    split_n: Option<NonZeroUsize>,
    /// Part of a data folder with train/ and val/ to read [default: train]
    #[arg(long)]
    split: Option<Split>,
}

/// Which part of a data set with `train/` and `val/` is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Split {
    #[default]
    Train,
    Val,
}

impl From<Split> for neuron_data::Split {
    fn from(split: Split) -> Self {
        match split {
            Split::Train => Self::Train,
            Split::Val => Self::Val,
        }
    }
}

/// A data set, and which part of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Source {
    data: Place,
    split: Split,
    /// Whether the split was typed, and is not what is taken where there are splits. It decides what is said and
    /// refused, never which images are used.
    #[serde(skip)]
    asked: bool,
    split_n: Option<usize>,
}

impl Source {
    pub(crate) fn new(data: &Path, flags: &SourceFlags) -> Self {
        let (split, asked) = (flags.split.unwrap_or_default(), flags.split.is_some());
        Self { data: Place::new(data), split, asked, split_n: flags.split_n.map(NonZeroUsize::get) }
    }

    /// Reads what the settings of a scan remember.
    pub(crate) fn from_json(settings: &Value) -> Option<Self> {
        serde_json::from_value(settings.clone()).ok()
    }

    /// The same part of the data, in another folder.
    pub(crate) fn moved_to(&self, data: &Path) -> Self {
        Self { data: Place::new(data), ..self.clone() }
    }

    /// Lists the images.
    pub(crate) fn open(&self) -> anyhow::Result<Dataset> {
        // Without the flag `train` is asked for only where there are splits.
        let split = (self.asked || self.split != Split::default()).then(|| self.split.into());
        let options = DatasetOptions { split, split_n: self.split_n };
        Ok(Dataset::open(&self.data, &options)?)
    }

    /// Lists the images once more, which must be those of `identity`.
    pub(crate) fn reopen(&self, identity: &Identity) -> anyhow::Result<Dataset> {
        if *self.data == *Path::new("-") {
            say::line(
                "reading the list of images from stdin once more: pipe the same one in, as for the shards",
            );
        }
        let dataset = self.open()?;
        ensure!(
            identity.get("dataset_fingerprint") == Some(&json!(dataset.fingerprint())),
            "the images in {} are not those that were scanned",
            self.data.display()
        );
        Ok(dataset)
    }
}
