//! Mends PNG files that Pillow reads and stricter decoders do not.

/// What every PNG begins with.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// The chunks that make the picture, with right checksums of its data and an end; `None` if this is no PNG.
///
/// Chunks of an unknown kind, wrong checksums of the compressed data (which hold one of their own) and a file that
/// stops behind the last of them are what Pillow survives, too.
pub(super) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(SIGNATURE)?;
    let mut mended = SIGNATURE.to_vec();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((kind_and_data, behind)) = behind.split_at_checked(length.checked_add(4)?) else { break };
        let (checksum, behind) = behind.split_at_checked(4).unwrap_or((&[0; 4], &[]));
        match &kind_and_data[..4] {
            b"IHDR" | b"PLTE" | b"tRNS" => {
                mended.extend_from_slice(&(length as u32).to_be_bytes());
                mended.extend_from_slice(kind_and_data);
                mended.extend_from_slice(checksum);
            }
            b"IDAT" => {
                mended.extend_from_slice(&(length as u32).to_be_bytes());
                mended.extend_from_slice(kind_and_data);
                mended.extend_from_slice(&crc32(kind_and_data).to_be_bytes());
            }
            b"IEND" => break,
            _ => {}
        }
        rest = behind;
    }
    mended.extend_from_slice(END);
    Some(mended)
}

/// CRC-32 of IEEE 802.3, a bit at a time: only broken files need it.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(*byte), step)
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_png() {
        assert_eq!(crc32(b"IEND").to_be_bytes(), END[8..]);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_broken_off_ends() {
        assert_eq!(mended(b"GIF89a"), None);
        assert_eq!(mended(SIGNATURE), Some([SIGNATURE, END].concat()));
        let half = [SIGNATURE, b"\0\0\0\x09IDATabc"].concat();
        assert_eq!(mended(&half), Some([SIGNATURE, END].concat()));
        let huge = [SIGNATURE, b"\xff\xff\xff\xffIDATabc"].concat();
        assert_eq!(mended(&huge), Some([SIGNATURE, END].concat()));
    }
}
