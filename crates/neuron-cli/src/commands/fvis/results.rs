//! Where the results of a run go.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use image::ExtendedColorType;
use neuron_files::Claim;
use neuron_fvis::{CheckpointState, Item, Optimizer};
use serde_json::Value;

use super::curve;
use super::flags::Args;
use super::identities::Identities;
use super::mask::Masks;
use super::names::Names;
use super::record::OfItem;
use super::subject::Subject;
use super::units::Part;
use crate::output::{self, Alone};
use crate::{claim, input};

/// The state of a thousand large pictures.
const MOST_CHECKPOINT_BYTES: u64 = 16 << 30;

/// Where a run's files go, and what earlier ones have left there.
pub(super) struct Results<'a> {
    names: Names<'a>,
    /// Whether other pictures beside this run's are no sign of a changed flag.
    expects_others: bool,
}

/// What an earlier run of this name left.
pub(super) enum EarlierRun {
    Nothing,
    Unfinished(Unfinished),
    /// Everything is there: the records of all pictures.
    Complete(Vec<Value>),
}

/// The checkpoint of this very run.
pub(super) struct Unfinished {
    pub(super) bytes: Vec<u8>,
    /// What it says of the run beside the settings: the same as this run, in the words of the version that wrote it.
    pub(super) inputs: String,
}

impl<'a> Results<'a> {
    pub(super) fn new(args: &'a Args, layer: &str, subjects: &'a [Subject], part: Option<Part>) -> Self {
        let names = Names::new(args, layer, subjects).in_part(part);
        Self { names, expects_others: args.exp_name.is_some() || part.is_some() }
    }

    /// Keeps other runs from writing the same pictures, for as long as the result lives.
    pub(super) fn claim(&self) -> anyhow::Result<Claim> {
        claim::take(self.names.folder(), "fvis", &self.names.claimed())
    }

    /// The picture itself.
    pub(super) fn picture(&self, unit: usize, copy: usize) -> PathBuf {
        self.names.path(unit, copy, ".png")
    }

    /// All pictures, those of the first unit first.
    pub(super) fn pictures(&self) -> impl Iterator<Item = PathBuf> {
        self.names.pictures().map(|(unit, copy)| self.picture(unit, copy))
    }

    /// Looks for what an earlier run left, and whether the flags allow to continue or to replace it.
    ///
    /// # Errors
    /// If it is of other settings, or would be lost.
    pub(super) fn earlier_run(
        &self,
        identities: &Identities,
        resume: bool,
        overwrite: bool,
    ) -> anyhow::Result<EarlierRun> {
        let checkpoint = self.names.checkpoint();
        let unfinished = checkpoint.is_file();
        if resume && unfinished {
            let bytes = input::read(&checkpoint, MOST_CHECKPOINT_BYTES);
            let bytes = bytes.with_context(|| format!("cannot read {}", checkpoint.display()))?;
            let inputs = self.check_checkpoint(&bytes, identities)?;
            return Ok(EarlierRun::Unfinished(Unfinished { bytes, inputs }));
        }
        let present: Vec<_> =
            self.names.pictures().filter(|(unit, copy)| self.picture(*unit, *copy).exists()).collect();
        let complete = || self.complete(&present, identities);
        if overwrite && !(resume && matches!(complete(), Ok(Some(_)))) {
            output::remove(&checkpoint)?;
            return Ok(EarlierRun::Nothing);
        }
        if unfinished {
            bail!(
                "{} holds an unfinished run: add --resume to continue it, --overwrite to start over, or choose another --exp-name",
                checkpoint.display()
            );
        }
        match (present.first(), resume) {
            // Where only some pictures of this very run are there, the others are made, and these again, with the same bytes.
            (Some(_), true) => Ok(complete()?.map_or(EarlierRun::Nothing, EarlierRun::Complete)),
            (Some((unit, copy)), false) => bail!(
                "{} already exists: add --overwrite to replace it, or choose another --exp-name",
                self.picture(*unit, *copy).display()
            ),
            (None, true) => self.nothing_to_resume(),
            (None, false) => Ok(EarlierRun::Nothing),
        }
    }

