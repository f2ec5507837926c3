//! Zips of images, stored or deflated.
//!
//! The list of members is read once; what reading an image needs of it is kept, some forty bytes, and not the rest.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use flate2::read::DeflateDecoder;
use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipArchive};

use super::contents::{Called, Contents, Listing, Members, called, promises_image};
use super::reading::{ArchiveFile, Part};
use crate::decode;
use crate::error::{DataError, ImageError};
use crate::limits::Limits;
use crate::unusable::Problem;

/// What is read at once where headers lie, each before an image.
const HEADER_WINDOW: usize = 4096;
/// What is read of a packed member at once.
const WINDOW: usize = 64 << 10;
/// Deflate makes at most so many bytes of one.
const MOST_UNPACKING: u64 = 1032;

pub(super) fn open(place: &Path) -> Result<Contents, DataError> {
    let file = ArchiveFile::open(place)?;
    let part = || {
        let part = Part::of(&file, 0, file.bytes(), HEADER_WINDOW);
        part.map_err(|source| DataError::Read { path: place.into(), source })
    };
    let wrong = |error| {
        let mut head = vec![0; file.bytes().min(4096) as usize];
        let looks_like = file.read_at(0, &mut head).map(|()| decode::describe(&head));
        let reason = format!(
            "it is {}, or damaged ({error}); unpack it, copy it again, or name another file",
            looks_like.unwrap_or("something else")
        );
        DataError::Archive { path: place.into(), kind: "a zip", reason }
    };
    // A zip mostly begins where its file does, and may hold others: its start is searched for only if it does not.
    let whole = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut zip = match ZipArchive::with_config(whole, part()?) {
        Ok(zip) => zip,
        Err(_) => match ZipArchive::new(part()?) {
            Ok(zip) => zip,
            Err(error) => {
                file.listed()?;
                return Err(wrong(error));
            }
        },
    };
    let (mut listing, mut members) = (Listing::default(), Vec::new());
    // Of one name the last is in the list, and nothing is said of the others.
    listing.seen.has_repeats = zip.has_duplicate_names();
    for index in 0..zip.len() {
        list(&mut zip, index, &mut listing, &mut members);
        members.resize(listing.len(), Member::default());
    }
    file.listed()?;
    Ok(listing.finish(place.into(), Box::new(Zip { file, members })))
}

/// Adds a member, if it is an image.
fn list(zip: &mut ZipArchive<Part>, index: usize, listing: &mut Listing, members: &mut Vec<Member>) {
    let listed = zip.name_for_index(index).and_then(Result::ok).map(Cow::into_owned);
    let entry = match zip.by_index_raw(index) {
        Ok(entry) => entry,
        Err(error) => {
            let problem = format!("the archive is damaged where this member should be ({error})");
            if let Called::Plain(name) = called(listed.unwrap_or_default().as_bytes())
                && promises_image(name.as_bytes())
            {
                listing.push_unusable(&name, Problem::Damaged(problem.into()));
            } else {
                listing.push_rest(&problem);
            }
            return;
        }
    };
    let name = entry.name_raw();
    if name.ends_with(b"/") || entry.is_dir() {
        return;
    }
    let (is_special, is_image) = (entry.is_symlink(), promises_image(name));
    match called(name) {
        Called::Hidden => {}
        Called::Plain(name) | Called::Wrong(name, _) if is_special => listing.seen.special.add(&name),
        Called::Plain(name) | Called::Wrong(name, _) if !is_image => listing.leave_out(&name),
        Called::Wrong(shown, problem) => listing.push_unusable(&shown, problem),
        Called::Plain(name) => {
            let method = entry.compression();
            let unsupported = match method {
                _ if entry.encrypted() => Some("a password".to_owned()),
                CompressionMethod::Stored | CompressionMethod::Deflated => None,
                other => Some(format!("compression by {other}")),
            };
            match (unsupported, entry.data_start()) {
                (Some(what), _) => listing.push_unusable(&name, Problem::Unsupported(what.into())),
                (None, None) => {
                    listing.push_unusable(
                        &name,
                        Problem::Damaged("the member lies nowhere in the archive".into()),
                    );
                }
                (None, Some(start)) => {
                    members.push(Member {
                        start,
                        packed_bytes: entry.compressed_size(),
                        checksum: entry.crc32(),
                        is_stored: method == CompressionMethod::Stored,
                    });
                    listing.push(&name, entry.size());
                }
            }
        }
    }
}

/// Where an image lies.
#[derive(Clone, Copy, Debug, Default)]
struct Member {
    start: u64,
    packed_bytes: u64,
    checksum: u32,
    is_stored: bool,
}

#[derive(Debug)]
struct Zip {
    file: ArchiveFile,
    members: Vec<Member>,
}

