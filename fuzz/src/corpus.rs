//! The seeds of each target, and the words of its format.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An input that is kept in the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Name of its file; one that begins with `ok` is sound, and its target takes it.
    pub name: String,
    /// What is read.
    pub bytes: Vec<u8>,
}

impl Seed {
    /// Whether its target has to take it.
    pub fn is_sound(&self) -> bool {
        self.name.starts_with("ok")
    }
}

/// The folder of this crate, where seeds, dictionaries and findings lie.
pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of a target's seeds.
pub fn folder(target: &str) -> PathBuf {
    home().join("corpus").join(target)
}

/// The seeds of a target, by name.
///
/// # Errors
/// If they cannot be read.
pub fn seeds(target: &str) -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for entry in fs::read_dir(folder(target))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        seeds.push(Seed { name, bytes: fs::read(entry.path())? });
    }
    seeds.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(seeds)
}

/// The words of a target's format, one in quotes a line, as libFuzzer reads them; none if there is no such file.
///
/// # Errors
/// If the file cannot be read, or holds another line.
pub fn dictionary(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let path = home().join("dictionaries").join(format!("{target}.dict"));
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let wrong = |line: &str| io::Error::other(format!("{}: {line} is no word in quotes", path.display()));
    lines.map(|line| word(line).ok_or_else(|| wrong(line))).collect()
}

/// The bytes between quotes; `\xNN`, `\\` and `\"` are one byte each.
fn word(line: &str) -> Option<Vec<u8>> {
    let mut rest = line.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut word = Vec::new();
    while let [first, behind @ ..] = rest {
        let byte = match (first, behind) {
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                rest = behind;
                (digit(*high)? * 16 + digit(*low)?) as u8
            }
            (b'\\', [escaped @ (b'\\' | b'"'), behind @ ..]) => {
                rest = behind;
                *escaped
            }
            (b'\\', _) => return None,
            (plain, behind) => {
                rest = behind;
                *plain
            }
        };
        word.push(byte);
    }
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_libfuzzer_reads_them() {
        assert_eq!(word(r#""a\xffb\\\"c""#), Some(b"a\xffb\\\"c".to_vec()));
        for wrong in ["a", "\"a", r#""\n""#, r#""\xg0""#] {
            assert_eq!(word(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_target_has_seeds_and_a_dictionary_that_can_be_read() {
        for (target, _) in crate::TARGETS {
            assert!(seeds(target).unwrap().iter().any(Seed::is_sound), "{target}");
            dictionary(target).unwrap();
        }
    }
}
