use std::{io, path::PathBuf};

/// What can go wrong while scores are absorbed, or while a state is read or written.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum TopkError {
    /// A score is not a number, so it has no place in an order.
    #[error("the score of item {index} in channel {channel} is NaN; an earlier layer or the input is broken")]
    NanScore {
        /// Index of the item, as pushed.
        index: u32,
        /// Channel of the score.
        channel: usize,
    },

    /// A slice does not hold as many values as its shape asks for.
    #[error("{what}: expected {expected} values, found {found}")]
    Length {
        /// The argument.
        what: &'static str,
        /// Values that the shape asks for.
        expected: usize,
        /// Values in the slice.
        found: usize,
    },

    /// A channel lies outside of the structure.
    #[error("channel {channel} does not exist: there are {channels}, numbered from 0")]
    UnknownChannel {
        /// The channel asked for.
        channel: usize,
        /// Channels there are.
        channels: usize,
    },

    /// Two partial results were not made for the same question.
    #[error(
        "cannot merge the top {found_keep} of {found_channels} channels into the top {keep} of {channels}: \
         all parts must be made with the same channels and the same number to keep"
    )]
    Incompatible {
        /// Channels of the receiver.
        channels: usize,
        /// Entries a channel that the receiver keeps.
        keep: usize,
        /// Channels of the other part.
        found_channels: usize,
        /// Entries a channel that the other part keeps.
        found_keep: usize,
    },

    /// The bytes are no top-k state.
    #[error("not a top-k state: it does not begin with `neurtopk`")]
    NotAState,

    /// The state was written by a version that this one does not know.
    #[error("the state has format version {found}, but this build reads version {supported}")]
    UnsupportedVersion {
        /// Version in the header.
        found: u32,
        /// The version that can be read.
        supported: u32,
    },

    /// The state ends before its last byte.
    #[error("the state is truncated")]
    Truncated,

    /// The state contradicts itself: bytes were changed after it was written.
    #[error("the state is corrupt: {what}")]
    Corrupt {
        /// The contradiction.
        what: &'static str,
    },

    /// A reader or a writer failed.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// A file could not be opened, understood, or put in its place.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<TopkError>,
    },
}
