use std::sync::Arc;

/// Why objects could not be listed or read.
///
/// Errors are cheap to copy: several threads may wait for one request.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Text that names no object.
    #[error("`{address}` is no address of a store: {problem}")]
    Address {
        /// The text.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A scheme that no store has.
    #[error("`{address}`: stores are named by {known}, not by `{scheme}://`")]
    Scheme {
        /// The address.
        address: String,
        /// What it begins with.
        scheme: String,
        /// What it may begin with.
        known: String,
    },

    /// The environment does not describe the store, or describes it wrongly.
    #[error("the store of `{address}` cannot be used ({problem}): {advice}")]
    Settings {
        /// The address.
        address: String,
        /// What is missing or wrong.
        problem: String,
        /// Which variables describe it.
        advice: &'static str,
    },

    /// A kind of store that says nothing of what it holds.
    #[error(
        "a web server does not say what lies under `{address}`: name files, such as \
         `https://host/shard-{{000..127}}.tar`"
    )]
    NoList {
        /// The address.
        address: String,
    },

    /// There is no such object.
    #[error("`{address}` is not there")]
    NotFound {
        /// The address.
        address: String,
    },

    /// The credentials are missing or do not suffice.
    #[error("`{address}` may not be read ({problem}): {advice}")]
    Denied {
        /// The address.
        address: String,
        /// What the store said.
        problem: String,
        /// Which variables have credentials.
        advice: &'static str,
    },

    /// The object is another than the one that was listed.
    #[error("`{address}` has changed since it was listed")]
    Changed {
        /// The address.
        address: String,
    },

    /// An object has more bytes than may be read.
    #[error("`{address}` has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The address.
        address: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },

    /// A range beyond the end.
    #[error("`{address}` ends before byte {end}")]
    End {
        /// The address.
        address: String,
        /// One past the last byte that was asked for.
        end: u64,
    },

    /// The store failed, again and again.
    #[error("`{address}` cannot be read: {problem}")]
    Failed {
        /// The address.
        address: String,
        /// What it said last.
        problem: Arc<str>,
    },

    /// What waited for the store is gone, which is a fault of this program.
    #[error("a request to a store was lost: {problem}")]
    Lost {
        /// How.
        problem: String,
    },

    /// The store has failed for several objects in a row.
    #[error("the store `{store}` does not answer any more; the last error was: {problem}")]
    Down {
        /// The store.
        store: String,
        /// What it said last.
        problem: Arc<str>,
    },
}

impl From<StoreError> for std::io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::NotFound { .. } => std::io::ErrorKind::NotFound,
            StoreError::Denied { .. } => std::io::ErrorKind::PermissionDenied,
            StoreError::End { .. } => std::io::ErrorKind::UnexpectedEof,
            _ => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
