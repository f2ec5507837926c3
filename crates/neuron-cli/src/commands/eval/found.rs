//! The pictures' files: found at the places that the command line names.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::flags::Args;
use super::record::Record;
use crate::outcome::WrongUsage;
use crate::usual::ARCH;

/// What a set of pictures that are named one by one is called.
const FILES: &str = "files";

/// What was found at the places that the command line names.
pub(super) struct Found {
    /// Names of the sets.
    pub(super) sets: Vec<String>,
    pub(super) files: Vec<File>,
}

/// A picture's file.
pub(super) struct File {
    pub(super) set: usize,
    pub(super) path: PathBuf,
    pub(super) record: Result<Option<Record>, String>,
}

impl File {
    fn new(set: usize, path: PathBuf) -> Self {
        let record = Record::beside(&path);
        Self { set, path, record }
    }
}

impl Found {
    /// The architecture: the one that was named, else the first that a record names.
    pub(super) fn arch<'a>(&'a self, args: &'a Args) -> &'a str {
        let recorded = || self.files.iter().find_map(|file| file.record.as_ref().ok()?.as_ref());
        let recorded = || recorded().map(|record| record.arch.as_str());
        args.arch.as_deref().or_else(recorded).unwrap_or(ARCH)
    }
}

/// Looks for pictures.
///
/// # Errors
/// If a place is not there, or holds none.
pub(super) fn find(paths: &[PathBuf]) -> anyhow::Result<Found> {
    let mut found = Found { sets: Vec::new(), files: Vec::new() };
    let mut files_set = None;
    for path in paths {
        if path.is_dir() {
            let set = found.sets.len();
            found.sets.push(path.display().to_string());
            let pictures = pictures_in(path)?;
            if pictures.is_empty() {
                bail!("{} holds no pictures (PNG)", path.display());
            }
            found.files.extend(pictures.into_iter().map(|path| File::new(set, path)));
            continue;
        }
        if !path.is_file() {
            bail!("there is no picture or folder {}", path.display());
        }
        if is_part(path) {
            let message = format!(
                "{} is no picture of its own, but belongs to one of fvis: name that one",
                path.display()
            );
            return Err(WrongUsage(message).into());
        }
        let set = *files_set.get_or_insert_with(|| {
            found.sets.push(FILES.to_owned());
            found.sets.len() - 1
        });
        found.files.push(File::new(set, path.clone()));
    }
    name_shortly(&mut found.sets);
    Ok(found)
}

/// Folders by their own names, where these differ.
fn name_shortly(sets: &mut [String]) {
    let short = |set: &String| {
        let name = Path::new(set).file_name();
        name.map_or_else(|| set.clone(), |name| name.to_string_lossy().into_owned())
    };
    let names: Vec<String> = sets.iter().map(short).collect();
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    if distinct.len() == sets.len() {
        sets.clone_from_slice(&names);
    }
}

/// The pictures of a folder by name.
fn pictures_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || format!("cannot read {}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(read)? {
        let path = entry.with_context(read)?.path();
        let is_png = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
        if is_png && path.is_file() && !is_part(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether a name is that of a masked picture, of a picture after some steps, or of facets side by side.
fn is_part(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let endings = ["_masked", "_facets"];
    endings.iter().any(|ending| stem.ends_with(ending))
        || number_behind(stem, "_step").is_some_and(|(_, rest)| rest.is_empty())
}

/// The channel that `_unit<channel>` in a file's name says.
pub(super) fn channel_in_name(path: &Path) -> Option<usize> {
    number_behind(path.file_stem()?.to_str()?, "_unit").map(|(number, _)| number)
}

/// The number behind the last `label`, and what comes after it.
fn number_behind<'t>(text: &'t str, label: &str) -> Option<(usize, &'t str)> {
    let (_, rest) = text.rsplit_once(label)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    Some((rest[..end].parse().ok()?, &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_picture_is() {
        for part in ["x_masked.png", "a/x_unit3_step20.png", "x_copy1_masked.png", "x_unit3_facets.png"] {
            assert!(is_part(Path::new(part)), "{part}");
        }
        for whole in
            ["x.png", "x_step.png", "x_step2_unit3.png", "x_unit3_copy1.png", "masked.png", "x_facet1.png"]
        {
            assert!(!is_part(Path::new(whole)), "{whole}");
        }
        let channel = |name: &str| channel_in_name(Path::new(name));
        assert_eq!(channel("a_unit1/resnet50_layer4_unit162_copy1.png"), Some(162));
        assert_eq!(channel("x_unit7.png"), Some(7));
        assert_eq!((channel("x_unit.png"), channel("a_unit3/x.png")), (None, None));
    }

    #[test]
    fn sets_have_short_names_where_these_differ() {
        let mut sets = ["runs/a/", "runs/b", "files"].map(str::to_owned);
        name_shortly(&mut sets);
        assert_eq!(sets, ["a", "b", "files"]);
        let mut alike = ["a/images", "b/images"].map(str::to_owned);
        name_shortly(&mut alike);
        assert_eq!(alike, ["a/images", "b/images"]);
    }
}
