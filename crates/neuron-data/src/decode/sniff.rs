use image::ImageFormat;

use crate::error::ImageError;

/// What a file's first bytes say it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Format {
    Jpeg,
    /// A format of the `image` crate.
    Other(ImageFormat),
}

impl Format {
    pub(super) fn of(bytes: &[u8]) -> Result<Self, ImageError> {
        if bytes.is_empty() {
            return Err(ImageError::Empty);
        }
        if bytes.starts_with(b"II\x2b\0") || bytes.starts_with(b"MM\0\x2b") {
            // TIFF beyond 4 GiB, which small files use, too.
            return Ok(Self::Other(ImageFormat::Tiff));
        }
        match image::guess_format(bytes) {
            Ok(ImageFormat::Jpeg) => Ok(Self::Jpeg),
            Ok(format) if super::other::name(format).is_some() => Ok(Self::Other(format)),
            _ => Err(ImageError::NotAnImage { looks_like: looks_like(bytes) }),
        }
    }
}

/// Names what the beginning of any file looks like.
pub(crate) fn describe(head: &[u8]) -> &'static str {
    match image::guess_format(head) {
        Ok(ImageFormat::Jpeg) => "a JPEG picture",
        Ok(ImageFormat::Png) => "a PNG picture",
        Ok(ImageFormat::WebP) => "a WebP picture",
        Ok(ImageFormat::Tiff) => "a TIFF picture",
        Ok(ImageFormat::Bmp) => "a BMP picture",
        Ok(ImageFormat::Gif) => "a GIF picture",
        Ok(ImageFormat::Pnm) => "a PNM picture",
        _ => looks_like(head),
    }
}

/// Names what was found in place of a picture, for people who have to find out how it got there.
fn looks_like(bytes: &[u8]) -> &'static str {
    const SIGNATURES: [(&[u8], &str); 11] = [
        (b"\x1f\x8b", "gzip-compressed data: decompress it"),
        (b"PK\x03\x04", "a zip archive: unpack it"),
        (b"BZh", "bzip2-compressed data: decompress it"),
        (b"\xfd7zXZ\0", "xz-compressed data: decompress it"),
        (b"\x28\xb5\x2f\xfd", "zstd-compressed data: decompress it"),
        (b"%PDF", "a PDF document"),
        (b"8BPS", "a Photoshop document"),
        (b"\0\0\0\x0cjP  ", "JPEG 2000, which is not supported"),
        (b"\xff\x0a", "JPEG XL, which is not supported"),
        (b"\0\0\0\x0cJXL ", "JPEG XL, which is not supported"),
        (b"\x76\x2f\x31\x01", "OpenEXR, which is not supported"),
    ];
    if let Some((_, name)) = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)) {
        return name;
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return "AVIF, HEIF or a video, which are not supported";
    }
    let head = bytes[..bytes.len().min(512)].trim_ascii_start();
    let starts = |text: &[u8]| head.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    if starts(b"<!doctype html") || starts(b"<html") {
        return "an HTML page, most likely the error page of a failed download";
    }
    if starts(b"<?xml") || starts(b"<svg") {
        return "XML or SVG";
    }
    if head.starts_with(b"version https://git-lfs") {
        return "a Git LFS pointer: fetch the file itself";
    }
    if bytes.iter().all(|&byte| byte == 0) {
        return "nothing but zeros";
    }
    if head.iter().all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        return "text";
    }
    "unknown data"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"  \n<!DOCTYPE html><title>403</title>", "HTML"),
            (b"<HTML>", "HTML"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
            (b"\0\0\0\x1cftypavif", "AVIF"),
            (b"plain words\n", "text"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "zeros"),
            (b"\x80\x81\x82 whatever", "unknown"),
        ];
        for (bytes, expected) in cases {
            let error = Format::of(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(matches!(Format::of(b""), Err(ImageError::Empty)));
    }

    #[test]
    fn pictures_are_told_by_their_first_bytes() {
        assert_eq!(Format::of(b"\xff\xd8\xff\xe0").unwrap(), Format::Jpeg);
        assert_eq!(Format::of(b"\x89PNG\r\n\x1a\n").unwrap(), Format::Other(ImageFormat::Png));
    }
}
