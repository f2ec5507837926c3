use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::output::{self, Files};

/// A file that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SkippedImage {
    /// Index in the data set.
    pub(crate) index: usize,
    /// Name below the data folder.
    pub(crate) image: String,
    pub(crate) reason: String,
}

/// Writes the list of files that were left out, or removes an old one if there are none.
pub(crate) fn write_skipped<'a>(
    files: &impl Files,
    path: &Path,
    skipped: impl IntoIterator<Item = &'a SkippedImage>,
) -> anyhow::Result<()> {
    let mut skipped = skipped.into_iter().peekable();
    if skipped.peek().is_none() {
        return output::remove(path);
    }
    files.write(path, |writer| {
        writeln!(writer, "index\timage\treason")?;
        for item in skipped {
            let plain = |text: &str| text.replace(['\t', '\n', '\r'], " ");
            writeln!(writer, "{}\t{}\t{}", item.index, plain(&item.image), plain(&item.reason))?;
        }
        Ok(())
    })
}
