//! Which run writes where: a second one that would write to the same place is refused.
//!
//! A claim is a small file in the folder, locked by the operating system for as long as its process lives, however
//! that ends. It names what the run writes, so that runs for other units can go on beside it with one open file
//! each. Claims are looked at and made under one more lock, the folder's.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::identity::is_still;

/// So often a folder is made again that others remove.
const MOST_TRIES: usize = 100;

/// Held only while claims are looked at.
const FOLDER_LOCK: &str = ".neuron.lock";
const CLAIM_START: &str = ".neuron-";
const CLAIM_END: &str = ".claim";

/// Why a place cannot be claimed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Another process writes there.
    #[error("another run is writing to {}: {holder}", folder.display())]
    Taken {
        /// The folder of the claim.
        folder: PathBuf,
        /// What both would write, by the name that the other claimed; empty for all of the folder.
        name: String,
        /// Command, process and machine of the other run.
        holder: String,
    },
    /// The folder cannot be made, or no file in it.
    #[error("cannot write to the folder {}", folder.display())]
    Write {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The right to write some names in a folder; it ends when this is dropped or the process ends.
///
/// On a network file system it holds across machines as far as that passes locks on (NFS and CIFS do, Lustre when
/// mounted with `flock`). Where there are no locks at all, nothing is refused.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    /// The topmost folder that was made for this claim.
    made: Option<PathBuf>,
    path: PathBuf,
    /// Holds the lock.
    file: Option<File>,
}

impl Claim {
    /// Claims names in a folder, which is made if it is not there.
    ///
    /// Names are paths: `5` covers `5/top50`, and the empty name everything. `holder` says who claims them, for the
    /// message that another run gets.
    ///
    /// # Errors
    /// [`ClaimError::Taken`] if a living process claims one of them, or a part of one.
    pub fn take(folder: &Path, holder: &str, names: &[String]) -> Result<Self, ClaimError> {
        let failed = |source| ClaimError::Write { folder: folder.to_owned(), source };
        let made = first_missing(folder);
        let lock = make_and_lock(folder).map_err(failed)?;
        // From here on it cleans up when it is dropped, which an early return does after letting go of the lock.
        let mut claim = Self { folder: folder.to_owned(), made, path: PathBuf::new(), file: None };
        let lock = lock;
        if let Some((name, holder)) = conflict(folder, names).map_err(failed)? {
            return Err(ClaimError::Taken { folder: folder.to_owned(), name, holder });
        }
        (claim.path, claim.file) = register(folder, holder, names).map_err(failed)?;
        drop(lock);
        Ok(claim)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Nothing here can be reported; what stays behind is cleared by the next run.
        let lock = lock_folder(&self.folder);
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
        if claims(&self.folder).is_ok_and(|others| others.is_empty()) {
            let _ = fs::remove_file(self.folder.join(FOLDER_LOCK));
        }
        drop(lock);
        if let Some(made) = &self.made {
            remove_empty(&self.folder, made);
        }
    }
}

/// The topmost folder that would have to be made.
fn first_missing(folder: &Path) -> Option<PathBuf> {
    let missing = folder.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists());
    missing.last().map(Path::to_owned)
}

/// Removes empty folders, from `folder` up to `last`.
fn remove_empty(folder: &Path, last: &Path) {
    for above in folder.ancestors() {
        if fs::remove_dir(above).is_err() || above == last {
            return;
        }
    }
}

/// Makes the folder and locks it; another run may remove it in between because it was empty.
fn make_and_lock(folder: &Path) -> io::Result<File> {
    let mut tries = 0;
    loop {
        fs::create_dir_all(folder).map_err(|error| match fs::metadata(folder) {
            Ok(found) if !found.is_dir() => io::Error::other("it is no folder: name another place"),
            _ => error,
        })?;
        match lock_folder(folder) {
            // Some folders never take a file, such as one that was removed while it is the current one.
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < MOST_TRIES => tries += 1,
            lock => return lock,
        }
    }
}

/// Waits for the folder's own lock, which nobody holds for long; it ends with the file.
fn lock_folder(folder: &Path) -> io::Result<File> {
    let path = folder.join(FOLDER_LOCK);
    loop {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other(format!("{FOLDER_LOCK} in it is no regular file")));
        }
        match file.lock() {
            // A file system without locks: as good as it can be.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(file),
            locked => locked?,
        }
        // Whoever held it may have removed it as the last to leave.
        if is_still(&file, &path)? {
            return Ok(file);
        }
    }
}

