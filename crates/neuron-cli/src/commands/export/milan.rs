//! Exemplars, as MILAN (`TopImagesDataset`) and MAIA (`DatasetExemplars`) read them: a folder for each layer.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use neuron_geometry::PixelBox;

use super::format::{Export, Format};
use super::images::Images;
use super::layer::{Layer, Listed};
use super::{npy, patches};
use crate::output;

/// 15 is what both tools expect.
pub(super) const FORMAT: Format = Format { name: "milan", per_unit: 15, write };

const NAMES: [&str; 6] =
    ["images.npy", "masks.npy", "units.npy", "activations.csv", "ids.csv", "thresholds.csv"];

fn write(export: &Export<'_>) -> anyhow::Result<usize> {
    for layer in &export.layers {
        write_layer(export, layer)?;
    }
    Ok(export.layers.iter().map(|layer| layer.units.len()).sum())
}

fn write_layer(export: &Export<'_>, layer: &Layer) -> anyhow::Result<()> {
    let [images, masks, units, activations, ids, thresholds] = export.places(&layer.name, NAMES)?;
    let each = layer.shortest();
    write_images(&images, export, layer, each)?;
    write_masks(&masks, layer, each)?;
    output::write_atomically(&units, |file| {
        npy::write(file, &[layer.units.len()], layer.units.iter().map(|unit| unit.channel as i64))
    })?;
    write_table(&activations, layer, each, |listed| listed.score)?;
    write_table(&ids, layer, each, |listed| listed.index)?;
    let lines: String = layer.units.iter().map(|unit| format!("{}\n", unit.threshold)).collect();
    output::write_bytes(&thresholds, lines.as_bytes())
}

/// What the network sees of each image: u8, `[unit, rank, 3, crop, crop]`.
fn write_images(path: &Path, export: &Export<'_>, layer: &Layer, each: usize) -> anyhow::Result<()> {
    let side = layer.preprocessing.crop;
    let names = || layer.units.iter().flat_map(|unit| unit.best[..each].iter().map(|listed| &*listed.image));
    let images = Images::look_up(names(), layer, export.global);
    output::write_atomically(path, |file| {
        npy::header::<u8>(file, &[layer.units.len(), each, 3, side, side])?;
        let written = images.crops(names(), &layer.preprocessing, |crop| Ok(file.write_all(&planes(crop))?));
        written.map_err(io::Error::other)
    })
}

/// Colours one after another in place of pixels.
///
/// # Shapes
/// * `pixels`: `[height, width, 3]`
/// * returns: `[3, height, width]`
fn planes(pixels: &[u8]) -> Vec<u8> {
    (0..3).flat_map(|colour| pixels.iter().skip(colour).step_by(3).copied()).collect()
}

/// Where in each image the unit is active, 1 there and 0 elsewhere: u8, `[unit, rank, 1, crop, crop]`.
///
/// That is the patch of the image, where `extract-patches` kept one, else the cell of the map with the maximum.
fn write_masks(path: &Path, layer: &Layer, each: usize) -> anyhow::Result<()> {
    let side = layer.preprocessing.crop;
    output::write_atomically(path, |file| {
        npy::header::<u8>(file, &[layer.units.len(), each, 1, side, side])?;
        for unit in &layer.units {
            let kept = patches::of(unit, layer).map_err(io::Error::other)?;
            let windows: HashMap<&str, PixelBox> =
                kept.iter().map(|patch| (&*patch.image, patch.window)).collect();
            for listed in &unit.best[..each] {
                let window = windows.get(&*listed.image).copied();
                file.write_all(&mask(window.unwrap_or_else(|| cell(listed, layer)), side))?;
            }
        }
        Ok(())
    })
}

/// The pixels of the crop that belong to the cell with the maximum; all of them for a class token, which has no place.
fn cell(listed: &Listed, layer: &Layer) -> PixelBox {
    let (side, cells) = (layer.preprocessing.crop, layer.map_width.max(1));
    let Some((y, x)) = listed.place else { return PixelBox { y: 0, x: 0, height: side, width: side } };
    let begin = |at: usize| at.min(cells - 1) * side / cells;
    let length = |at: usize| (at.min(cells - 1) + 1) * side / cells - begin(at);
    PixelBox { y: begin(y) as i64, x: begin(x) as i64, height: length(y), width: length(x) }
}

/// 1 in a box, 0 around it; `[side, side]`.
fn mask(inside: PixelBox, side: usize) -> Vec<u8> {
    let within = |at: usize, begin: i64, length: usize| (begin..begin + length as i64).contains(&(at as i64));
    let pixel = |y: usize, x: usize| within(y, inside.y, inside.height) && within(x, inside.x, inside.width);
    (0..side).flat_map(|y| (0..side).map(move |x| u8::from(pixel(y, x)))).collect()
}

/// A line for each unit, a value for each of its images.
fn write_table<T: Display>(
    path: &Path,
    layer: &Layer,
    each: usize,
    value: impl Fn(&Listed) -> T,
) -> anyhow::Result<()> {
    let mut text = String::new();
    for unit in &layer.units {
        let values: Vec<String> = unit.best[..each].iter().map(|listed| value(listed).to_string()).collect();
        text += &(values.join(",") + "\n");
    }
    output::write_bytes(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_planes() {
        assert_eq!(planes(&[1, 2, 3, 4, 5, 6]), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn a_mask_is_cut_off_at_the_crop() {
        let inside = PixelBox { y: 1, x: -1, height: 5, width: 2 };
        assert_eq!(mask(inside, 3), [0, 0, 0, 1, 0, 0, 1, 0, 0]);
    }
}
