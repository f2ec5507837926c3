use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use anyhow::Context;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::record::RowAccessor;
use parquet::schema::types::Type;

use crate::patches::Unit;
use neuron_data::Dataset;

/// Columns of `topk.parquet` that are read, in the table's order.
const COLUMNS: [&str; 3] = ["channel", "image", "score"];

/// Fills in the units' scores on whole images from the table that `select-images` wrote beside the lists.
///
/// Lists may come from elsewhere: without a table, or where it lacks an image, the score stays unknown.
pub(super) fn fill(units: &mut [Unit<'_>], folder: &Path, dataset: &Dataset) -> anyhow::Result<()> {
    let path = folder.join("topk.parquet");
    if !path.is_file() {
        return Ok(());
    }
    let mut wanted: HashMap<(i32, String), &mut Option<f32>> = HashMap::new();
    for unit in units {
        let channel = unit.channel as i32;
        for kept in &mut unit.kept {
            let image = dataset.relative(kept.image).to_owned();
            wanted.insert((channel, image), &mut kept.image_score);
        }
    }
    read(&path, &mut wanted).with_context(|| format!("cannot read the scores in {}", path.display()))
}

fn read(path: &Path, wanted: &mut HashMap<(i32, String), &mut Option<f32>>) -> anyhow::Result<()> {
    let channels: Vec<i32> = wanted.keys().map(|(channel, _)| *channel).collect();
    let (first, last) = (channels.iter().min().copied(), channels.iter().max().copied());
    let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
    let options = ReadOptionsBuilder::new()
        .with_predicate(Box::new(move |rows, _| may_hold(rows, first, last)))
        .build();
    let reader = SerializedFileReader::new_with_options(File::open(path)?, options)?;
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields().iter().filter(|field| COLUMNS.contains(&field.name())).cloned();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields.collect()).build()?;
    for row in reader.get_row_iter(Some(projection))? {
        let row = row?;
        let key = (row.get_int(0)?, row.get_string(1)?.clone());
        if let Some(score) = wanted.get_mut(&key) {
            **score = Some(row.get_float(2)?);
        }
    }
    Ok(())
}

/// Whether a part of the table can hold channels of that range, by its own account.
fn may_hold(rows: &RowGroupMetaData, first: i32, last: i32) -> bool {
    let channel = rows.columns().iter().find(|column| column.column_descr().name() == COLUMNS[0]);
    let Some(Statistics::Int32(range)) = channel.and_then(|column| column.statistics()) else { return true };
    let below = range.max_opt().is_some_and(|max| *max < first);
    let above = range.min_opt().is_some_and(|min| *min > last);
    !below && !above
}
