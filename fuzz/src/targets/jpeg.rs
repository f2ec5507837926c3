//! JPEG, whole and as a crop: both ways have to come to the same.

use super::pictures;

pub(super) fn read(bytes: &[u8]) -> bool {
    if !bytes.starts_with(b"\xff\xd8\xff") {
        return false;
    }
    let (taken, panicked) = pictures::decode(bytes);
    // This decoder is the repository's own: it has no business to panic, though that would be caught.
    assert!(!panicked, "the JPEG decoder panicked");
    taken
}
