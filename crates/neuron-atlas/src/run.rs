//! The runs of commands that made the results.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

/// Index of a run among all of an atlas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId(pub(crate) usize);

/// A run of a command, as its manifest or record describes it.
#[derive(Debug)]
pub(crate) struct Run {
    /// Name of the command.
    pub(crate) command: String,
    /// How to run it again, where the maker knows.
    pub(crate) line: Option<String>,
    /// Everything that decided its result.
    pub(crate) scan: Value,
}

impl Run {
    /// Text at a path of keys such as `/settings/arch`.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.scan.pointer(pointer).and_then(Value::as_str)
    }

    /// A number at a path of keys.
    pub(crate) fn number(&self, pointer: &str) -> Option<u64> {
        self.scan.pointer(pointer).and_then(Value::as_u64)
    }

    /// The folder or list that the images came from.
    pub(crate) fn data(&self) -> Option<PathBuf> {
        self.text("/settings/data").map(PathBuf::from)
    }
}

/// All runs, each once, in the order in which they are met.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    runs: Vec<Run>,
    known: HashMap<String, RunId>,
}

impl Runs {
    /// Adds a run, of which `line` tells the command line; units that a run has in common share it.
    pub(crate) fn add(&mut self, scan: Value, line: impl FnOnce(&Value) -> Option<String>) -> RunId {
        let identity = scan.to_string();
        if let Some(id) = self.known.get(&identity) {
            return *id;
        }
        let command = scan.get("command").and_then(Value::as_str).unwrap_or("unknown").to_owned();
        let line = line(&scan);
        let id = RunId(self.runs.len());
        self.runs.push(Run { command, line, scan });
        self.known.insert(identity, id);
        id
    }

    pub(crate) fn get(&self, id: RunId) -> &Run {
        &self.runs[id.0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }
}
