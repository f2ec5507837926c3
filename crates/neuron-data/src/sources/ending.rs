//! What the ending of a file's name says.

use std::path::Path;

/// What counts as an image: torchvision's list and GIF. Content decides how a file is decoded.
pub(crate) const ENDINGS: [&str; 10] =
    ["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp", "gif"];

/// Endings of pictures that are not looked at: in a folder of photos they are most likely missed by its owner.
const OTHER_PICTURES: [&str; 30] = [
    "jfif", "jpe", "jif", "pjpeg", "pjp", "heic", "heif", "avif", "jxl", "jp2", "j2k", "jpx", "apng", "dng",
    "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "psd", "tga", "exr", "hdr", "dds", "pbm", "pnm", "pam",
    "dib",
];

/// Endings of archives that are compressed as a whole: no image in them can be reached by itself.
const COMPRESSED: [&str; 10] =
    [".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".7z", ".rar"];

/// Whether a file is a compressed archive by its name.
pub(crate) fn is_compressed_archive(name: &Path) -> bool {
    let name = name.as_os_str().to_string_lossy().to_ascii_lowercase();
    COMPRESSED.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
}

/// What the name of a file promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// An image.
    Image,
    /// A picture under an ending that does not count.
    OtherPicture(&'static str),
    /// Something else.
    Nothing,
}

impl Promise {
    pub(crate) fn of(name: &Path) -> Self {
        let Some(ending) = name.extension().and_then(|ending| ending.to_str()) else { return Self::Nothing };
        let find = |endings: &[&'static str]| {
            endings.iter().find(|known| ending.trim_end().eq_ignore_ascii_case(known)).copied()
        };
        match find(&ENDINGS) {
            Some(known) if ending.len() == known.len() => Self::Image,
            // A blank behind it, which nobody sees.
            Some(known) => Self::OtherPicture(known),
            None => find(&OTHER_PICTURES).map_or(Self::Nothing, Self::OtherPicture),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_archives_are_told_by_their_whole_ending() {
        for (name, expected) in
            [("a.tar.gz", true), ("a.TGZ", true), ("a.gz", false), ("a.tar", false), (".7z", false)]
        {
            assert_eq!(is_compressed_archive(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn endings_tell_pictures_in_any_case() {
        for (name, expected) in [
            ("a.jpg", Promise::Image),
            ("a.JPEG", Promise::Image),
            ("a.b.Tiff", Promise::Image),
            ("a.HEIC", Promise::OtherPicture("heic")),
            ("a.jpg ", Promise::OtherPicture("jpg")),
            ("a.txt", Promise::Nothing),
            ("jpg", Promise::Nothing),
            (".jpg", Promise::Nothing),
        ] {
            assert_eq!(Promise::of(Path::new(name)), expected, "{name}");
        }
    }
}
