use std::path::PathBuf;

/// Why a data set, its listing or its preprocessing cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A folder, list or file could not be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// The data folder holds another split than the one asked for.
    #[error("`{root}` has no folder `{wanted}`, only `{present}`: choose that split, or another data folder")]
    MissingSplit {
        /// The data folder.
        root: PathBuf,
        /// Name of the split that was asked for.
        wanted: &'static str,
        /// Name of the split that is there.
        present: &'static str,
    },

    /// Nothing to work on.
    #[error(
        "no images under `{root}` ({other_files} other files): a data folder holds `train/` or `val/`, \
         class folders or images, and images end in {endings}"
    )]
    NoImages {
        /// The data folder or list.
        root: PathBuf,
        /// Files that were seen and are not images by their ending.
        other_files: usize,
        /// The endings that count as images.
        endings: String,
    },

    /// A name that the line-based outputs cannot hold.
    #[error(
        "the name of `{path}` is not UTF-8 or holds a line break: rename it, lists of files cannot hold it"
    )]
    UnlistableName {
        /// The file or folder.
        path: PathBuf,
    },

    /// A list names a file that does not exist.
    #[error("`{list}`, line {line}: no file `{entry}`, neither as it is nor below {bases}")]
    MissingFile {
        /// The list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The entry as written.
        entry: String,
        /// The folders that were tried.
        bases: String,
    },

    /// The weights' metadata describes a preprocessing that makes no sense.
    #[error("weights metadata `{key}` = `{value}`: expected {expected}")]
    Metadata {
        /// Key in the metadata.
        key: &'static str,
        /// Its value.
        value: String,
        /// What would have been understood.
        expected: &'static str,
    },

    /// A worker thread could not be started.
    #[error("cannot start a loader thread: {source}")]
    Thread {
        /// What the system said.
        source: std::io::Error,
    },

    /// One image could not be used.
    #[error("`{path}`: {source}")]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ImageError,
    },
}

/// Why a file did not become a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file could not be read.
    #[error("cannot read the file: {source}")]
    Read {
        /// What the system said.
        source: std::io::Error,
    },

    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,

    /// The bytes are something else.
    #[error("not an image but {looks_like}")]
    NotAnImage {
        /// What the bytes look like.
        looks_like: &'static str,
    },

    /// A picture in a form that this library does not decode.
    #[error("{format} with {feature} is not supported: convert it to PNG or baseline JPEG")]
    Unsupported {
        /// Name of the file format.
        format: &'static str,
        /// What is not supported.
        feature: String,
    },

    /// The file is larger than [`Limits::max_file_bytes`](crate::Limits::max_file_bytes).
    #[error("the file has {bytes} bytes, more than the limit of {limit}")]
    FileTooLarge {
        /// Size of the file.
        bytes: u64,
        /// The limit.
        limit: u64,
    },

    /// The picture is larger than [`Limits::max_pixels`](crate::Limits::max_pixels).
    #[error("{height} x {width} pixels are more than the limit of {limit}")]
    TooManyPixels {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// The limit, in pixels.
        limit: usize,
    },

    /// The file ends before the picture does.
    #[error("truncated {format}: the file ends before the picture does")]
    Truncated {
        /// Name of the file format.
        format: &'static str,
    },

    /// The bytes break the rules of their format.
    #[error("corrupt {format}: {reason}")]
    Corrupt {
        /// Name of the file format.
        format: &'static str,
        /// What the decoder found.
        reason: String,
    },

    /// A decoder failed in a way that its authors did not foresee.
    #[error("the decoder panicked: the file is most likely corrupt")]
    Panicked,
}
