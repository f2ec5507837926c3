use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use neuron_topk::TopK;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::Identity;
use super::skipped::SkippedImage;
use crate::shard::{self, Shard};
use crate::{input, output};

const MAGIC: [u8; 8] = *b"neurscan";
const VERSION: u32 = 1;

/// The state of a scan, as it was saved.
pub(crate) struct Checkpoint {
    pub(crate) identity: Identity,
    pub(crate) shard: Option<Shard>,
    /// First image that was not taken up yet.
    pub(crate) next: usize,
    /// Whether all images of the scan (or its shard) were.
    pub(crate) complete: bool,
    pub(crate) skipped: Vec<SkippedImage>,
    pub(crate) lists: Vec<TopK>,
    /// What the job keeps beside the lists.
    pub(crate) rest: Value,
}

/// All of a checkpoint but its lists.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) identity: Identity,
    pub(super) shard: Option<Shard>,
    pub(super) next: usize,
    pub(super) complete: bool,
    pub(super) skipped: Vec<SkippedImage>,
    pub(super) rest: Value,
    /// How many lists follow; earlier builds did not say it here.
    #[serde(default)]
    pub(super) lists: Option<u64>,
}

/// Writes a checkpoint atomically; `docs/formats.md` specifies the bytes.
pub(super) fn save(path: &Path, header: &Header, lists: &[&TopK]) -> anyhow::Result<()> {
    let json = serde_json::to_vec(header).context("cannot describe the scan")?;
    output::write_atomically(path, |writer| {
        use io::Write;
        writer.write_all(&MAGIC)?;
        writer.write_all(&VERSION.to_le_bytes())?;
        writer.write_all(&(json.len() as u64).to_le_bytes())?;
        writer.write_all(&json)?;
        writer.write_all(&crc32fast::hash(&json).to_le_bytes())?;
        writer.write_all(&(lists.len() as u64).to_le_bytes())?;
        for list in lists {
            list.write_to(&mut *writer).map_err(io::Error::other)?;
        }
        Ok(())
    })
}

impl Checkpoint {
    /// Reads a checkpoint; `None` if there is none.
    ///
    /// # Errors
    /// If the file is no checkpoint or is damaged: it says how to start over.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Option<Self>> {
        let file = match input::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let read = Self::read(BufReader::new(file));
        read.with_context(|| unusable(path)).map(Some)
    }

    /// Reads a checkpoint's bytes; memory grows with those that are there, never with what they claim.
    pub(crate) fn read(mut reader: impl Read) -> anyhow::Result<Self> {
        if array(&mut reader)? != MAGIC {
            bail!("it is not the checkpoint of a scan");
        }
        let version = u32::from_le_bytes(array(&mut reader)?);
        if version != VERSION {
            bail!("it has format version {version}, but this build reads version {VERSION}");
        }
        let len = u64::from_le_bytes(array(&mut reader)?);
        let mut json = Vec::new();
        reader.by_ref().take(len).read_to_end(&mut json)?;
        if u32::from_le_bytes(array(&mut reader)?) != crc32fast::hash(&json) {
            bail!("it is damaged: the header's checksum does not match");
        }
        let Header { identity, shard, next, complete, skipped, rest, lists } =
            serde_json::from_slice(&json).context("its header is not understood")?;
        let count = u64::from_le_bytes(array(&mut reader)?);
        if lists.is_some_and(|lists| lists != count) {
            bail!("it is damaged: {count} lists");
        }
        let lists = (0..count).map(|_| TopK::read_from(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        if reader.read(&mut [0])? > 0 {
            bail!("it is damaged: something follows its lists");
        }
        Ok(Self { identity, shard, next, complete, skipped, lists, rest })
    }

    /// Checks that it is the state of this part of a scan of so many images: of a file that was renamed, the name does not tell.
    ///
    /// # Errors
    /// If it is of another part, or came to where that part has no image.
    pub(crate) fn check_part(&self, shard: Option<Shard>, images: usize) -> anyhow::Result<()> {
        let named =
            |shard: Option<Shard>| shard.map_or("all images".to_owned(), |shard| format!("shard {shard}"));
        if self.shard != shard {
            bail!("it is the state of {}, and not of {}", named(self.shard), named(shard));
        }
        let range = shard::range_of(shard, images);
        let is_inside = (range.start..=range.end).contains(&self.next);
        if !is_inside || (self.complete && self.next != range.end) {
            bail!("it is damaged: it came to image {} of {images}", self.next);
        }
        Ok(())
    }
}

/// The way out where a checkpoint cannot be used.
pub(crate) fn unusable(path: &Path) -> String {
    format!("{} cannot be used; remove it to start over", path.display())
}

fn array<const N: usize>(reader: &mut impl Read) -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).context("it is truncated")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn saved(folder: &Path) -> std::path::PathBuf {
        let mut list = TopK::new(2, NonZeroUsize::MIN);
        list.push(4, &[1.0, 2.0], None).unwrap();
        let header = Header {
            identity: Identity::new("baseline"),
            shard: Some(Shard { index: 1, count: 2 }),
            next: 5,
            complete: false,
            skipped: vec![SkippedImage { index: 3, image: "a/b".into(), reason: "empty".into() }],
            rest: [1, 2].into(),
            lists: Some(2),
        };
        let path = folder.join("state");
        save(&path, &header, &[&list, &list]).unwrap();
        path
    }

    #[test]
    fn what_was_saved_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let read = Checkpoint::open(&saved(folder.path())).unwrap().unwrap();
        assert_eq!((read.next, read.complete, read.skipped.len(), read.lists.len()), (5, false, 1, 2));
        assert_eq!(read.shard, Some(Shard { index: 1, count: 2 }));
        assert_eq!((read.lists[1].channel(1)[0].index, read.rest), (4, [1, 2].into()));
        assert!(Checkpoint::open(&folder.path().join("none")).unwrap().is_none());
    }

    #[test]
    fn a_header_that_is_not_there_takes_no_memory() {
        // Reads what there is, and no more than what is asked for.
        struct Bounded<'b>(&'b [u8]);
        impl Read for Bounded<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                assert!(buffer.len() < 1 << 16, "{} bytes are made room for", buffer.len());
                self.0.read(buffer)
            }
        }
        let claim = [&MAGIC[..], &VERSION.to_le_bytes(), &(1u64 << 62).to_le_bytes(), b"{}"].concat();
        let error = Checkpoint::read(Bounded(&claim)).err().unwrap();
        assert!(error.to_string().contains("truncated"), "{error}");
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path());
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(Checkpoint::read(&damaged[..]).is_err(), "bit {bit} of byte {at} may be anything");
            }
            assert!(Checkpoint::read(&bytes[..at]).is_err(), "{at} bytes are enough");
        }
        assert!(Checkpoint::read(&[&bytes[..], b"x"].concat()[..]).is_err());
    }

    #[test]
    fn a_state_belongs_to_its_part() {
        let folder = tempfile::tempdir().unwrap();
        // Of the first of two shards, stopped before image 5.
        let mut state = Checkpoint::open(&saved(folder.path())).unwrap().unwrap();
        let first = state.shard;
        state.check_part(first, 20).unwrap();
        for (shard, images, told) in [
            (None, 20, "the state of shard 1/2, and not of all images"),
            (Some(Shard { index: 2, count: 2 }), 20, "not of shard 2/2"),
            (first, 8, "came to image 5 of 8"),
        ] {
            let error = state.check_part(shard, images).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        state.complete = true;
        state.check_part(first, 10).unwrap();
        assert!(state.check_part(first, 20).unwrap_err().to_string().contains("came to image 5 of 20"));
    }
}
