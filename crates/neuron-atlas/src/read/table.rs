use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};

use crate::error::AtlasError;

/// Rows that are in memory at once: no number in a file decides how much is taken.
const TOGETHER: usize = 1 << 14;
/// The most rows of a table that are gone through: ten times those of ImageNet's longest lists of a layer. A few
/// bytes can claim any number.
const MOST_ROWS: usize = 1 << 28;
/// The longest text that is taken for a name: the longest path of any system.
const LONGEST_TEXT: usize = 1 << 15;

/// A Parquet file, read some rows at a time.
pub(super) struct Table {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    rows: usize,
}

/// A column of a row group, on the way through its rows.
pub(super) struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    optional: bool,
}

impl Table {
    /// Lets `read` make something of the table at `path`.
    ///
    /// The crate that decodes trusts some lengths and offsets of a file; a damaged one can make it panic, which is
    /// told like everything else that is wrong with a table.
    pub(super) fn read<T>(
        path: &Path,
        read: impl FnOnce(&mut Self) -> Result<T, AtlasError>,
    ) -> Result<T, AtlasError> {
        let whole = || Self::open(path).and_then(|mut table| read(&mut table));
        // What the closure has made so far is dropped with the panic, and it changes nothing outside.
        catch_unwind(AssertUnwindSafe(whole)).unwrap_or_else(|_| {
            let source = ParquetError::General("its lengths contradict each other".to_owned());
            Err(AtlasError::Table { path: path.to_owned(), source })
        })
    }

    fn open(path: &Path) -> Result<Self, AtlasError> {
        let file = File::open(path).map_err(AtlasError::read(path))?;
        let reader = neuron_table::open(file, ReadOptionsBuilder::new().build())
            .map_err(|source| AtlasError::Table { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), reader, rows: 0 })
    }

    /// Number of row groups.
    pub(super) fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    pub(super) fn ints(&self, group: usize, column: &'static str) -> Result<Column<Int32Type>, AtlasError> {
        self.column(group, column)
    }

    pub(super) fn floats(&self, group: usize, column: &'static str) -> Result<Column<FloatType>, AtlasError> {
        self.column(group, column)
    }

    pub(super) fn texts(
        &self,
        group: usize,
        column: &'static str,
    ) -> Result<Column<ByteArrayType>, AtlasError> {
        self.column(group, column)
    }

    /// The next values of a column; none at its end. Columns that are asked in turn stay side by side.
    pub(super) fn next<T: DataType>(&self, column: &mut Column<T>) -> Result<Vec<Option<T::T>>, AtlasError> {
        column.next().map_err(|source| AtlasError::Table { path: self.path.clone(), source })
    }

    /// Counts rows that were gone through.
    ///
    /// # Errors
    /// [`AtlasError::TooLarge`] if they are more than any result has.
    pub(super) fn count(&mut self, rows: usize) -> Result<(), AtlasError> {
        self.rows = self.rows.saturating_add(rows);
        if self.rows > MOST_ROWS {
            return Err(AtlasError::TooLarge { path: self.path.clone(), what: "rows", limit: MOST_ROWS });
        }
        Ok(())
    }

    /// A value as text; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// [`AtlasError::TooLarge`] if it is longer than a name can be.
    pub(super) fn text(&self, value: &ByteArray) -> Result<String, AtlasError> {
        if value.len() > LONGEST_TEXT {
            let what = "bytes in a name";
            return Err(AtlasError::TooLarge { path: self.path.clone(), what, limit: LONGEST_TEXT });
        }
        Ok(String::from_utf8_lossy(value.data()).into_owned())
    }

    fn column<T: DataType>(&self, group: usize, column: &'static str) -> Result<Column<T>, AtlasError> {
        let missing = || AtlasError::Column { path: self.path.clone(), column };
        let descriptions = self.reader.metadata().file_metadata().schema_descr();
        let matching = |at: &usize| {
            let description = descriptions.column(*at);
            description.name() == column
                && description.physical_type() == T::get_physical_type()
                && description.max_rep_level() == 0
                && description.max_def_level() <= 1
        };
        let at = (0..descriptions.num_columns()).find(matching).ok_or_else(missing)?;
        let optional = descriptions.column(at).max_def_level() > 0;
        let reader = self.reader.get_row_group(group).and_then(|rows| rows.get_column_reader(at));
        let reader = reader.map_err(|source| AtlasError::Table { path: self.path.clone(), source })?;
        Ok(Column { reader: get_typed_column_reader::<T>(reader), optional })
    }
}

impl<T: DataType> Column<T> {
    fn next(&mut self) -> Result<Vec<Option<T::T>>, ParquetError> {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let mut rows = 0;
        while rows < TOGETHER {
            let levels = self.optional.then_some(&mut levels);
            let (read, ..) = self.reader.read_records(TOGETHER - rows, levels, None, &mut values)?;
            if read == 0 {
                break;
            }
            rows += read;
        }
        let mut values = values.into_iter();
        Ok(match self.optional {
            false => values.map(Some).collect(),
            true => levels.into_iter().map(|level| if level > 0 { values.next() } else { None }).collect(),
        })
    }
}
