//! Tars: shards of a WebDataset, class folders, and tars of tars as ImageNet comes in.
//!
//! One pass over the headers notes where each member lies; it jumps over what they hold. Nothing is unpacked.

use std::io;
use std::path::Path;

use tar::{Archive, Entry, EntryType};

use super::contents::{Called, Contents, Listing, Members, called, promises_image};
use super::reading::{ArchiveFile, Part};
use super::samples::{Sample, Span};
use crate::decode;
use crate::error::{DataError, ImageError};
use crate::limits::Limits;
use crate::unusable::Problem;

const BLOCK: u64 = 512;
/// Headers of small members that follow one another come in one read; payloads are passed over.
const WINDOW: usize = 4096;
/// Tars in a tar are read, those in them are not.
const MOST_LEVELS: usize = 2;

pub(super) fn open(place: &Path) -> Result<Contents, DataError> {
    let file = ArchiveFile::open(place)?;
    let whole = Span { offset: 0, bytes: file.bytes() };
    let wrong = |reason: String| DataError::Archive { path: place.into(), kind: "a tar", reason };
    if whole.bytes == 0 {
        return Err(wrong("it is empty; copy or pack it again, or remove it".into()));
    }
    let mut walk = Walk { file: &file, listing: Listing::default(), offsets: Vec::new() };
    let first_error = walk.tar(whole, "", 1);
    file.listed()?;
    let Walk { mut listing, offsets, .. } = walk;
    if let Some(error) = first_error {
        if error.at == 0 {
            let mut head = vec![0; whole.bytes.min(4096) as usize];
            let looks_like = file.read_at(0, &mut head).map(|()| decode::describe(&head));
            let looks_like = looks_like.unwrap_or("something else");
            return Err(wrong(format!(
                "it is {looks_like}, or damaged ({}); unpack it, copy it again, or name another file",
                error.what
            )));
        }
        listing.push_rest(&format!("the tar is damaged from byte {} on ({})", error.at, error.what));
    }
    Ok(listing.finish(place.into(), Box::new(Offsets { file, offsets })))
}

/// Where a tar cannot be read on.
struct Broken {
    at: u64,
    what: io::Error,
}

struct Walk<'a> {
    file: &'a ArchiveFile,
    listing: Listing,
    /// Of each image; those that cannot be used have one, too.
    offsets: Vec<u64>,
}

impl Walk<'_> {
    /// Lists a tar that is a part of the file; `prefix` is what the names of its members begin with.
    fn tar(&mut self, span: Span, prefix: &str, level: usize) -> Option<Broken> {
        let mut end = 0;
        let broken = self.members(span, (prefix, level), &mut end).err();
        if broken.is_none() && end.saturating_add(BLOCK) > span.bytes {
            self.listing.seen.has_no_end = true;
        }
        broken.map(|what| Broken { at: end, what })
    }

    /// Goes through the members; `end` is where the last one that was sound ends, in the tar.
    fn members(&mut self, span: Span, (prefix, level): (&str, usize), end: &mut u64) -> io::Result<()> {
        let file = self.file;
        let read = |label: Span| {
            let mut bytes = Vec::new();
            file.read_into(label.offset, label.bytes, &mut bytes).ok().map(|()| bytes)
        };
        let mut archive = Archive::new(Part::of(file, span.offset, span.bytes, WINDOW)?);
        let mut sample = Sample::default();
        let mut entries = archive.entries_with_seek()?;
        let walked = entries.try_for_each(|entry| {
            let mut entry = entry?;
            let inside = Span { offset: entry.raw_file_position(), bytes: entry.size() };
            // Larger numbers than there are bytes mean an end that is missing.
            *end = inside.offset.saturating_add(inside.bytes.div_ceil(BLOCK).saturating_mul(BLOCK));
            let name = [prefix.as_bytes(), &*entry.path_bytes()].concat();
            let is_cut = inside.offset.checked_add(inside.bytes).is_none_or(|end| end > span.bytes);
            let member = Span { offset: span.offset.saturating_add(inside.offset), bytes: inside.bytes };
            match Kind::of(&mut entry)? {
                Kind::Nothing => {}
                Kind::Special => match called(&name) {
                    Called::Hidden => {}
                    Called::Plain(name) | Called::Wrong(name, _) => self.listing.seen.special.add(&name),
                },
                Kind::File => match called(&name) {
                    Called::Hidden => {}
                    Called::Wrong(shown, problem) if promises_image(&name) => {
                        self.listing.push_unusable(&shown, problem);
                    }
                    Called::Wrong(shown, _) => self.listing.leave_out(&shown),
                    Called::Plain(name) if is_cut && promises_image(name.as_bytes()) => {
                        let problem = "the archive ends before this member does";
                        self.listing.push_unusable(&name, Problem::Damaged(problem.into()));
                    }
                    Called::Plain(name) if level < MOST_LEVELS && name.ends_with(".tar") => {
                        sample.end(&mut self.listing, &read);
                        sample = Sample::default();
                        self.offsets.resize(self.listing.len(), member.offset);
                        self.inner(member, &name, level);
                    }
                    Called::Plain(name) => {
                        let is_image = promises_image(name.as_bytes());
                        sample.take(&name, member, is_image, &mut self.listing, &read);
                    }
                },
            }
            self.offsets.resize(self.listing.len(), member.offset);
            Ok(())
        });
        sample.end(&mut self.listing, &read);
        walked
    }

    /// Lists a tar in this one, if there is anything in it.
    fn inner(&mut self, member: Span, name: &str, level: usize) {
        let broken = self.tar(member, &format!("{name}/"), level + 1);
        if let Some(Broken { at, what }) = broken {
            let problem = format!("the tar in the archive is damaged from its byte {at} on ({what})");
            self.listing.push_unusable(name, Problem::Damaged(problem.into()));
        }
    }
}

/// What a member is.
enum Kind {
    File,
    /// A link, a device, or a file with holes.
    Special,
    /// A folder, or what says something of other members.
    Nothing,
}

impl Kind {
    fn of<R: io::Read>(entry: &mut Entry<'_, R>) -> io::Result<Self> {
        let ends_as_folder = entry.path_bytes().ends_with(b"/");
        Ok(match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous if ends_as_folder => Self::Nothing,
            EntryType::Regular | EntryType::Continuous if has_holes(entry)? => Self::Special,
            EntryType::Regular | EntryType::Continuous => Self::File,
            EntryType::Directory | EntryType::XGlobalHeader | EntryType::XHeader => Self::Nothing,
            _ => Self::Special,
        })
    }
}

/// Whether a file lacks its runs of zeros: the newer form of such files is said beside the header.
fn has_holes<R: io::Read>(entry: &mut Entry<'_, R>) -> io::Result<bool> {
    let Some(mut said) = entry.pax_extensions()? else { return Ok(false) };
    Ok(said.any(|said| said.is_ok_and(|said| said.key_bytes().starts_with(b"GNU.sparse"))))
}

/// Images by where they lie.
#[derive(Debug)]
struct Offsets {
    file: ArchiveFile,
    offsets: Vec<u64>,
}

impl Members for Offsets {
    fn read(
        &self,
        index: usize,
        bytes: u64,
        limits: &Limits,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ImageError> {
        limits.check_file(bytes)?;
        self.file.read_into(self.offsets[index], bytes, buffer).map_err(|source| ImageError::Read { source })
    }
}

#[cfg(test)]
mod tests;
