//! Images of the data set by the names that tables give them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use neuron_data::{Dataset, Limits, Loader, LoaderOptions, Lookup, Preprocessing, Rgb8Image};

use super::layer::Layer;
use crate::global::Global;

/// The way out where an image is gone.
const MOVED: &str = "pass --data DIR if the images have moved";

/// Some images of a data set.
pub(super) struct Images {
    dataset: Arc<Dataset>,
    /// By name, its index among them.
    by_name: HashMap<String, usize>,
    limits: Limits,
}

impl Images {
    /// Looks names up below the data that the scan went through, or what is named in its place, beside it where it is a
    /// list, or where the names themselves say.
    pub(super) fn look_up<'n>(
        names: impl IntoIterator<Item = &'n str>,
        layer: &Layer,
        global: &Global,
    ) -> Self {
        let mut by_name = HashMap::new();
        let mut distinct: Vec<&str> = Vec::new();
        for name in names {
            by_name.entry(name.to_owned()).or_insert_with(|| {
                distinct.push(name);
                distinct.len() - 1
            });
        }
        let data = global.data.as_deref().or(layer.data.as_deref());
        let beside = data.and_then(Path::parent);
        let bases = [data, beside, Some(Path::new(""))].into_iter().flatten().map(PathBuf::from).collect();
        let dataset = Arc::new(Dataset::look_up(&distinct, &Lookup { bases, moved: None }));
        Self { dataset, by_name, limits: global.limits() }
    }

    /// An image as it is in its file.
    ///
    /// # Errors
    /// If it is gone or cannot be decoded.
    pub(super) fn read(&self, name: &str) -> anyhow::Result<Rgb8Image> {
        let image = self.dataset.read_rgb8(self.by_name[name], &self.limits);
        image.map_err(|error| anyhow!("{error}; {MOVED}"))
    }

    /// Hands over the crop that the network sees of each named image, in their order.
    ///
    /// # Shapes
    /// * `take`: `[crop, crop, 3]`
    ///
    /// # Errors
    /// If one is gone or cannot be decoded, and what `take` returns.
    pub(super) fn crops<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        preprocessing: &Preprocessing,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let items: Vec<usize> = names.into_iter().map(|name| self.by_name[name]).collect();
        let options = LoaderOptions { limits: self.limits, ..LoaderOptions::default() };
        let mut loader = Loader::new(Arc::clone(&self.dataset), items, preprocessing, &options)?;
        while let Some(batch) = loader.next() {
            if let Some(gone) = batch.skipped.first() {
                bail!("{}: {}; {MOVED}", gone.entry, gone.reason);
            }
            batch.pixels().chunks_exact(preprocessing.crop_bytes()).try_for_each(&mut take)?;
            loader.recycle(batch);
        }
        Ok(())
    }
}
