use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::error::TopkError;
use crate::top_k::TopK;

impl TopK {
    /// Writes the state to a file, atomically: under `path` there is the old file or the new one, never a part.
    ///
    /// # Errors
    /// [`TopkError::File`] that names the path; whatever stood there is then untouched.
    pub fn save(&self, path: &Path) -> Result<(), TopkError> {
        let written = neuron_files::write(path, |file| self.write_to(file).map_err(io::Error::other));
        written.map_err(|source| TopkError::File { path: path.into(), source: Box::new(source.into()) })
    }

    /// Reads a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`TopkError::File`] that names the path and holds an error of [`read_from`](Self::read_from), also for
    /// bytes after the state's end.
    pub fn open(path: &Path) -> Result<Self, TopkError> {
        Self::read_whole(path)
            .map_err(|source| TopkError::File { path: path.into(), source: Box::new(source) })
    }

    fn read_whole(path: &Path) -> Result<Self, TopkError> {
        let mut reader = BufReader::new(File::open(path)?);
        let top_k = Self::read_from(&mut reader)?;
        if !reader.fill_buf()?.is_empty() {
            return Err(TopkError::Corrupt { what: "there are bytes after its end" });
        }
        Ok(top_k)
    }
}
