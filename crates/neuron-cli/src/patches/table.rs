use std::path::Path;

use neuron_data::Dataset;
use neuron_geometry::PixelBox;
use parquet::data_type::ByteArray;

use super::cutting::Cut;
use super::{Kept, Unit};
use crate::output::Files;
use crate::table::{self, Column};

/// `docs/formats.md` describes the columns.
const SCHEMA: &str = "message patches {
    required int32 channel;
    required int32 rank;
    required binary image (UTF8);
    required int32 x;
    required int32 y;
    required int32 size;
    required float score;
    optional float image_score;
    required int32 source_x;
    required int32 source_y;
    required int32 source_width;
    required int32 source_height;
    required int32 image_width;
    required int32 image_height;
}";

/// Writes the table of one unit's patches.
pub(super) fn write(
    files: &impl Files,
    path: &Path,
    unit: &Unit<'_>,
    cuts: &[Cut],
    dataset: &Dataset,
) -> anyhow::Result<()> {
    let of_kept =
        |value: &dyn Fn(&Kept) -> i64| Column::Int(unit.kept.iter().map(|kept| value(kept) as i32).collect());
    let source = |cut: &Cut| cut.geometry.to_original(cut.window);
    let of_source = |value: &dyn Fn(PixelBox) -> i64| {
        Column::Int(cuts.iter().map(|cut| value(source(cut)) as i32).collect())
    };
    let of_image =
        |value: &dyn Fn(&Cut) -> usize| Column::Int(cuts.iter().map(|cut| value(cut) as i32).collect());
    let image = |kept: &Kept| ByteArray::from(dataset.name(kept.image));
    let rows = vec![
        of_kept(&|_| unit.channel as i64),
        Column::Int((0..unit.kept.len() as i32).collect()),
        Column::Text(unit.kept.iter().map(image).collect()),
        of_kept(&|kept| kept.window.x),
        of_kept(&|kept| kept.window.y),
        of_kept(&|kept| kept.window.width as i64),
        Column::Float(unit.kept.iter().map(|kept| kept.score).collect()),
        Column::OptionalFloat(unit.kept.iter().map(|kept| kept.image_score).collect()),
        of_source(&|window| window.x),
        of_source(&|window| window.y),
        of_source(&|window| window.width as i64),
        of_source(&|window| window.height as i64),
        of_image(&|cut| cut.geometry.original_width),
        of_image(&|cut| cut.geometry.original_height),
    ];
    table::write(files, path, SCHEMA, [rows])
}
