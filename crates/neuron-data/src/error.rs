use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::is_address;

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

    /// What lies in a store could not be listed.
    #[error("{source}")]
    Store {
        /// What the store said, with the address.
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

    /// The split holds no images, but something beside it does.
    #[error("no images under `{wanted}` of `{root}` ({other_files} other files), but under {present}")]
    EmptySplit {
        /// The data folder.
        root: PathBuf,
        /// Name of the split that was asked for.
        wanted: &'static str,
        /// Files in the split that were seen and are not images by their ending.
        other_files: usize,
        /// What has images.
        present: Present,
    },

    /// Nothing to work on.
    #[error(
        "no images under `{root}` ({other_files} other files{left_out}): a data folder holds `train/` or `val/`, \
         class folders or images, and the names of images end in {endings}"
    )]
    NoImages {
        /// The data folder or list.
        root: PathBuf,
        /// Files that were seen and are not images by their ending.
        other_files: usize,
        /// Says that results of `neuron` or compressed archives were left out, with `, ` before it; else empty.
        left_out: &'static str,
        /// The endings that count as images.
        endings: String,
    },

    /// A split was asked for where the folder of that name is read as a class.
    #[error(
        "`{root}` holds `{wanted}` beside `{beside}`, which has images too, so that both are classes: choose no \
         split to use all, or `{wanted}` itself as the data folder"
    )]
    SplitIsClass {
        /// The data folder.
        root: PathBuf,
        /// Name of the split that was asked for.
        wanted: &'static str,
        /// A folder that is a class.
        beside: String,
    },

    /// A file that should hold images cannot be opened.
    #[error("`{path}` cannot be used as {kind}: {reason}")]
    Archive {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
        /// What is wrong with it, and the way out.
        reason: String,
    },

    /// The data are parts of other splits than the one asked for.
    #[error(
        "`{root}` has no files called `{wanted}...`, only `{present}...`: choose that split, or other data"
    )]
    MissingPart {
        /// The data folder.
        root: PathBuf,
        /// Name of the split that was asked for.
        wanted: &'static str,
        /// What the names of the files begin with.
        present: &'static str,
    },

    /// A pattern of file names that cannot be spelled out.
    #[error("`{pattern}`: {problem}; a pattern is like `shard-{{000..127}}.tar` or `{{a,b}}.tar`")]
    Pattern {
        /// The pattern.
        pattern: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// Something else than a list of paths.
    #[error(
        "`{list}` is not a text file of paths but {looks_like}: choose a folder of images, or a list with one path \
         per line"
    )]
    NotAList {
        /// The file.
        list: PathBuf,
        /// What its beginning looks like.
        looks_like: &'static str,
    },

    /// Something else than text.
    #[error("`{path}` is not a text file but {looks_like}")]
    NotText {
        /// The file.
        path: PathBuf,
        /// What its beginning looks like.
        looks_like: &'static str,
    },

    /// A line of a list that cannot name a file.
    #[error("`{list}`, line {line} {problem}: a list holds one path per line, as UTF-8 text")]
    ListLine {
        /// The list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A list names a file that does not exist.
    #[error("`{list}`, line {line}: no file `{entry}`{bases}{hint}")]
    MissingFile {
        /// The list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The entry as written.
        entry: String,
        /// Where it was looked for, such as ``, below `photos` ``; empty of an absolute path.
        bases: String,
        /// What was found instead and could be meant, with `; ` before it; may be empty.
        hint: String,
    },

    /// The weights' metadata, or flags in their place, describe a preprocessing that makes no sense.
    #[error(
        "preprocessing: {key} = {value}: expected {expected}; --{key} says it, or else the weights' metadata"
    )]
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
    #[error("`{image}`: {source}")]
    Image {
        /// The file, or what a list calls the image.
        image: String,
        /// Why.
        source: ImageError,
    },
}

impl DataError {
    /// A place that cannot be read; stores name it themselves.
    pub(crate) fn unreadable(place: &Path, source: std::io::Error) -> Self {
        match is_address(place) {
            true => Self::Store { source },
            false => Self::Read { path: place.into(), source },
        }
    }
}

/// What holds images beside an empty split; displayed with the way to use them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Present {
    /// The other split.
    Split(&'static str),
    /// A folder that is no split.
    Folder(String),
}

impl fmt::Display for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split(name) => write!(f, "`{name}`: choose that split, or another data folder"),
            Self::Folder(name) => write!(f, "`{name}`: name that folder as the data, or another"),
        }
    }
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

    /// The store that holds the image does not answer any more, so that nothing else can be read from it, either.
    #[error("{problem}")]
    StoreDown {
        /// The store, and its last error.
        problem: String,
    },

    /// A folder, a pipe, a socket or a device.
    #[error("not a regular file but {kind}")]
    NotRegular {
        /// What it is.
        kind: &'static str,
    },

    /// The file's or folder's name is not UTF-8 or holds a line break.
    #[error("the name is not UTF-8 or holds a line break, so that no list can hold it: rename it")]
    UnlistableName,

    /// The name of a member leads out of its archive.
    #[error("the name is absolute or holds `..`: pack the image again under a plain name")]
    UnsafeName,

    /// Two members of an archive have one name.
    #[error(
        "an earlier member of the archive has the same name, so that no list can tell them apart: pack the image \
         again under another"
    )]
    RepeatedName,

    /// A part of an archive from which no image can be read.
    #[error("{problem}: copy or pack the archive again")]
    DamagedArchive {
        /// What was found.
        problem: String,
    },

    /// A part of an archive in a form that is not read.
    #[error("{what} is not supported: pack the archive again without it")]
    UnsupportedMember {
        /// What is not supported.
        what: String,
    },

    /// A folder in the place of the images in it.
    #[error("cannot read the folder, and its images are left out: {source}")]
    UnreadableFolder {
        /// What the system said.
        source: Arc<std::io::Error>,
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
    #[error(
        "{height} x {width} pixels are more than the limit of {limit}: raise the limit, or scale the image down"
    )]
    TooManyPixels {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// The limit, in pixels.
        limit: usize,
    },

    /// The file ends before the image does.
    #[error("truncated {format}: the file ends before the image does")]
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
