//! Broken files: errors, in bounded time, and never a panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use neuron_data::{ImageError, Limits, Rgb8Image, decode_rgb8};

/// Small pictures of every kind.
fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pictures = entries.filter(|path| !matches!(path.extension().unwrap().to_str(), Some("py" | "tsv")));
    let found: Vec<_> = pictures.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    assert!(found.len() > 30);
    found
}

fn decode(bytes: &[u8]) -> Result<Rgb8Image, ImageError> {
    // A file of a kilobyte that claims more than this is not worth the test's time.
    let limits = Limits { max_pixels: 1 << 20, ..Limits::default() };
    let start = Instant::now();
    let found = decode_rgb8(bytes, &limits);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?} for {} bytes", start.elapsed(), bytes.len());
    found
}

/// Pseudo-random numbers (xorshift), the same in every run.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

#[test]
fn a_jpeg_that_ends_early_is_an_error() {
    for (path, bytes) in files() {
        let is_jpeg = bytes.starts_with(b"\xff\xd8");
        if !is_jpeg || path.ends_with("jpeg_trailing_garbage.jpg") {
            continue;
        }
        for length in 0..bytes.len() {
            let found = decode(&bytes[..length]);
            assert!(found.is_err(), "{}: {length} of {} bytes", path.display(), bytes.len());
            // The start marker alone tells a JPEG; from there on the reason has to be the right one.
            if length > 3 {
                assert!(matches!(found, Err(ImageError::Truncated { .. })), "{}: {found:?}", path.display());
            }
        }
    }
}

#[test]
fn other_formats_survive_an_early_end() {
    for (path, bytes) in files() {
        for length in (0..bytes.len()).step_by(7) {
            let found = decode(&bytes[..length]);
            assert!(!matches!(found, Err(ImageError::Panicked)), "{}: {length} bytes", path.display());
        }
    }
}

#[test]
fn a_png_may_lack_its_end_but_none_of_its_data() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let whole = fs::read(folder.join("png_rgba.png")).unwrap();
    let at = whole.windows(4).position(|bytes| bytes == b"IDAT").unwrap();
    let length = u32::from_be_bytes(whole[at - 4..at].try_into().unwrap()) as usize;
    let mut found = Vec::new();
    // The same data in small pieces, with checksums that are wrong, cut off behind a piece.
    let mut bytes = whole[..at - 4].to_vec();
    for piece in whole[at + 4..at + 4 + length].chunks(100) {
        bytes.extend_from_slice(&(piece.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&[b"IDAT", piece, &[0; 4]].concat());
        found.push(decode(&bytes).ok());
    }
    assert_eq!(found.pop(), Some(decode(&whole).ok()));
    assert!(found.len() > 5 && found.iter().all(Option::is_none), "{found:?}");
}

/// A line of a little-endian TIFF directory whose tag is the one found, with values that lie beyond the file.
fn with_values_beyond_the_end(tiff: &[u8], tag: u16) -> Vec<u8> {
    let first = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    let mut lines = (first + 2..).step_by(12).take(tiff[first].into());
    let line = lines.find(|line| tiff[*line..].starts_with(&tag.to_le_bytes())).unwrap();
    let mut changed = tiff.to_vec();
    changed[line + 2..line + 12].copy_from_slice(b"\x02\0\xff\xff\xff\x0f\x08\0\0\0");
    changed
}

#[test]
fn values_that_a_tiff_does_not_hold_only_matter_where_they_are_needed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let sound = fs::read(folder.join("tiff.tif")).unwrap();
    const STRIP_OFFSETS: u16 = 273;
    let error = decode(&with_values_beyond_the_end(&sound, STRIP_OFFSETS)).unwrap_err();
    assert!(matches!(error, ImageError::Truncated { .. }), "{error}");
    // The same in a line that nobody asks for: a tag of another program's, in place of how planes lie.
    const PLANES: u16 = 284;
    let mut other = with_values_beyond_the_end(&sound, PLANES);
    let line = other.windows(8).position(|bytes| bytes == b"\x1c\x01\x02\0\xff\xff\xff\x0f").unwrap();
    other[line..line + 2].copy_from_slice(&65_000u16.to_le_bytes());
    assert_eq!(decode(&other).ok(), decode(&sound).ok());
}

#[test]
fn changed_bytes_never_panic() {
    let mut noise = Noise(0x1234_5678_9abc_def1);
    for (path, bytes) in files() {
        for _ in 0..300 {
            let mut changed = bytes.clone();
            for _ in 0..=noise.below(4) {
                let at = noise.below(changed.len());
                changed[at] = noise.below(256) as u8;
            }
            let found = decode(&changed);
            assert!(!matches!(found, Err(ImageError::Panicked)), "{}", path.display());
        }
    }
}

#[test]
fn a_size_beyond_the_limit_is_refused_before_it_is_decoded() {
    let jpeg = files().into_iter().find(|(path, _)| path.ends_with("jpeg_gray.jpg")).unwrap().1;
    let frame = jpeg.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
    let mut huge = jpeg.clone();
    huge[frame + 5..frame + 9].fill(0xff);
    let found = decode_rgb8(&huge, &Limits::default());
    assert!(
        matches!(found, Err(ImageError::TooManyPixels { height: 65_535, width: 65_535, .. })),
        "{found:?}"
    );

    let mut empty = jpeg;
    empty[frame + 5..frame + 9].fill(0);
    assert!(matches!(decode(&empty), Err(ImageError::Corrupt { .. })));
}

#[test]
fn scans_without_end_are_refused() {
    // A progressive picture whose empty refinement scan comes again and again.
    let jpeg = files().into_iter().find(|(path, _)| path.ends_with("jpeg_gray_progressive.jpg")).unwrap().1;
    let end = jpeg.len() - 2;
    let mut endless = jpeg[..end].to_vec();
    for _ in 0..100_000 {
        endless.extend_from_slice(b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x10");
    }
    endless.extend_from_slice(b"\xff\xd9");
    let found = decode(&endless);
    assert!(
        matches!(&found, Err(ImageError::Corrupt { reason, .. }) if reason.contains("scans")),
        "{found:?}"
    );
}
