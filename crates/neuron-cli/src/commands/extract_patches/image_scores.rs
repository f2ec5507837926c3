use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use neuron_data::Dataset;
use neuron_topk::TopK;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use crate::patches::Unit;
use crate::rows::Selection;

/// Columns of `topk.parquet` that are read.
const COLUMNS: [&str; 4] = ["channel", "rank", "image", "score"];

/// By channel and rank: the image that the list names there, and where its score is wanted.
type Wanted<'a> = HashMap<(i32, i32), (String, &'a mut Option<f32>)>;

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
            wanted.insert(place, (dataset.entry(kept.image), &mut kept.image_score));
        }
    }
    read(&path, &mut wanted).with_context(|| format!("cannot read the scores in {}", path.display()))
}

fn read(path: &Path, wanted: &mut Wanted<'_>) -> anyhow::Result<()> {
    let mut channels: Vec<i32> = wanted.keys().map(|(channel, _)| *channel).collect();
    channels.sort_unstable();
    let (Some(first), Some(last)) = (channels.first(), channels.last()) else { return Ok(()) };
    let selection = Selection { may_hold, wanted: vec![*first, *last], ..Selection::of(&COLUMNS) };
    selection.read(path, |row| {
        let Some((image, score)) = wanted.get_mut(&(row.int(0)?, row.int(1)?)) else { return Ok(()) };
        // The table's names begin below the data folder, which need not be known here.
        if Path::new(image).ends_with(row.text(2)?) {
            **score = Some(row.float(3)?);
        }
        Ok(())
    })
}

/// Whether a part of the table can hold channels from the first to the last wanted one, by its own account.
fn may_hold(rows: &RowGroupMetaData, wanted: &[i32]) -> bool {
    let channel = rows.columns().iter().find(|column| column.column_descr().name() == COLUMNS[0]);
    let Some(Statistics::Int32(range)) = channel.and_then(|column| column.statistics()) else { return true };
    let below = range.max_opt().zip(wanted.first()).is_some_and(|(max, first)| max < first);
    let above = range.min_opt().zip(wanted.last()).is_some_and(|(min, last)| min > last);
    !below && !above
}
