//! Text files as people's editors and shells write them.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::decode;
use crate::error::DataError;

/// What Notepad and PowerShell put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The most of a file that is read as one text.
const MAX_TEXT_BYTES: u64 = 1 << 30;
/// The longest line of a list; no path is so long.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Reads a whole text file, without the byte order mark that it may begin with.
///
/// # Errors
/// [`DataError::Read`], or [`DataError::NotText`] if it is not UTF-8 or has more than 1 GiB.
pub fn read_text(path: &Path) -> Result<String, DataError> {
    text_of(path, |looks_like| DataError::NotText { path: path.into(), looks_like })
}

/// As [`read_text`], for a list of paths, one a line, that is worked on line by line.
///
/// # Errors
/// [`DataError::Read`], or [`DataError::NotAList`].
pub fn read_list(path: &Path) -> Result<String, DataError> {
    text_of(path, |looks_like| DataError::NotAList { list: path.into(), looks_like })
}

fn text_of(path: &Path, not_text: impl Fn(&'static str) -> DataError) -> Result<String, DataError> {
    let read = |source| DataError::Read { path: path.into(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(read)?;
    file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(not_text("more than 1 GiB"));
    }
    if let Some(looks_like) = no_text(&bytes[..bytes.len().min(4096)]) {
        return Err(not_text(looks_like));
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes).map_err(|_| not_text(OTHER_ENCODING))
}

const OTHER_ENCODING: &str = "text that is not UTF-8: save it as UTF-8";

/// A line of a list that says something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Number from 1.
    pub(crate) number: usize,
    /// Without its end, and without a byte order mark; not blank.
    pub(crate) bytes: Vec<u8>,
}

/// The lines of a list that are not blank.
pub(crate) fn lines(mut list: impl BufRead, name: &Path) -> Result<Vec<Line>, DataError> {
    let read = |source| DataError::Read { path: name.into(), source };
    if let Some(looks_like) = no_text(list.fill_buf().map_err(read)?) {
        return Err(DataError::NotAList { list: name.into(), looks_like });
    }
    let mut lines = Vec::new();
    for number in 1.. {
        let mut bytes = Vec::new();
        let longest = MAX_LINE_BYTES as u64 + 1;
        if list.by_ref().take(longest).read_until(b'\n', &mut bytes).map_err(read)? == 0 {
            break;
        }
        let wrong = |problem| DataError::ListLine { list: name.into(), line: number, problem };
        if bytes.len() > MAX_LINE_BYTES {
            return Err(wrong("is longer than any path"));
        }
        if bytes.contains(&0) {
            return Err(wrong("holds a zero byte"));
        }
        let mut line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if number == 1 {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if !line.trim_ascii().is_empty() {
            lines.push(Line { number, bytes: line.to_vec() });
        }
    }
    Ok(lines)
}

/// What the beginning of a file is, if it is no text in one byte a letter.
fn no_text(head: &[u8]) -> Option<&'static str> {
    const UTF_16: &str = "UTF-16 text: save it as UTF-8";
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Some(UTF_16);
    }
    let is_control =
        |byte: &u8| *byte < b' ' && !byte.is_ascii_whitespace() && *byte != 0x0b && *byte != 0x1b;
    let (zeros, controls) =
        head.iter().filter(|byte| is_control(byte)).fold((0, 0), |(zeros, controls), byte| {
            if *byte == 0 { (zeros + 1, controls) } else { (zeros, controls + 1) }
        });
    match (zeros, controls) {
        (0, 0) => None,
        (_, 0) if 3 * zeros > head.len() && zeros < head.len() => Some(UTF_16),
        (_, 0) if zeros < head.len() => {
            Some("names with zero bytes between them: put each on a line of its own")
        }
        _ => Some(decode::describe(head)),
    }
}

