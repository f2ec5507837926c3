//! Where the results of a run go.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use image::ExtendedColorType;
use neuron_fvis::{Item, Optimizer, Rendering};

use super::record::Record;
use super::{Args, curve};
use crate::output;

/// The names of a run's files.
pub(super) struct Results<'a> {
    args: &'a Args,
    channels: &'a [usize],
    name: String,
}

/// What an earlier run of this name left.
pub(super) enum Leftovers {
    Nothing,
    Checkpoint(Vec<u8>),
    /// Everything is there.
    Complete,
}

impl<'a> Results<'a> {
    pub(super) fn new(args: &'a Args, channels: &'a [usize]) -> Self {
        let name = args.exp_name.clone().unwrap_or_else(|| args.layer_weights.to_string());
        Self { args, channels, name }
    }

    /// The file of one picture that ends in `suffix`.
    ///
    /// A run with several units or copies says in each name which it is.
    fn path(&self, unit: usize, copy: usize, suffix: &str) -> PathBuf {
        let mut name = self.name.clone();
        if self.channels.len() > 1 {
            name += &format!("_unit{}", self.channels[unit]);
        }
        if self.args.bs.get() > 1 {
            name += &format!("_copy{copy}");
        }
        self.args.folder_name.join(name + suffix)
    }

    /// The picture itself.
    pub(super) fn picture(&self, unit: usize, copy: usize) -> PathBuf {
        self.path(unit, copy, ".png")
    }

    fn checkpoint(&self) -> PathBuf {
        self.args.folder_name.join(format!("{}.checkpoint", self.name))
    }

    /// All pictures, those of the first unit first.
    pub(super) fn pictures(&self) -> impl Iterator<Item = PathBuf> {
        let copies = self.args.bs.get();
        let pairs = (0..self.channels.len()).flat_map(move |unit| (0..copies).map(move |copy| (unit, copy)));
        pairs.map(|(unit, copy)| self.picture(unit, copy))
    }

    /// Looks for what an earlier run left, and whether the flags allow to replace it.
    pub(super) fn leftovers(&self, resume: bool, overwrite: bool) -> anyhow::Result<Leftovers> {
        let checkpoint = self.checkpoint();
        let found = checkpoint.is_file();
        let present = self.pictures().find(|picture| picture.exists());
        if resume && found {
            let bytes = fs::read(&checkpoint);
            let bytes = bytes.with_context(|| format!("cannot read {}", checkpoint.display()))?;
            return Ok(Leftovers::Checkpoint(bytes));
        }
        if resume && self.pictures().all(|picture| picture.exists()) {
            return Ok(Leftovers::Complete);
        }
        if overwrite {
            output::remove(&checkpoint)?;
            return Ok(Leftovers::Nothing);
        }
        if found {
            bail!(
                "{} holds an unfinished run: pass --resume to go on with it, --overwrite to start anew, or another --exp-name",
                checkpoint.display()
            );
        }
        match present {
            Some(picture) => bail!(
                "{} is there already; pass --overwrite to replace it, or another --exp-name",
                picture.display()
            ),
            None => Ok(Leftovers::Nothing),
        }
    }

    pub(super) fn write_checkpoint(&self, optimizer: &mut Optimizer<'_>, inputs: &str) -> anyhow::Result<()> {
        output::write_bytes(&self.checkpoint(), &optimizer.checkpoint(inputs))
    }

    pub(super) fn remove_checkpoint(&self) -> anyhow::Result<()> {
        output::remove(&self.checkpoint())
    }

    /// The pictures after this step, beside the final ones.
    pub(super) fn write_intermediate(&self, optimizer: &Optimizer<'_>) -> anyhow::Result<()> {
        for item in optimizer.items() {
            let suffix = format!("_step{}.png", optimizer.steps_done());
            write_rgb(&self.path(item.unit, item.copy, &suffix), optimizer, item)?;
        }
        Ok(())
    }

    /// Every picture with what belongs to it.
    pub(super) fn write(&self, optimizer: &Optimizer<'_>, records: &[Record]) -> anyhow::Result<()> {
        let (height, width) = optimizer.settings().size;
        let rendering = Rendering { range: optimizer.settings().pixels };
        for (item, record) in optimizer.items().iter().zip(records) {
            let path = |suffix: &str| self.path(item.unit, item.copy, suffix);
            let masked = rendering.masked(&item.picture, &item.gradient);
            output::write_png(&path("_masked.png"), &masked, (height, width), ExtendedColorType::Rgba8)?;
            let json = serde_json::to_string_pretty(record)? + "\n";
            output::write_bytes(&path(".json"), json.as_bytes())?;
            output::write_bytes(&path("_loss.svg"), curve::draw(record)?.as_bytes())?;
            // Last, so that where the picture is, the rest is.
            write_rgb(&path(".png"), optimizer, item)?;
        }
        Ok(())
    }
}

fn write_rgb(path: &Path, optimizer: &Optimizer<'_>, item: &Item) -> anyhow::Result<()> {
    let rendering = Rendering { range: optimizer.settings().pixels };
    let pixels = rendering.rgb(&item.picture);
    output::write_png(path, &pixels, optimizer.settings().size, ExtendedColorType::Rgb8)
}
