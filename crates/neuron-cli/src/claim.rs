//! Keeps two runs from writing to one place.

use std::path::Path;

use anyhow::Context;
use neuron_files::{Claim, ClaimError, Target};

/// Claims names in a folder for a command.
///
/// # Errors
/// If another run writes there: it says which, and what to do.
pub(crate) fn take(folder: &Path, command: &str, names: &[String]) -> anyhow::Result<Claim> {
    Claim::take(folder, command, names).map_err(|error| match error {
        taken @ ClaimError::Taken { .. } => {
            anyhow::anyhow!("{taken}; wait until it ends, or choose another place for this one")
        }
        other => other.into(),
    })
}

/// Claims a single file; `None` where there is nothing to claim, as for a pipe or a device.
pub(crate) fn take_file(path: &Path, command: &str) -> anyhow::Result<Option<Claim>> {
    let target = Target::of(path).with_context(|| format!("cannot write {}", path.display()))?;
    let Target::File(file) = target else { return Ok(None) };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    take(folder, command, &[format!("file {name}")]).map(Some)
}

/// Claims a folder that is replaced as a whole, from the folder that holds it.
pub(crate) fn take_folder(folder: &Path, command: &str) -> anyhow::Result<Claim> {
    // It may be called `.` or be a link.
    let place = std::fs::canonicalize(folder).or_else(|_| std::path::absolute(folder));
    let place = place.with_context(|| format!("cannot write {}", folder.display()))?;
    let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
    take(place.parent().unwrap_or(&place), command, &[format!("folder {name}")])
}