    /// A run that is continued for the first time simply begins: but beside the pictures of others, under a name
    /// that nobody chose, a changed flag is the likelier reason why there is nothing to continue. A part has neighbours.
    fn nothing_to_resume(&self) -> anyhow::Result<EarlierRun> {
        let folder = self.names.folder();
        let is_record = |name: &str| name.ends_with("_loss.svg") || name.ends_with(".checkpoint");
        let others = fs::read_dir(folder).into_iter().flatten().flatten();
        let other =
            others.map(|entry| entry.file_name().to_string_lossy().into_owned()).find(|name| is_record(name));
        match other {
            Some(other) if !self.expects_others => bail!(
                "nothing to resume: {} is not there, and {} holds other pictures ({other}); leave out --resume to make \
                 this one beside them, or name the run that you mean by its flags or --exp-name",
                self.names.checkpoint().display(),
                folder.display()
            ),
            _ => Ok(EarlierRun::Nothing),
        }
    }

    /// Checks that a checkpoint is of this run, and returns its inputs as it has them.
    fn check_checkpoint(&self, bytes: &[u8], identities: &Identities) -> anyhow::Result<String> {
        let place = self.names.checkpoint();
        let damaged = || {
            format!("{} cannot be used; add --overwrite (without --resume) to start over", place.display())
        };
        let state = CheckpointState::read(bytes).with_context(damaged)?;
        let inputs = serde_json::from_str::<Value>(&state.inputs).with_context(damaged)?;
        let settings = serde_json::from_str::<Value>(&state.settings).with_context(damaged)?;
        let differences = identities.differences_of_run(&inputs, &settings);
        if differences.is_empty() {
            return Ok(state.inputs);
        }
        bail!(
            "{} belongs to a run with other settings:\n  {}\nrepeat those settings, choose another --exp-name, or add \
             --overwrite (without --resume) to start over",
            place.display(),
            differences.join("\n  ")
        )
    }

    /// The records of the pictures that are there, if they are all, and finished.
    ///
    /// # Errors
    /// If one is of other settings than this run's.
    fn complete(
        &self,
        present: &[(usize, usize)],
        identities: &Identities,
    ) -> anyhow::Result<Option<Vec<Value>>> {
        let mut finished = true;
        let mut records = Vec::new();
        for (unit, copy) in present {
            let path = self.names.path(*unit, *copy, ".json");
            let way_out = "add --overwrite to replace it, or choose another --exp-name";
            let bytes = input::read(&path, input::JSON_BYTES).with_context(|| {
                format!("{} has no record beside it; {way_out}", self.picture(*unit, *copy).display())
            })?;
            let record: Value = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; {way_out}", path.display()))?;
            let part = |key: &str| record.get(key).cloned().unwrap_or(Value::Null);
            let differences = identities.differences_of_unit(*unit, &part("inputs"), &part("settings"));
            if !differences.is_empty() {
                bail!(
                    "{} is a picture made with other settings:\n  {}\n{way_out}",
                    self.picture(*unit, *copy).display(),
                    differences.join("\n  ")
                );
            }
            finished &= part("finished") == Value::Bool(true);
            records.push(record);
        }
        Ok((finished && present.len() == self.names.pictures().count()).then_some(records))
    }

    /// Removes what an earlier run of this name left and this one will not replace.
    pub(super) fn remove_stale(&self) -> anyhow::Result<()> {
        let folder = self.names.folder();
        let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
        for entry in entries {
            let name = entry.with_context(|| format!("cannot read {}", folder.display()))?.file_name();
            if name.to_str().is_some_and(|name| self.names.is_stale(name)) {
                output::remove(&folder.join(name))?;
            }
        }
        Ok(())
    }

    pub(super) fn write_checkpoint(&self, optimizer: &mut Optimizer<'_>, inputs: &str) -> anyhow::Result<()> {
        output::write_bytes(&self.names.checkpoint(), &optimizer.checkpoint(inputs))
    }

