//! What zennit-crp's `FeatureVisualization` finds in a data set, as `crp.helper.load_maximization` reads it.

use anyhow::bail;

use super::format::{Export, Format};
use super::layer::{Layer, Listed};
use super::npy;
use crate::layer_folder;
use crate::output;

/// 40 is its `SAMPLE_SIZE`.
pub(super) const FORMAT: Format = Format { name: "crp", per_unit: 40, write };

/// Of activations, by their maximum, not normed: `Maximization("activation", max_target="max", abs_norm=False)`.
const FOLDER: &str = "ActMax_max_unnormed";

fn write(export: &Export<'_>) -> anyhow::Result<usize> {
    for layer in &export.layers {
        let gap = (0..).zip(&layer.units).find(|(index, unit)| *index != unit.channel);
        if let Some((missing, _)) = gap {
            bail!(
                "{} has no list of unit {missing}, and zennit-crp finds units by their place: run select-images without \
                 --channels, or use another --format",
                layer.name
            );
        }
        if layer.units.iter().flat_map(|unit| &unit.best).any(|listed| listed.place.is_none()) {
            bail!(
                "units of {} are strongest at class tokens, which have no place in a map: run select-images with \
                 --positions grid, or use another --format",
                layer.name
            );
        }
        write_layer(export, layer)?;
    }
    Ok(export.layers.iter().map(|layer| layer.units.len()).sum())
}

/// Three arrays of shape `[rank, channel]`: indices in the data set, positions in the flattened map, scores.
fn write_layer(export: &Export<'_>, layer: &Layer) -> anyhow::Result<()> {
    let name = |what: &str| format!("{}_{what}.npy", layer_folder::in_file_name(&layer.name));
    let names = [name("data"), name("rf"), name("rel")];
    let [data, rf, rel] = export.places(FOLDER, names.each_ref().map(String::as_str))?;
    let (ranks, units) = (layer.shortest(), &layer.units);
    let shape = [ranks, units.len()];
    let entries = || (0..ranks).flat_map(|rank| units.iter().map(move |unit| &unit.best[rank]));
    let position = |listed: &Listed| listed.place.map_or(0, |(y, x)| y * layer.map_width + x);
    output::write_atomically(&data, |file| {
        npy::write(file, &shape, entries().map(|listed| listed.index as i64))
    })?;
    output::write_atomically(&rf, |file| {
        npy::write(file, &shape, entries().map(|listed| position(listed) as i64))
    })?;
    output::write_atomically(&rel, |file| npy::write(file, &shape, entries().map(|listed| listed.score)))
}
