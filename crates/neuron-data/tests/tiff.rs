//! TIFF in forms that are not decoded is refused, with the reason.

use neuron_data::{ImageError, Limits, Rgb8Image, decode_rgb8};

fn decode(bytes: &[u8]) -> Result<Rgb8Image, ImageError> {
    decode_rgb8(bytes, &Limits::default())
}

/// A TIFF of 8 pixels in one row with samples of 8 bits each.
fn tiff_of(compression: u32, meaning: u32, bits: &[u16]) -> Vec<u8> {
    let samples = bits.len() as u32;
    let data = vec![0x55; 8 * bits.len()];
    let mut bytes = b"II*\0".to_vec();
    let extra: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let (data_at, bits_at) = (8, 8 + data.len() as u32);
    let directory = bits_at + extra.len() as u32;
    bytes.extend(directory.to_le_bytes());
    bytes.extend(&data);
    bytes.extend(&extra);
    let bits_value = if bits.len() > 2 {
        bits_at
    } else {
        u32::from_le_bytes([bits[0] as u8, 0, *bits.last().unwrap() as u8, 0])
    };
    let tags = [
        (256, 1, 8),
        (257, 1, 1),
        (258, samples, bits_value),
        (259, 1, compression),
        (262, 1, meaning),
        (273, 1, data_at),
        (277, 1, samples),
        (278, 1, 1),
        (279, 1, data.len() as u32),
    ];
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, count, value) in tags {
        let kind: u16 = if tag == 258 { 3 } else { 4 };
        bytes.extend([u16::to_le_bytes(tag), u16::to_le_bytes(kind)].concat());
        bytes.extend([u32::to_le_bytes(count), u32::to_le_bytes(value)].concat());
    }
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn tiff_in_other_forms_is_refused_in_plain_words() {
    decode(&tiff_of(1, 1, &[8])).unwrap();
    decode(&tiff_of(1, 1, &[8, 8])).unwrap();
    for (compression, meaning, bits, expected) in [
        (7, 1, &[8, 8][..], "gray with alpha in JPEG compression"),
        (34_925, 1, &[8], "LZMA compression"),
        (50_000, 2, &[8, 8, 8], "ZSTD compression"),
        (3, 1, &[8], "group 3 fax compression"),
        (1, 1, &[8, 8, 8], "3 samples of 8 bits a pixel"),
        (1, 8, &[8, 8, 8], "CIELab"),
    ] {
        let error = decode(&tiff_of(compression, meaning, bits)).unwrap_err();
        assert!(matches!(error, ImageError::Unsupported { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.contains(expected) && !said.contains(['{', '(']), "{said}");
    }
}
