//! Parquet tables, read row by row.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context, bail};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::ReadOptionsBuilder;
use parquet::record::{Field, Row, RowAccessor};
use parquet::schema::types::Type;

use crate::input;

/// The most rows that are gone through: more than any result has. A few bytes can claim any number.
const MOST_ROWS: usize = 1 << 28;

/// Which rows and columns of a table are read.
pub(crate) struct Selection<'a> {
    /// Names of the columns; at the outermost level, each once.
    pub(crate) columns: &'a [&'a str],
    /// Whether a part of the table may hold a wanted row, by its own account.
    pub(crate) may_hold: fn(&RowGroupMetaData, &[i32]) -> bool,
    /// What `may_hold` is told.
    pub(crate) wanted: Vec<i32>,
    /// Only so many rows, from the first.
    pub(crate) at_most: usize,
}

/// A row of the selected columns.
pub(crate) struct Cells<'a> {
    row: &'a Row,
    /// Where each selected column lies in it.
    places: &'a [usize],
}

impl Cells<'_> {
    pub(crate) fn int(&self, column: usize) -> anyhow::Result<i32> {
        Ok(self.row.get_int(self.places[column])?)
    }

    pub(crate) fn float(&self, column: usize) -> anyhow::Result<f32> {
        Ok(self.row.get_float(self.places[column])?)
    }

    pub(crate) fn text(&self, column: usize) -> anyhow::Result<&str> {
        Ok(self.row.get_string(self.places[column])?)
    }

    /// Text that may be missing.
    pub(crate) fn optional_text(&self, column: usize) -> anyhow::Result<Option<&str>> {
        match self.row.get_column_iter().nth(self.places[column]) {
            Some((_, Field::Null)) => Ok(None),
            _ => self.text(column).map(Some),
        }
    }
}

impl<'a> Selection<'a> {
    /// All rows of some columns.
    pub(crate) fn of(columns: &'a [&'a str]) -> Self {
        Self { columns, may_hold: |_, _| true, wanted: Vec::new(), at_most: usize::MAX }
    }

    /// Hands every row to `take`, in order.
    ///
    /// The crate that decodes trusts some lengths and offsets of a file; a damaged one can make it panic, which is told
    /// like everything else that is wrong with a table.
    ///
    /// # Errors
    /// If the file is no table, or a damaged one, if it lacks a column, and what `take` returns.
    pub(crate) fn read(
        self,
        path: &Path,
        take: impl FnMut(Cells<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // What `take` has made so far is given up with the error.
        catch_unwind(AssertUnwindSafe(|| self.read_unguarded(path, take)))
            .unwrap_or_else(|_| bail!("its lengths contradict each other"))
    }

    fn read_unguarded(
        self,
        path: &Path,
        mut take: impl FnMut(Cells<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Self { columns, may_hold, wanted, at_most } = self;
        let options = ReadOptionsBuilder::new()
            .with_predicate(Box::new(move |rows, _| may_hold(rows, &wanted)))
            .build();
        let reader = neuron_table::open(input::open(path)?, options)?;
        let schema = reader.metadata().file_metadata().schema();
        let mut fields = schema.get_fields().to_vec();
        fields.retain(|field| columns.contains(&field.name()));
        let place = |column: &&str| {
            fields
                .iter()
                .position(|field| field.name() == *column)
                .with_context(|| format!("it has no column {column}"))
        };
        let places = columns.iter().map(place).collect::<anyhow::Result<Vec<_>>>()?;
        let projection = Type::group_type_builder(schema.name()).with_fields(fields).build()?;
        for (index, row) in reader.get_row_iter(Some(projection))?.take(at_most).enumerate() {
            if index == MOST_ROWS {
                bail!("it has more than {MOST_ROWS} rows");
            }
            take(Cells { row: &row?, places: &places })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Alone;
    use crate::table::{self, Column};

    fn table(folder: &Path) -> std::path::PathBuf {
        let schema = "message t { required int32 a; required binary b (UTF8); required float c; }";
        let rows = vec![
            Column::Int(vec![1, 2, 3]),
            Column::Text(["x", "y", "z"].map(Into::into).to_vec()),
            Column::Float(vec![0.5, 1.5, 2.5]),
        ];
        let path = folder.join("t.parquet");
        table::write(&Alone, &path, schema, [rows]).unwrap();
        path
    }

    fn read(path: &Path) -> anyhow::Result<Vec<(f32, i32, String)>> {
        let mut rows = Vec::new();
        Selection::of(&["c", "a", "b"]).read(path, |row| {
            rows.push((row.float(0)?, row.int(1)?, row.text(2)?.to_owned()));
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn columns_come_as_they_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = table(folder.path());
        assert_eq!(read(&path).unwrap()[1], (1.5, 2, "y".to_owned()));
        let error = Selection::of(&["a", "d"]).read(&path, |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "it has no column d");
    }

    #[test]
    fn a_table_that_is_damaged_anywhere_is_read_or_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = table(folder.path());
        let bytes = std::fs::read(&path).unwrap();
        let mut refused = 0;
        for at in 0..bytes.len() {
            for change in [0x01, 0x10, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= change;
                std::fs::write(&path, damaged).unwrap();
                refused += usize::from(read(&path).is_err());
            }
        }
        assert!(refused > bytes.len(), "{refused}");
    }
}