/// The claims in a folder, whether or not their processes live.
fn claims(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_claim = |name: &str| name.starts_with(CLAIM_START) && name.ends_with(CLAIM_END);
        if entry.file_name().to_str().is_some_and(is_claim) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The name that a living claim has in common with `names`, and who holds it; claims of the dead are removed.
fn conflict(folder: &Path, names: &[String]) -> io::Result<Option<(String, String)>> {
    for path in claims(folder)? {
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => fs::remove_file(&path)?,
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                let mut lines = text.lines().map(unescaped);
                let holder = lines.next().unwrap_or_default();
                if let Some(name) = lines.find(|claimed| names.iter().any(|name| overlap(claimed, name))) {
                    return Ok(Some((name, holder)));
                }
            }
            // Without locks it cannot be told from one of the dead.
            Err(TryLockError::Error(_)) => {}
        }
    }
    Ok(None)
}

/// Writes and locks a claim under a number that is free; without a file where the system has no locks.
fn register(folder: &Path, holder: &str, names: &[String]) -> io::Result<(PathBuf, Option<File>)> {
    let mut number = 0;
    let (path, mut file) = loop {
        let path = folder.join(format!("{CLAIM_START}{number}{CLAIM_END}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            file => break (path, file?),
        }
    };
    if file.try_lock().is_err() {
        fs::remove_file(&path)?;
        return Ok((path, None));
    }
    let who = format!("{holder}, process {} on {}", std::process::id(), host());
    let lines = std::iter::once(who.as_str()).chain(names.iter().map(String::as_str));
    let text: String = lines.map(|line| escaped(line) + "\n").collect();
    match file.write_all(text.as_bytes()).and_then(|()| file.rewind()) {
        Ok(()) => Ok((path, Some(file))),
        // A full disk: nobody would remove it.
        Err(error) => {
            let _ = fs::remove_file(&path);
            Err(error)
        }
    }
}

/// Whether two names mean the same, or one lies below the other.
fn overlap(one: &str, other: &str) -> bool {
    let covers = |above: &str, below: &str| {
        above.is_empty()
            || below.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    covers(one, other) || covers(other, one)
}

/// One line, whatever the text holds.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text
}

/// The machine's name, where it can be had.
fn host() -> String {
    let named =
        fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or("this machine".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(folder: &Path, names: &[&str]) -> Result<Claim, ClaimError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Claim::take(folder, "a test", &names)
    }

    #[test]
    fn a_name_has_one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path(), &["1", "lists/7"]).unwrap();
        for taken in [&["1"][..], &["2", "1/top50"], &["lists"], &[""], &["lists/7"]] {
            let refused = take(folder.path(), taken).unwrap_err();
            assert!(refused.to_string().contains("a test, process"), "{refused}");
        }
        let second = take(folder.path(), &["10", "lists/70", "2\n1"]).unwrap();
        assert!(take(folder.path(), &["2\n1"]).is_err());
        drop(first);
        let third = take(folder.path(), &["1"]).unwrap();
        drop((second, third));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn claims_of_the_dead_are_cleared() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".neuron-0.claim"), "killed\n\n").unwrap();
        drop(take(folder.path(), &["1"]).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn folders_that_were_made_for_nothing_go_away() {
        let folder = tempfile::tempdir().unwrap();
        drop(take(&folder.path().join("a/b/c"), &["1"]).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let claim = take(&folder.path().join("a/b"), &["1"]).unwrap();
        fs::write(folder.path().join("a/b/result"), b"").unwrap();
        drop(claim);
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_takes_no_file_is_an_error() {
        assert!(take(Path::new("/proc/self"), &["1"]).is_err());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let refused = take(&folder.path().join("file"), &["1"]).unwrap_err();
        assert!(std::error::Error::source(&refused).unwrap().to_string().contains("no folder"));
    }

    #[test]
    fn many_threads_get_a_name_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut had = 0;
                    while had < 20 {
                        let Ok(_claim) = take(folder.path(), &["x"]) else {
                            std::thread::yield_now();
                            continue;
                        };
                        use std::sync::atomic::Ordering::SeqCst;
                        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two at once");
                        inside.fetch_sub(1, SeqCst);
                        had += 1;
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
