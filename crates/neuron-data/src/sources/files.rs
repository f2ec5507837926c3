use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::archives::{Archived, Archives, Contents};
use crate::address;
use crate::error::ImageError;
use crate::file::read_file;
use crate::limits::Limits;
use crate::names::Names;
use crate::source::Source;
use crate::unusable::Unusable;

/// Images in files below some folders: in one of their own each, or in an archive with others.
#[derive(Debug)]
pub(super) struct Files {
    /// The folders that relative names start from.
    bases: Vec<PathBuf>,
    names: Names,
    /// The base of each file.
    base_of: Vec<u16>,
    /// By index, what is known to give no picture.
    unusable: BTreeMap<usize, Unusable>,
    /// By index, what lies in one of `archives`.
    archived: BTreeMap<usize, Archived>,
    archives: Vec<Arc<Contents>>,
}

impl Files {
    /// No files yet.
    pub(super) fn below(bases: Vec<PathBuf>) -> Self {
        Self {
            bases,
            names: Names::new(),
            base_of: Vec::new(),
            unusable: BTreeMap::new(),
            archived: BTreeMap::new(),
            archives: Vec::new(),
        }
    }

    pub(super) fn bases(&self) -> &[PathBuf] {
        &self.bases
    }

    /// Adds a file below a base, by the parts of its name; empty ones count for nothing.
    pub(super) fn push(&mut self, base: u16, parts: &[&str]) {
        self.names.push_joined(parts);
        self.base_of.push(base);
    }

    /// Says of the file that was added last that it gives no picture.
    pub(super) fn last_is_unusable(&mut self, unusable: Unusable) {
        self.unusable.insert(self.names.len() - 1, unusable);
    }

    /// Says of the file that was added last that it lies in an archive.
    pub(super) fn last_is_archived(&mut self, archived: Archived) {
        self.archived.insert(self.names.len() - 1, archived);
    }

    /// Takes over the archives in which files lie.
    pub(super) fn hold(&mut self, archives: Archives) {
        self.archives = archives.into_contents();
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.names.shrink_to_fit();
        self.base_of.shrink_to_fit();
    }

    pub(super) fn path(&self, index: usize) -> PathBuf {
        match self.unusable.get(&index) {
            Some(unusable) => unusable.path.clone(),
            None => address::join(&self.bases[usize::from(self.base_of[index])], self.names.get(index)),
        }
    }
}

impl Source for Files {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn name(&self, index: usize) -> &str {
        self.names.get(index)
    }

    fn entry(&self, index: usize) -> String {
        self.path(index).display().to_string()
    }

    fn encoded_bytes(&self, index: usize) -> u64 {
        if let Some(Archived { archive, index }) = self.archived.get(&index) {
            return self.archives[*archive].bytes(*index);
        }
        match self.unusable.contains_key(&index) {
            true => u64::MAX,
            false => std::fs::metadata(self.path(index)).map_or(u64::MAX, |file| file.len()),
        }
    }

    fn read<'a>(
        &'a self,
        index: usize,
        limits: &Limits,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ImageError> {
        if let Some(Archived { archive, index }) = self.archived.get(&index) {
            self.archives[*archive].read(*index, limits, buffer)?;
            return Ok(buffer);
        }
        match self.unusable.get(&index) {
            Some(unusable) => Err(unusable.reason()),
            None => {
                read_file(&self.path(index), limits, buffer)?;
                Ok(buffer)
            }
        }
    }
}