/// Reads a list from a file, whatever else than a regular one it may be.
pub(crate) fn open(path: &Path) -> Result<impl BufRead, DataError> {
    let file = std::fs::File::open(path).map_err(|source| DataError::Read { path: path.into(), source })?;
    Ok(BufReader::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::path::PathBuf;

    fn of(bytes: &[u8]) -> Result<Vec<(usize, String)>, String> {
        let lines = lines(bytes, Path::new("list")).map_err(|error| error.to_string())?;
        Ok(lines.into_iter().map(|line| (line.number, String::from_utf8_lossy(&line.bytes).into())).collect())
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn marks_blank_lines_and_line_ends_are_taken_off() {
        let expected = vec![(1, "a b.png".to_owned()), (3, " c.png ".to_owned())];
        assert_eq!(of(b"\xef\xbb\xbfa b.png\r\n \t\r\n c.png "), Ok(expected));
        assert_eq!(of(b""), Ok(vec![]));
        assert_eq!(of(b"\xef\xbb\xbf"), Ok(vec![]));
        // Only at the start is it a mark.
        assert_eq!(of(b"a\n\xef\xbb\xbfb\n").unwrap()[1].1, "\u{feff}b");
    }

    #[test]
    fn what_is_no_list_is_named() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02";
        let cases: [(Vec<u8>, &str); 7] = [
            (utf16("\u{feff}a.png\n", u16::to_le_bytes), "UTF-16"),
            (utf16("\u{feff}a.png\n", u16::to_be_bytes), "UTF-16"),
            (utf16("a.png\nb.png\n", u16::to_le_bytes), "UTF-16"),
            (b"a.png\0b/c.png\0".to_vec(), "zero bytes between"),
            (png.to_vec(), "a PNG picture"),
            (b"\x1f\x8b\x08\0\0\0".to_vec(), "gzip"),
            (vec![0; 100], "zeros"),
        ];
        for (bytes, expected) in cases {
            let error = of(&bytes).unwrap_err();
            assert!(error.contains("not a text file of paths") && error.contains(expected), "{error}");
            let (_folder, path) = file(&bytes);
            let error = read_list(&path).unwrap_err().to_string();
            assert!(error.contains("not a text file of paths") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_first_path_that_begins_like_a_picture_is_a_path() {
        for path in ["BMW/1.png", "P6/1.png", "GIF89a/1.png", "PK/1.png"] {
            assert_eq!(of(path.as_bytes()), Ok(vec![(1, path.to_owned())]));
        }
    }

    #[test]
    fn a_line_that_cannot_be_a_path_is_numbered() {
        let long = [&b"a.png\n"[..], &[b'x'; MAX_LINE_BYTES + 1]].concat();
        assert!(of(&long).unwrap_err().contains("line 2 is longer"));
        let longest = [b'x'; MAX_LINE_BYTES];
        assert_eq!(of(&longest).unwrap().len(), 1);
        let zero = [&[b'\n'; 10_000][..], b"a\0b"].concat();
        let found = lines(BufReader::with_capacity(100, &zero[..]), Path::new("list")).unwrap_err();
        assert!(found.to_string().contains("line 10001 holds a zero byte"), "{found}");
    }

    #[test]
    fn whole_texts_lose_their_mark() {
        let (_folder, path) = file("\u{feff}é\r\nb".as_bytes());
        assert_eq!(read_text(&path).unwrap(), "é\r\nb");
        let (_folder, path) = file(b"caf\xe9");
        let error = read_text(&path).unwrap_err().to_string();
        assert!(error.contains("is not a text file") && error.contains("UTF-8"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_lines_or_an_error(pieces in vec(prop_oneof![
            any::<Vec<u8>>(),
            Just(b"\r\n".to_vec()),
            Just(b"a/1.png\n".to_vec()),
            Just(BYTE_ORDER_MARK.to_vec()),
        ], 0..8)) {
            let bytes = pieces.concat();
            if let Ok(lines) = lines(&bytes[..], Path::new("list")) {
                let holds = |line: &Line, byte| line.bytes.contains(&byte);
                prop_assert!(lines.iter().all(|line| !holds(line, b'\n') && !holds(line, 0)));
                prop_assert!(lines.is_sorted_by(|a, b| a.number < b.number));
                prop_assert!(lines.len() <= 1 + bytes.iter().filter(|byte| **byte == b'\n').count());
            }
        }
    }
}
