use std::io;
use std::path::PathBuf;

/// What can go wrong when pictures are written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A file that stands where a picture or the mark belongs is something else.
    #[error("{path} is not what the demo writes there; choose another folder, or overwrite it", path = path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// A folder cannot be made, or a file not be read or written.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The caller's event handler asked to stop.
    #[error("stopped before all pictures were drawn")]
    Stopped,
}
