use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::AtlasError;

/// Rows that are asked for at once, so that no length in a file decides how much memory is taken.
const TOGETHER: usize = 1 << 16;

/// The values of a column, and, where it is optional, for each row whether it has one.
type Column<T> = (Vec<<T as DataType>::T>, Option<Vec<i16>>);

/// A Parquet file, read column by column.
pub(super) struct Table {
    path: PathBuf,
    reader: SerializedFileReader<File>,
}

impl Table {
    pub(super) fn open(path: &Path) -> Result<Self, AtlasError> {
        let file = File::open(path).map_err(AtlasError::read(path))?;
        let reader = SerializedFileReader::new(file)
            .map_err(|source| AtlasError::Table { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), reader })
    }

    /// Number of row groups.
    pub(super) fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    pub(super) fn ints(&self, group: usize, column: &'static str) -> Result<Vec<i32>, AtlasError> {
        Ok(self.column::<Int32Type>(group, column)?.0)
    }

    pub(super) fn floats(&self, group: usize, column: &'static str) -> Result<Vec<f32>, AtlasError> {
        Ok(self.column::<FloatType>(group, column)?.0)
    }

    /// Text, `None` where it is missing; bytes that are no UTF-8 are replaced.
    pub(super) fn texts(
        &self,
        group: usize,
        column: &'static str,
    ) -> Result<Vec<Option<String>>, AtlasError> {
        let (values, present) = self.column::<ByteArrayType>(group, column)?;
        let text = |value: ByteArray| String::from_utf8_lossy(value.data()).into_owned();
        let mut values = values.into_iter().map(text);
        Ok(match present {
            None => values.map(Some).collect(),
            Some(levels) => {
                levels.into_iter().map(|level| if level > 0 { values.next() } else { None }).collect()
            }
        })
    }

    fn column<T: DataType>(&self, group: usize, column: &'static str) -> Result<Column<T>, AtlasError> {
        let missing = || AtlasError::Column { path: self.path.clone(), column };
        let descriptions = self.reader.metadata().file_metadata().schema_descr();
        let matching = |at: &usize| {
            let description = descriptions.column(*at);
            description.name() == column
                && description.physical_type() == T::get_physical_type()
                && description.max_rep_level() == 0
        };
        let at = (0..descriptions.num_columns()).find(matching).ok_or_else(missing)?;
        let optional = descriptions.column(at).max_def_level() > 0;
        let read = || {
            let reader = self.reader.get_row_group(group)?.get_column_reader(at)?;
            let mut reader = get_typed_column_reader::<T>(reader);
            let (mut values, mut levels) = (Vec::new(), Vec::new());
            while reader.read_records(TOGETHER, optional.then_some(&mut levels), None, &mut values)?.0 > 0 {}
            Ok((values, optional.then_some(levels)))
        };
        read().map_err(|source| AtlasError::Table { path: self.path.clone(), source })
    }
}
