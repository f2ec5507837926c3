//! Results in files and on stdout.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use neuron_files::Together;

/// How files reach the disk: each by itself, or many [`Together`]. Each is there completely or not at all.
pub(crate) trait Files {
    /// Writes one.
    fn write(
        &self,
        path: &Path,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> anyhow::Result<()>;
}

/// Files of which each counts by itself; see [`neuron_files::write()`].
pub(crate) struct Alone;

impl Files for Alone {
    fn write(
        &self,
        path: &Path,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        neuron_files::write(path, write).with_context(|| cannot_write(path))
    }
}

impl Files for Together {
    fn write(
        &self,
        path: &Path,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        Together::write(self, path, write).with_context(|| cannot_write(path))
    }
}

/// Waits until a power cut leaves all of them, which lie below a folder.
pub(crate) fn settle(files: Together, folder: &Path) -> anyhow::Result<()> {
    files.settle().with_context(|| format!("cannot write to {}", folder.display()))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Writes a file that counts by itself.
pub(crate) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> anyhow::Result<()> {
    Alone.write(path, write)
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
    files: &impl Files,
    path: &Path,
    pixels: &[u8],
    (height, width): (usize, usize),
    colours: ExtendedColorType,
) -> anyhow::Result<()> {
    files.write(path, |file| {
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
    neuron_files::remove(path).with_context(|| format!("cannot remove {}", path.display()))
}

/// Whether a result is there already: a pipe or a device is not one, it is written into.
pub(crate) fn is_result(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file())
}
