use std::path::Path;

use super::ending::ENDINGS;
use super::tally::LeftOut;
use crate::classes::Classes;
use crate::error::DataError;
use crate::notice::Notice;
use crate::options::DatasetOptions;
use crate::source::Source;

/// Opens a place; `None` if it is not of this kind.
pub(super) type Open = fn(&Path, &DatasetOptions) -> Option<Result<Opened, DataError>>;

/// A place that was opened.
pub(crate) struct Opened {
    pub(crate) source: Box<dyn Source>,
    pub(crate) classes: Classes,
    pub(crate) notices: Vec<Notice>,
}

impl Opened {
    /// Itself, if there is an image; `left_out` tells why there may be none at `place`.
    pub(super) fn unless_empty(self, place: &Path, left_out: &LeftOut) -> Result<Self, DataError> {
        if !self.source.is_empty() {
            return Ok(self);
        }
        let results = left_out.result_folders.count + left_out.result_pictures.count;
        Err(DataError::NoImages {
            root: place.into(),
            other_files: left_out.other_files,
            left_out: match (results, left_out.compressed.count) {
                (0, 0) => "",
                (0, _) => {
                    ", among them compressed archives: unpack them, or pack their images as a plain .tar"
                }
                _ => ", and results of neuron, which are left out unless their own folder is named",
            },
            endings: ENDINGS.join(", "),
        })
    }
}
