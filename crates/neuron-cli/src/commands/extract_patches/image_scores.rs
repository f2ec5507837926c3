use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use neuron_data::Dataset;
use neuron_topk::TopK;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::record::RowAccessor;
use parquet::schema::types::Type;

use crate::input;
use crate::patches::Unit;

/// Columns of `topk.parquet` that are read, in the table's order.
const COLUMNS: [&str; 4] = ["channel", "rank", "image", "score"];

/// By channel and rank: the image that the list names there, and where its score is wanted.
type Wanted<'a> = HashMap<(i32, i32), (PathBuf, &'a mut Option<f32>)>;

/// Fills in the units' scores on whole images from the table that `select-images` wrote beside the lists.
///
/// `best` holds the entries that `units` were made from; an entry's index is a rank in the unit's list. Lists may
/// come from elsewhere: without a table, or where it names another image at that rank, the score stays unknown.
pub(super) fn fill(
    units: &mut [Unit<'_>],
    best: &TopK,
    folder: &Path,
    dataset: &Dataset,
) -> anyhow::Result<()> {
    let path = folder.join("topk.parquet");
    if !path.is_file() {
        return Ok(());
    }
    let mut wanted = Wanted::new();
    for (unit, of_unit) in units.iter_mut().enumerate() {
        for (kept, entry) in of_unit.kept.iter_mut().zip(best.channel(unit)) {
            let place = (of_unit.channel as i32, entry.index as i32);
            wanted.insert(place, (dataset.path(kept.image), &mut kept.image_score));
        }
    }
    read(&path, &mut wanted).with_context(|| format!("cannot read the scores in {}", path.display()))
}

fn read(path: &Path, wanted: &mut Wanted<'_>) -> anyhow::Result<()> {
    let channels = || wanted.keys().map(|(channel, _)| *channel);
    let (Some(first), Some(last)) = (channels().min(), channels().max()) else { return Ok(()) };
    let in_range = move |rows: &RowGroupMetaData, _| may_hold(rows, first, last);
    let options = ReadOptionsBuilder::new().with_predicate(Box::new(in_range)).build();
    let reader = SerializedFileReader::new_with_options(input::open(path)?, options)?;
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields().iter().filter(|field| COLUMNS.contains(&field.name())).cloned();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields.collect()).build()?;
    for row in reader.get_row_iter(Some(projection))? {
        let row = row?;
        let Some((image, score)) = wanted.get_mut(&(row.get_int(0)?, row.get_int(1)?)) else { continue };
        // The table's names begin below the data folder, which need not be known here.
        if image.ends_with(row.get_string(2)?) {
            **score = Some(row.get_float(3)?);
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
