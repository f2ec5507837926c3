//! One place under several spellings: `d`, `d/`, `./d` and its absolute path.

use std::path::{Component, Path, PathBuf};

/// Whether two paths lead to the same place.
///
/// They do if they differ in spelling only (`d`, `d/`, `./d`, or what is absolute and what starts from the current
/// folder), or if the file system says so: links are followed where both are there.
pub fn is_same_place(left: &Path, right: &Path) -> bool {
    is_spelled_alike(left, right)
        || match (std::fs::canonicalize(or_here(left)), std::fs::canonicalize(or_here(right))) {
            (Ok(left), Ok(right)) => left == right,
            _ => false,
        }
}

/// Whether two paths are the same without a look at the file system.
pub(crate) fn is_spelled_alike(left: &Path, right: &Path) -> bool {
    match (std::path::absolute(or_here(left)), std::path::absolute(or_here(right))) {
        (Ok(left), Ok(right)) => left == right,
        _ => plain_path(left) == plain_path(right),
    }
}

/// A path from the root, without `.` and `..`: the same for all spellings of it, as far as no link is involved.
pub(crate) fn spelled_out(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(or_here(path)).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

/// The rest of a path behind a folder, however both are spelled; `None` if it does not lie below.
pub(crate) fn below<'p>(folder: &Path, path: &'p str) -> Option<&'p str> {
    let rest = match plain_path(Path::new(path)).strip_prefix(plain_path(folder)) {
        Ok(rest) => rest,
        Err(_) => {
            let absolute = std::path::absolute(path).ok()?;
            let parts =
                absolute.strip_prefix(std::path::absolute(or_here(folder)).ok()?).ok()?.components().count();
            last_parts(Path::new(path), parts)?
        }
    };
    let goes_down = rest.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    rest.to_str().filter(|rest| !rest.is_empty() && goes_down)
}

/// The last so many components of a path.
fn last_parts(path: &Path, parts: usize) -> Option<&Path> {
    let mut components = path.components();
    let all = components.clone().count();
    for _ in 0..all.checked_sub(parts)? {
        components.next();
    }
    Some(components.as_path())
}

/// A path without a leading `./`.
pub(crate) fn plain(path: &str) -> &str {
    plain_path(Path::new(path)).to_str().unwrap_or(path)
}

fn plain_path(path: &Path) -> &Path {
    let mut components = path.components();
    while components.clone().next() == Some(Component::CurDir) {
        components.next();
    }
    components.as_path()
}

/// The empty path stands for the current folder.
fn or_here(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_place() {
        let here = std::env::current_dir().unwrap();
        for other in ["d/", "./d", "d/.", ".//d//"] {
            assert!(is_same_place(Path::new("d"), Path::new(other)), "{other}");
        }
        assert!(is_same_place(Path::new("d"), &here.join("d")));
        assert!(is_same_place(Path::new(""), Path::new(".")));
        assert!(is_same_place(Path::new("."), &here));
        for other in ["e", "d/e", ".", "/d"] {
            assert!(!is_same_place(Path::new("d"), Path::new(other)), "{other}");
        }
    }

    #[test]
    fn every_spelling_is_spelled_out_alike() {
        let plain = std::env::current_dir().unwrap().join("d/a.png");
        for spelling in ["d/a.png", "./d/a.png", "d//a.png", "d/../d/./a.png", plain.to_str().unwrap()] {
            assert_eq!(spelled_out(Path::new(spelling)), plain, "{spelling}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_the_same_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::os::unix::fs::symlink("d", folder.path().join("link")).unwrap();
        assert!(is_same_place(&folder.path().join("d"), &folder.path().join("link")));
        assert!(is_same_place(&folder.path().join("d"), &folder.path().join("link/../d")));
    }

    #[test]
    fn the_rest_behind_a_folder() {
        let absolute = std::env::current_dir().unwrap().join("d/a/1.png").to_str().unwrap().to_owned();
        for folder in ["d", "d/", "./d", "d/."] {
            for path in ["d/a/1.png", "./d/a/1.png", "d//a/1.png", &absolute] {
                assert_eq!(
                    below(Path::new(folder), path).map(Path::new),
                    Some(Path::new("a/1.png")),
                    "{folder} {path}"
                );
            }
        }
        for (folder, path, expected) in [
            (".", "./a.png", Some("a.png")),
            ("", "a.png", Some("a.png")),
            ("/old/d", "/old/d/a.png", Some("a.png")),
            ("/old/d", "/old/dd/a.png", None),
            ("/old/d", "/old/d", None),
            ("d", "e/a.png", None),
            ("d", "d/../e/a.png", None),
        ] {
            assert_eq!(below(Path::new(folder), path), expected, "{folder} {path}");
        }
    }
}
