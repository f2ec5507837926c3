use std::path::PathBuf;

/// An image of the data set, or a file of results, that could not be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it was looked for.
    pub path: PathBuf,
    /// Why it cannot be shown.
    pub reason: String,
}