    pub(super) fn remove_checkpoint(&self) -> anyhow::Result<()> {
        output::remove(&self.names.checkpoint())
    }

    /// The pictures after this step, beside the final ones.
    ///
    /// The record comes first: without it nothing would tell pictures of a run that is killed from anybody's.
    pub(super) fn write_intermediate(
        &self,
        optimizer: &Optimizer<'_>,
        first_record: impl Fn(&Item) -> Value,
    ) -> anyhow::Result<()> {
        for item in optimizer.items() {
            let record = self.names.path(item.unit, item.copy, ".json");
            if !record.exists() {
                output::write_bytes(&record, format!("{:#}\n", first_record(item)).as_bytes())?;
            }
            write_rgb(&self.names.step(item.unit, item.copy, optimizer.steps_done()), optimizer, item)?;
        }
        Ok(())
    }

    /// Whether all intermediate pictures of a run of so many steps are there.
    pub(super) fn has_intermediate(&self, steps: usize) -> bool {
        let mut pictures = self.names.pictures();
        pictures.all(|(unit, copy)| {
            self.names.steps(steps).all(|step| self.names.step(unit, copy, step).is_file())
        })
    }

    /// Every picture with what belongs to it.
    pub(super) fn write(
        &self,
        optimizer: &Optimizer<'_>,
        records: &[OfItem],
        mut masks: Masks,
    ) -> anyhow::Result<()> {
        let (height, width) = optimizer.settings().size;
        let rendering = optimizer.rendering();
        for OfItem { item, record } in records {
            let item = &optimizer.items()[*item];
            let path = |suffix: &str| self.names.path(item.unit, item.copy, suffix);
            // First, for by it the pictures are known.
            let json = serde_json::to_string_pretty(record)? + "\n";
            output::write_bytes(&path(".json"), json.as_bytes())?;
            let strength = masks.strength(item, record.channel, (height, width))?;
            let masked = rendering.masked(&item.picture, &strength);
            output::write_png(
                &Alone,
                &path("_masked.png"),
                &masked,
                (height, width),
                ExtendedColorType::Rgba8,
            )?;
            output::write_bytes(&path("_loss.svg"), curve::draw(record)?.as_bytes())?;
            // Last, so that where the picture is, the rest is.
            write_rgb(&path(".png"), optimizer, item)?;
        }
        self.write_facets(optimizer, records)
    }

    /// The pictures of each unit's facets side by side, the copies of each below one another.
    fn write_facets(&self, optimizer: &Optimizer<'_>, records: &[OfItem]) -> anyhow::Result<()> {
        let (height, width) = optimizer.settings().size;
        let rendering = optimizer.rendering();
        for channel in self.names.with_facets() {
            let own: Vec<&OfItem> = records.iter().filter(|of| of.record.channel == channel).collect();
            let copies = own.iter().filter(|of| of.record.facet == own[0].record.facet).count();
            let facets = own.len() / copies;
            let mut sheet = vec![0; 3 * own.len() * height * width];
            for (at, of_item) in own.iter().enumerate() {
                let pixels = rendering.rgb(&optimizer.items()[of_item.item].picture);
                let (facet, copy) = (at / copies, at % copies);
                for (y, row) in pixels.chunks_exact(3 * width).enumerate() {
                    let place = (copy * height + y) * facets + facet;
                    sheet[3 * width * place..][..3 * width].copy_from_slice(row);
                }
            }
            let size = (copies * height, facets * width);
            output::write_png(&Alone, &self.names.facets(channel), &sheet, size, ExtendedColorType::Rgb8)?;
        }
        Ok(())
    }
}

fn write_rgb(path: &Path, optimizer: &Optimizer<'_>, item: &Item) -> anyhow::Result<()> {
    let rendering = optimizer.rendering();
    let pixels = rendering.rgb(&item.picture);
    output::write_png(&Alone, path, &pixels, optimizer.settings().size, ExtendedColorType::Rgb8)
}
