//! What a file is that holds no weights this crate reads, for the error message.

use super::hex::hex;

/// Signatures: where they stand, what they are, and what a file with them is.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes"),
    (0, b"GGUF", "a GGUF file of llama.cpp"),
    (0, b"version https://", "a Git LFS pointer (run `git lfs pull` where it came from)"),
    (0, b"\x93NUMPY", "an array of NumPy"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (257, b"ustar", "a tar archive; unpack it, or save the tensors again with a newer torch"),
    (0, b"\x1f\x8b", "data packed with gzip; unpack it"),
    (0, b"BZh", "data packed with bzip2; unpack it"),
    (0, b"\xfd7zXZ\0", "data packed with xz; unpack it"),
    (0, b"\x28\xb5\x2f\xfd", "data packed with zstd; unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"PAR1", "a Parquet table"),
];

/// The end of a TensorFlow checkpoint's `.index` file.
const TENSORFLOW_INDEX_END: &[u8] = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb";

/// What a file of unknown format looks like.
pub(super) fn describe(bytes: &[u8]) -> String {
    let is = |at: usize, signature: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(signature));
    if let Some((.., what)) = SIGNATURES.iter().find(|(at, signature, _)| is(*at, signature)) {
        return (*what).to_owned();
    }
    let start = bytes.get(..bytes.len().min(16)).unwrap_or_default();
    let trimmed = start.trim_ascii_start();
    if bytes.is_empty() {
        "nothing".into()
    } else if trimmed.starts_with(b"<") {
        "a web page, perhaps an error page that was saved in its place".into()
    } else if trimmed.starts_with(b"{") || trimmed.starts_with(b"[") {
        "JSON, perhaps a configuration; its weights are in another file".into()
    } else if is_onnx(bytes) {
        "a model of ONNX".into()
    } else if bytes.ends_with(TENSORFLOW_INDEX_END) {
        "the index of a TensorFlow checkpoint".into()
    } else if [&b"(dp"[..], b"(lp", b"ccollections\n", b"ccopy_reg\n", b"ctorch"].iter().any(|s| is(0, s)) {
        "a Python pickle of an old kind; save it with torch.save".into()
    } else if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        format!("text beginning with {:?}", String::from_utf8_lossy(start))
    } else if bytes.iter().take(4096).all(|byte| *byte == 0) {
        "zeros, as an unfinished download leaves them".into()
    } else {
        format!("bytes beginning with {}", hex(&start[..start.len().min(8)]))
    }
}

/// A protocol buffer that begins with a version of ONNX's format (field 1) and the producer's name (field 2).
fn is_onnx(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=20, 0x12, length, name @ ..] if name
        .get(..usize::from(*length))
        .is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_weights_file_is_described() {
        let mut tar = vec![b'w'; 300];
        tar[257..262].copy_from_slice(b"ustar");
        let index = [&b"\0\0"[..], TENSORFLOW_INDEX_END].concat();
        for (bytes, found) in [
            (&b""[..], "nothing"),
            (b"\n <html>", "a web page, perhaps an error page that was saved in its place"),
            (
                b"version https://git-lfs.github.com/spec/v1",
                "a Git LFS pointer (run `git lfs pull` where it came from)",
            ),
            (b"hello world", "text beginning with \"hello world\""),
            (b"\x7fELF\x02\x01\x01\x00\x00\x00", "bytes beginning with 7f454c4602010100"),
            (b"\x89HDF\r\n\x1a\n\0\0", "an HDF5 file, such as Keras writes"),
            (b"GGUF\x03\0\0\0", "a GGUF file of llama.cpp"),
            (b"\x08\x07\x12\x07pytorch\x1a", "a model of ONNX"),
            (b"\x1c\0\0\0TFL3", "a TensorFlow Lite model"),
            (&tar, "a tar archive; unpack it, or save the tensors again with a newer torch"),
            (&index, "the index of a TensorFlow checkpoint"),
            (b"{\"architecture\": 1}", "JSON, perhaps a configuration; its weights are in another file"),
            (b"(dp0\nS'a'\n", "a Python pickle of an old kind; save it with torch.save"),
            (&[0; 64], "zeros, as an unfinished download leaves them"),
        ] {
            assert_eq!(describe(bytes), found);
        }
    }
}
