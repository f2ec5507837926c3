//! Files that are there completely or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// Writes a file beside its place and renames it, so that readers and a killed process never see half of it.
///
/// # Errors
/// If the folder cannot be made, the disk is full, or `write` fails; nothing is left behind then.
pub(crate) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let sibling = sibling(path);
    let result = File::create(&sibling).and_then(|file| {
        let mut writer = BufWriter::new(file);
        write(&mut writer)?;
        writer.into_inner()?.sync_all()?;
        fs::rename(&sibling, path)
    });
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&sibling);
    }
    result.with_context(|| format!("cannot write {}", path.display()))
}

/// As [`write_atomically`], for bytes that are at hand.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_atomically(path, |writer| writer.write_all(bytes))
}

/// Writes a picture of `height x width` as PNG.
///
/// # Shapes
/// * `pixels`: `[height, width, samples of the colour type]`
pub(crate) fn write_png(
    path: &Path,
    pixels: &[u8],
    (height, width): (usize, usize),
    colours: ExtendedColorType,
) -> anyhow::Result<()> {
    write_atomically(path, |file| {
        let encoder = PngEncoder::new(file);
        encoder.write_image(pixels, width as u32, height as u32, colours).map_err(io::Error::other)
    })
}

/// Prints results on stdout. A reader that has seen enough (`| head`) is no failure.
///
/// # Errors
/// If stdout cannot take them for another reason: a full disk, a closed file.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}

/// Removes a file that need not be there.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A name beside `path` that no other process uses.
fn sibling(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}
