//! The configurations that the Hub's libraries keep beside weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use neuron_data::Preprocessing;
use serde_json::Value;

use super::error::{ConfigurationError, Problem};
use super::{open_clip, timm, transformers};
use crate::input;

/// A configuration longer than this is something else.
const MAX_BYTES: u64 = 1 << 20;

/// Links that lead on to others; a circle never ends.
const MAX_LINKS: usize = 40;

/// Some editors begin a file with this.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Preprocessing as a weights file's metadata says it.
type Metadata = BTreeMap<String, String>;

/// What a reader makes of a configuration: metadata, or nothing if it says nothing of preprocessing.
type Reader = fn(&Value) -> Result<Option<Metadata>, Problem>;

/// A configuration of one of the Hub's libraries.
struct Kind {
    file: &'static str,
    read: Reader,
    /// Whether a file of that name is the library's: others use the name, too.
    is_theirs: fn(&Value) -> bool,
    /// Words of which the library's files hold one, by which a damaged one is known.
    words: &'static [&'static str],
}

/// The first is asked first.
const KINDS: [Kind; 3] = [
    Kind {
        file: "config.json",
        read: timm::metadata,
        is_theirs: |value| timm::is_timms(value) || transformers::is_model(value),
        words: &["\"pretrained_cfg\"", "\"default_cfg\""],
    },
    Kind {
        file: "open_clip_config.json",
        read: open_clip::metadata,
        is_theirs: open_clip::is_open_clips,
        words: &["\"vision_cfg\""],
    },
    // Nobody else has files of that name.
    Kind {
        file: "preprocessor_config.json",
        read: transformers::metadata,
        is_theirs: |_| true,
        words: &[""],
    },
];

/// What lies beside weights.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The first configuration that says something of preprocessing, and what.
    pub(super) configuration: Option<(PathBuf, Metadata)>,
    /// Names of configurations under which there are files of somebody's own.
    pub(super) others: BTreeSet<&'static str>,
}

/// Looks beside the weights, and where they are links, beside what they lead to, step by step.
///
/// # Errors
/// [`ConfigurationError`] if a configuration of timm, OpenCLIP or transformers is damaged, or wants what is not supported.
pub(super) fn read(weights: &Path) -> Result<Beside, ConfigurationError> {
    let mut beside = Beside::default();
    for weights in steps(weights) {
        for kind in &KINDS {
            let path = weights.with_file_name(kind.file);
            if !path.is_file() {
                continue;
            }
            let bytes = input::read(&path, MAX_BYTES)
                .map_err(|source| ConfigurationError::Read { path: path.clone(), source })?;
            match kind.metadata(&bytes) {
                Ok(Some(metadata)) => {
                    beside.configuration = Some((path, metadata));
                    return Ok(beside);
                }
                Ok(None) => {}
                Err(Problem::Foreign) => {
                    beside.others.insert(kind.file);
                }
                Err(Problem::Type(source)) => return Err(ConfigurationError::Parse { path, source }),
                Err(Problem::Unsupported(what)) => {
                    return Err(ConfigurationError::Unsupported { path, what });
                }
            }
        }
    }
    Ok(beside)
}

impl Kind {
    fn metadata(&self, bytes: &[u8]) -> Result<Option<Metadata>, Problem> {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => {
                let text = String::from_utf8_lossy(bytes);
                let is_theirs = self.words.iter().any(|word| text.contains(word));
                return Err(if is_theirs { Problem::Type(error) } else { Problem::Foreign });
            }
        };
        if !(self.is_theirs)(&value) {
            return Err(Problem::Foreign);
        }
        let metadata = (self.read)(&value)?;
        if let Some(metadata) = &metadata {
            Preprocessing::from_metadata(metadata)?;
        }
        Ok(metadata)
    }
}

/// A path and all that it leads to as a link.
pub(crate) fn steps(path: &Path) -> Vec<PathBuf> {
    let mut steps = vec![path.to_owned()];
    while let Some(last) = steps.last()
        && let Ok(target) = last.read_link()
        && steps.len() <= MAX_LINKS
    {
        // A relative link begins where it stands.
        let target = last.parent().unwrap_or(Path::new("")).join(target);
        steps.push(target);
    }
    steps
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const TIMM: &str = r#"{"pretrained_cfg": {"mean": [0.5, 0.25, 0.125]}}"#;

    /// `weights/w` leads to `snapshot/model`, which leads to `blobs/abc`, as in a cache of the Hub.
    fn cache() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["weights", "snapshot", "blobs"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("blobs/abc"), "").unwrap();
        symlink("../blobs/abc", folder.path().join("snapshot/model")).unwrap();
        symlink("../snapshot/model", folder.path().join("weights/w")).unwrap();
        folder
    }

    #[test]
    fn a_configuration_beside_any_step_of_a_link_is_read_and_the_nearest_wins() {
        let folder = cache();
        let found = || read(&folder.path().join("weights/w")).unwrap().configuration;
        assert!(found().is_none());
        for (place, mean) in [("blobs", "0.5"), ("snapshot", "0.25"), ("weights", "0.125")] {
            let configuration = TIMM.replace("[0.5, 0.25, 0.125]", &format!("[{mean}, {mean}, {mean}]"));
            fs::write(folder.path().join(place).join("config.json"), configuration).unwrap();
            assert_eq!(found().unwrap().1["mean"], [mean; 3].join(","), "{place}");
        }
    }

    #[test]
    fn a_circle_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(read(&folder.path().join("a")).unwrap().configuration.is_none());
    }
}
