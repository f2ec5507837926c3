//! Where the references of units may be: folders of their classes, and lists.

use std::path::{Path, PathBuf};

use anyhow::bail;
use neuron_data::Preprocessing;
use neuron_model::Network;

use super::data::{ClassImages, Data};
use super::kind::Kind;
use super::units::Units;
use crate::exported;
use crate::global::Global;
use crate::outcome::WrongUsage;

/// Name of the lists that `extract-patches` and `baseline` write.
const LIST: &str = "topk_files.txt";
/// Name of those that `select-images` writes.
const LIST_OF_IMAGES: &str = "files_all.txt";

/// What references are sought for, and where.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'a> {
    pub(crate) global: &'a Global,
    pub(crate) network: &'a Network,
    /// That of the weights: lists that were made with another are told.
    pub(crate) preprocessing: &'a Preprocessing,
    pub(crate) units: &'a Units,
    pub(crate) data: &'a Data<'a>,
    /// What they are made of; `None` for images of the class where there are any, otherwise listed images.
    pub(crate) kind: Option<Kind>,
    /// How many of each unit.
    pub(crate) wanted: usize,
}

impl Sought<'_> {
    /// The images of a unit's class, if they are wanted and there are any.
    ///
    /// # Errors
    /// If `--references class` asks for what is not there.
    pub(super) fn class_images(&self, channel: usize) -> anyhow::Result<Option<ClassImages>> {
        let (is_asked, layer) = (self.kind == Some(Kind::Class), &self.units.target.name);
        if !is_asked && self.kind.is_some() {
            return Ok(None);
        }
        let Some(class) = self.units.class(channel) else {
            let message = format!(
                "--references class: the units of {layer} stand for no classes; choose units of the last layer by \
                 --class, or leave --references out"
            );
            return if is_asked { Err(WrongUsage(message).into()) } else { Ok(None) };
        };
        if is_asked {
            self.global.data()?;
        }
        let found = self.data.get()?.and_then(|dataset| ClassImages::find(dataset, class));
        if found.is_none() && is_asked {
            bail!(
                "{}: {}; name a folder that has it with --data, or leave out --references to use the lists in {}",
                self.units.called(channel),
                self.without_folder(channel)?,
                self.units.topk_dir.display()
            );
        }
        Ok(found)
    }

    /// Why there are no images of a unit's class.
    pub(super) fn without_folder(&self, channel: usize) -> anyhow::Result<String> {
        Ok(match (self.global.data_if_any()?, self.units.class(channel)) {
            (Some(data), Some(class)) => format!("{} has no folder {}", data.display(), class.folder_names()),
            _ => "without --data there are no images of the class".to_owned(),
        })
    }

    /// The unit's list, of whichever command wrote it.
    pub(super) fn list(&self, channel: usize, kind: Kind) -> anyhow::Result<PathBuf> {
        let folder = self.units.topk_dir.join(channel.to_string());
        let of_patches = folder.join(LIST);
        if of_patches.is_file() {
            return Ok(of_patches);
        }
        if let Some(of_baseline) = longest_baseline(&folder) {
            return Ok(of_baseline);
        }
        if kind == Kind::Images && self.network.graph().cell(self.units.target.node).is_none() {
            return self.list_of_images(channel, &folder);
        }
        let (layer, arch) = (&self.units.layer, exported::as_typed(self.network.name()));
        bail!(
            "no reference images for {layer}:{channel}: neither {} nor {} is there; make one with \
             `neuron extract-patches --arch {arch} --layer {layer} --channels {channel} --out {}` or \
             `neuron baseline --arch {arch} --layer {layer} --channels {channel}`, or name its folder with --topk-dir",
            of_patches.display(),
            folder.join("top<k>").join(LIST).display(),
            self.units.topk_dir.display(),
        )
    }

    /// The list of a unit that sees all of an image: without patches, what `select-images` wrote is the whole answer.
    fn list_of_images(&self, channel: usize, folder: &Path) -> anyhow::Result<PathBuf> {
        let list = folder.join(LIST_OF_IMAGES);
        if list.is_file() {
            return Ok(list);
        }
        let (layer, arch) = (&self.units.layer, exported::as_typed(self.network.name()));
        let why = match self.kind {
            None => self.without_folder(channel)? + ", and ",
            Some(_) => String::new(),
        };
        let class = match self.units.class(channel) {
            Some(class) => {
                format!(", or name a folder of images with --data that has a folder {}", class.folder_names())
            }
            None => String::new(),
        };
        bail!(
            "no reference images for {}: {why}neither {} nor {LIST_OF_IMAGES} beside it is there; make a list with \
             `neuron select-images --arch {arch} --layer {layer} --channels {channel}` or name its folder with \
             --topk-dir{class}",
            self.units.called(channel),
            folder.join(LIST).display(),
        )
    }
}

/// `<folder>/top<k>/topk_files.txt` for the largest k.
fn longest_baseline(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let k = |name: &str| name.strip_prefix("top")?.parse::<usize>().ok();
    let lists = entries.filter_map(|entry| Some((k(entry.file_name().to_str()?)?, entry.path().join(LIST))));
    lists.filter(|(_, list)| list.is_file()).max().map(|(_, list)| list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_list_of_baseline_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(longest_baseline(folder.path()), None);
        for name in ["top5", "top50", "top500", "topmost"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["top5", "top50", "topmost"] {
            std::fs::write(folder.path().join(name).join(LIST), "a").unwrap();
        }
        assert_eq!(longest_baseline(folder.path()), Some(folder.path().join("top50").join(LIST)));
    }
}
