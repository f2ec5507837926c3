//! Networks in files of their own: `--arch model.pt2`, `--arch model.onnx`.
//!
//! Defaults of flags depend on the network, and clap wants them before it reads the command line. So the file is opened when
//! the command line is looked at, and kept.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use neuron_import::{ImportError, Imported, Missing};
use neuron_model::UsualLayers;

/// Files that were opened.
static OPENED: LazyLock<Mutex<HashMap<PathBuf, Imported>>> = LazyLock::new(Mutex::default);

/// What was typed for the network of a name, for command lines that people can copy.
pub(crate) fn as_typed(network: &str) -> &str {
    NAMED.get().map(|(arch, _)| &**arch).filter(|arch| name(arch) == network).unwrap_or(network)
}

/// Whether two spellings of an architecture name files that give the network the same name. What they hold is compared by the
/// hash of their weights.
pub(crate) fn are_one(arch: &str, other: &str) -> bool {
    path(arch).is_some() && path(other).is_some() && name(arch) == name(other)
}

/// The file that the command line names, and its usual layers.
static NAMED: OnceLock<(String, UsualLayers)> = OnceLock::new();

/// The file that an architecture is, if it is one.
pub(crate) fn path(arch: &str) -> Option<&Path> {
    let path = Path::new(arch);
    let looks_like_one = neuron_import::is_exported(path) || path.components().count() > 1 && path.is_file();
    looks_like_one.then_some(path)
}

/// The name of a network: what its file is called, without its ending and its folder; else the architecture's own.
pub(crate) fn name(arch: &str) -> String {
    let stem = path(arch).and_then(Path::file_stem).and_then(|stem| stem.to_str());
    stem.unwrap_or(arch).to_owned()
}

/// The network in a file.
///
/// # Errors
/// Those of [`neuron_import::open`].
pub(crate) fn open(path: &Path) -> Result<Imported, ImportError> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = opened.get(path) {
        return Ok(known.clone());
    }
    let imported = neuron_import::open(path)?;
    opened.insert(path.to_owned(), imported.clone());
    Ok(imported)
}

/// Looks for a file among the arguments, of which the last counts. What is wrong with it is told by the command.
pub(crate) fn look_for(arguments: &[OsString]) {
    let mut arch = None;
    // Behind `--`, too: there `plan` has another command.
    let mut left = arguments.iter().filter_map(|argument| argument.to_str());
    while let Some(argument) = left.next() {
        match argument.split_once('=') {
            Some(("--arch" | "--arch_name" | "--arch-name", value)) => arch = Some(value),
            None if matches!(argument, "--arch" | "--arch_name" | "--arch-name") => arch = left.next(),
            _ => {}
        }
    }
    let Some((arch, path)) = arch.and_then(|arch| Some((arch, path(arch)?))) else { return };
    if let Ok(imported) = open(path) {
        // Only one command line is parsed in a process.
        let _ = NAMED.set((arch.to_owned(), imported.graph.usual_layers()));
    }
}

/// The file that the command line names, and its usual layers.
pub(crate) fn usual() -> impl Iterator<Item = (&'static str, &'static UsualLayers)> {
    NAMED.get().map(|(arch, usual)| (arch.as_str(), usual)).into_iter()
}

/// What of a network cannot be run, in words; `None` if all of it can.
pub(crate) fn told(missing: &[Missing]) -> Option<String> {
    let affected = missing.first()?.affected.max(missing.len());
    let lines: Vec<String> = missing
        .iter()
        .map(|Missing { operator, first, count, .. }| match count {
            1 => format!("  {operator}, in {first}"),
            count => format!("  {operator}, first in {first}, {count} times"),
        })
        .collect();
    Some(format!(
        "some of its operators are not supported, and {affected} that need them are left out; layers below them work:\n{}",
        lines.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_name_that_it_is_called() {
        assert_eq!(name("nets/mine.pt2"), "mine");
        assert_eq!(name("mine.v2.onnx"), "mine.v2");
        assert_eq!(name("resnet50"), "resnet50");
        assert_eq!(path("resnet50"), None);
        assert_eq!(path("nets/none"), None);
    }
}