impl Members for Zip {
    fn read(
        &self,
        index: usize,
        bytes: u64,
        limits: &Limits,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ImageError> {
        limits.check_file(bytes)?;
        let Member { start, packed_bytes, checksum, is_stored } = self.members[index];
        let failed = |source| ImageError::Read { source };
        if is_stored {
            if packed_bytes != bytes {
                return Err(damaged("the sizes of the member contradict each other"));
            }
            self.file.read_into(start, bytes, buffer).map_err(failed)?;
        } else {
            buffer.clear();
            // No more than can come of what is there, whatever the archive says.
            let packed_bytes = packed_bytes.min(self.file.bytes());
            buffer.reserve(bytes.min(packed_bytes.saturating_mul(MOST_UNPACKING)) as usize);
            let part = Part::of(&self.file, start, packed_bytes, WINDOW.min(packed_bytes as usize + 1))
                .map_err(failed)?;
            let unpacked = DeflateDecoder::new(part).take(bytes.saturating_add(1)).read_to_end(buffer);
            unpacked.map_err(|error| damaged(&format!("the member cannot be unpacked ({error})")))?;
            if buffer.len() as u64 != bytes {
                return Err(damaged("the member has another size than the archive says"));
            }
        }
        match crc32fast::hash(buffer) == checksum {
            true => Ok(()),
            false => Err(damaged("the member does not have its checksum")),
        }
    }
}

fn damaged(problem: &str) -> ImageError {
    ImageError::DamagedArchive { problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use ::zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;
    use crate::dataset::Dataset;
    use crate::options::DatasetOptions;

    /// A zip of some members, deflated or stored in turn.
    fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (at, (name, bytes)) in members.iter().enumerate() {
            let method = [CompressionMethod::Deflated, CompressionMethod::Stored][at % 2];
            zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn opened(zip: &[u8]) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.zip");
        std::fs::write(&place, zip).unwrap();
        let dataset = Dataset::open(&place, &DatasetOptions::default()).map_err(|error| error.to_string());
        // What is open can be read on without its name.
        dataset.inspect(|_| drop(folder))
    }

    fn shown(dataset: &Dataset, limits: &Limits) -> Vec<String> {
        let mut buffer = Vec::new();
        let mut show = |index| match dataset.read(index, limits, &mut buffer) {
            Ok(bytes) => format!("{} {}", bytes.len(), bytes[0]),
            Err(error) => error.to_string(),
        };
        (0..dataset.len()).map(&mut show).collect()
    }

    fn names(dataset: &Dataset) -> Vec<&str> {
        (0..dataset.len()).map(|index| dataset.name(index)).collect()
    }

    #[test]
    fn members_are_read_in_their_order_with_their_folders_as_classes() {
        let members: [(&str, &[u8]); 5] = [
            ("b/2.png", &[7; 5000]),
            ("a/1.png", &[8; 300]),
            ("a/notes.txt", b"?"),
            ("__MACOSX/a/._1.png", b"?"),
            ("a/3.png", b""),
        ];
        let dataset = opened(&zip_of(&members)).unwrap();
        assert_eq!(names(&dataset), ["a.zip::b/2.png", "a.zip::a/1.png", "a.zip::a/3.png"]);
        let classes: Vec<&str> = (0..3).map(|index| dataset.class(index).unwrap().label()).collect();
        assert_eq!(classes, ["b", "a", "a"]);
        let mut buffer = Vec::new();
        for (index, member) in [0, 1, 4].into_iter().enumerate() {
            assert_eq!(dataset.read(index, &Limits::default(), &mut buffer).unwrap(), members[member].1);
        }
        assert_eq!(dataset.notices().len(), 1);
    }

    #[test]
    fn bombs_and_damage_are_errors_of_their_image() {
        let mut zip = zip_of(&[("1.png", &[0; 1 << 20]), ("2.png", &[5; 50]), ("../3.png", b"x")]);
        let small = Limits { max_file_bytes: 1000, ..Limits::default() };
        let dataset = opened(&zip).unwrap();
        let said = shown(&dataset, &small);
        assert!(
            said[0].contains("1048576 bytes, more than the limit of 1000") && said[1] == "50 5",
            "{said:?}"
        );
        assert!(said[2].contains("holds `..`"), "{said:?}");

        // The list says that the first member is small.
        let list = zip.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        zip[list + 24..list + 28].copy_from_slice(&9u32.to_le_bytes());
        let stored = zip.windows(50).position(|bytes| bytes == [5; 50]).unwrap();
        zip[stored] ^= 1;
        let said = shown(&opened(&zip).unwrap(), &small);
        assert!(said[0].contains("another size than the archive says"), "{said:?}");
        assert!(said[1].contains("does not have its checksum"), "{said:?}");
    }

    #[test]
    fn of_one_name_the_last_is_read_which_is_reported() {
        let mut zip = zip_of(&[("a/1.png", b"first"), ("a/2.png", b"second"), ("a/3.png", b"third")]);
        while let Some(at) = zip.windows(7).position(|bytes| bytes == b"a/3.png") {
            zip[at..at + 7].copy_from_slice(b"a/1.png");
        }
        let dataset = opened(&zip).unwrap();
        assert_eq!(names(&dataset), ["a.zip::a/1.png", "a.zip::a/2.png"]);
        assert_eq!(dataset.read(0, &Limits::default(), &mut Vec::new()).unwrap(), b"third");
        let said: Vec<String> = dataset.notices().iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains("a later one of the same name replaces"), "{said:?}");
    }

    #[test]
    fn other_files_are_explained() {
        for (bytes, expected) in [(&b""[..], "damaged"), (b"<html>not found</html>", "HTML")] {
            let error = opened(bytes).unwrap_err();
            assert!(error.contains(expected) && error.contains("cannot be used as a zip"), "{error}");
        }
        let sound = zip_of(&[("1.png", &[1; 100])]);
        assert!(opened(&sound[..sound.len() / 2]).is_err());
    }
}
