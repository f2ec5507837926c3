//! A data set of the Hugging Face Hub: Parquet files with the pixels of all patches, and the card that describes them.

use std::path::Path;

use anyhow::{Context, bail};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use neuron_patches::Picture;
use parquet::data_type::ByteArray;
use rayon::prelude::*;

use super::format::{Export, Format};
use super::images::Images;
use super::layer::{Layer, Unit};
use super::patches::{self, Patch};
use crate::output;
use crate::table::{self, Column, RowGroup};

pub(super) const FORMAT: Format = Format { name: "hf", per_unit: usize::MAX, write };

/// An image is its bytes and a name. `datasets` takes a column for what the metadata say only if it may be missing.
const SCHEMA: &str = "message patches {
    optional group image {
        optional binary bytes;
        optional binary path (UTF8);
    }
    required binary layer (UTF8);
    required int32 unit;
    required int32 rank;
    required float score;
    required binary source (UTF8);
}";

/// The columns as the Hub's `datasets` describes them.
const FEATURES: [(&str, &str); 6] = [
    ("image", "image"),
    ("layer", "string"),
    ("unit", "int32"),
    ("rank", "int32"),
    ("score", "float32"),
    ("source", "string"),
];

fn write(export: &Export<'_>) -> anyhow::Result<usize> {
    let [card] = export.places("", ["README.md"])?;
    let files = export.layers.len();
    let mut units = 0;
    let mut rows = 0;
    for (at, layer) in export.layers.iter().enumerate() {
        let [path] = export.places("data", [&format!("train-{at:05}-of-{files:05}.parquet")])?;
        let mut kept = Vec::new();
        for unit in &layer.units {
            let mut of_unit = patches::of(unit, layer)?;
            of_unit.truncate(export.per_unit);
            if !of_unit.is_empty() {
                rows += of_unit.len();
                kept.push((unit, of_unit));
            }
        }
        if kept.is_empty() {
            bail!(
                "there are no patches in {}: run `neuron extract-patches` on these lists first",
                layer.folder.display()
            );
        }
        units += kept.len();
        write_patches(&path, layer, &kept, export)?;
    }
    output::write_bytes(&card, describe(export, units, rows).as_bytes())?;
    Ok(units)
}

/// The columns in their order, as members of an object in JSON.
fn features() -> [String; 6] {
    FEATURES.map(|(name, kind)| match kind {
        "image" => format!(r#""{name}": {{"_type": "Image"}}"#),
        kind => format!(r#""{name}": {{"dtype": "{kind}", "_type": "Value"}}"#),
    })
}

/// A row group for each unit: no more than one unit's pixels are in memory.
fn write_patches(
    path: &Path,
    layer: &Layer,
    kept: &[(&Unit, Vec<Patch>)],
    export: &Export<'_>,
) -> anyhow::Result<()> {
    let names = kept.iter().flat_map(|(_, patches)| patches.iter().map(|patch| &*patch.image));
    let images = Images::look_up(names, layer, export.global);
    let info = format!("{{\"info\": {{\"features\": {{{}}}}}}}", features().join(", "));
    let groups = kept.iter().map(|(unit, patches)| rows(layer, unit, patches, &images));
    table::write_described(path, SCHEMA, &[("huggingface", &info)], groups)
}

fn rows(layer: &Layer, unit: &Unit, patches: &[Patch], images: &Images) -> anyhow::Result<RowGroup> {
    let pixels: Vec<Option<ByteArray>> = patches
        .par_iter()
        .map(|patch| Ok(Some(cut(patch, images)?.into())))
        .collect::<anyhow::Result<_>>()?;
    let name = |rank: usize| format!("{}-{}-{rank}.png", layer.name, unit.channel);
    Ok(vec![
        Column::OptionalText(pixels),
        Column::OptionalText((0..patches.len()).map(|rank| Some(ByteArray::from(&*name(rank)))).collect()),
        Column::Text(vec![ByteArray::from(&*layer.name); patches.len()]),
        Column::Int(vec![unit.channel as i32; patches.len()]),
        Column::Int((0..patches.len() as i32).collect()),
        Column::Float(patches.iter().map(|patch| patch.score).collect()),
        Column::Text(patches.iter().map(|patch| ByteArray::from(&*patch.image)).collect()),
    ])
}

/// A patch in the resolution of its image, as PNG.
fn cut(patch: &Patch, images: &Images) -> anyhow::Result<Vec<u8>> {
    let image = images.read(&patch.image)?;
    let picture = Picture::new(&image.pixels, image.height, image.width)?;
    let changed = || format!("{} is not the image that the patch was found in", patch.image);
    let pixels = picture.crop(patch.source).with_context(changed)?;
    let mut png = Vec::new();
    let (width, height) = (patch.source.width as u32, patch.source.height as u32);
    PngEncoder::new(&mut png).write_image(&pixels, width, height, ExtendedColorType::Rgb8)?;
    Ok(png)
}

/// The card: what the Hub reads, and what people do.
fn describe(export: &Export<'_>, units: usize, rows: usize) -> String {
    let arch = &export.layers[0].arch;
    let layers: Vec<&str> = export.layers.iter().map(|layer| &*layer.name).collect();
    let layers = layers.join(", ");
    let features = FEATURES.map(|(name, kind)| format!("  - name: {name}\n    dtype: {kind}\n")).concat();
    format!(
        "---
pretty_name: Patches that excite the units of {arch}
tags:
- interpretability
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
dataset_info:
  features:
{features}---

# Patches that excite the units of {arch}

The {rows} patches that excite {units} units of {layers} most, found by `neuron` {version}
(`neuron extract-patches`). A unit is a channel of a layer.

| column | meaning |
|---|---|
| `image` | the patch, in the resolution of its image |
| `layer`, `unit` | the layer's name and the channel |
| `rank` | from 0, best first |
| `score` | what the unit says of the patch |
| `source` | the image, as a path in its data set |

The patches are parts of the images, whose licence holds for them.
",
        version = env!("CARGO_PKG_VERSION"),
    )
}
