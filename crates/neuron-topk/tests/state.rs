//! The state as bytes and as a file: what was written comes back, everything else is an error.

use std::{fs, io, num::NonZeroUsize};

use neuron_topk::{Entry, TopK, TopkError};

const HEADER: usize = 8 + 4 + 8 + 8;

fn keep(keep: usize) -> NonZeroUsize {
    NonZeroUsize::new(keep).expect("not zero")
}

fn small() -> TopK {
    let mut top_k = TopK::new(2, keep(2));
    top_k
        .push_batch(&[5, 6, 7], &[1.0, -2.5, 1.0, 0.25, 3.0, -0.0], Some(&[1, 2, 3, 4, 5, 6]))
        .expect("valid");
    top_k
}

fn bytes(top_k: &TopK) -> Vec<u8> {
    let mut bytes = Vec::new();
    top_k.write_to(&mut bytes).expect("a vector takes everything");
    bytes
}

/// With a checksum that fits, as someone who forges a state would write it.
fn forged(mut bytes: Vec<u8>, at: usize, new: &[u8]) -> Vec<u8> {
    bytes[at..at + new.len()].copy_from_slice(new);
    let end = bytes.len() - 4;
    let sum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn corruption(bytes: &[u8]) -> &'static str {
    match TopK::read_from(bytes) {
        Err(TopkError::Corrupt { what }) => what,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("no error"),
    }
}

/// `docs/formats.md`, byte by byte.
#[test]
fn the_format_is_the_documented_one() {
    let mut expected = b"neurtopk\x01\0\0\0\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0".to_vec();
    for channel in [[(3.0_f32, 7_u32, 5_u32), (1.0, 5, 1)], [(0.25, 6, 4), (0.0, 7, 6)]] {
        expected.extend(2_u64.to_le_bytes());
        for (score, index, payload) in channel {
            expected.extend(score.to_le_bytes());
            expected.extend(index.to_le_bytes());
            expected.extend(payload.to_le_bytes());
        }
    }
    expected.extend(crc32fast::hash(&expected).to_le_bytes());
    assert_eq!(bytes(&small()), expected);
}

#[test]
fn a_state_ends_where_it_says() {
    let mut stream = bytes(&small());
    stream.extend(b"what follows");
    let mut reader = stream.as_slice();
    let read = TopK::read_from(&mut reader).expect("a valid state");
    assert_eq!(bytes(&read), bytes(&small()));
    assert_eq!(reader, b"what follows");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let original = bytes(&small());
    for bit in 0..original.len() * 8 {
        let mut flipped = original.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(TopK::read_from(flipped.as_slice()).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_noticed() {
    let original = bytes(&small());
    for len in 0..original.len() {
        let result = TopK::read_from(&original[..len]);
        assert!(matches!(result, Err(TopkError::Truncated)), "{len} bytes");
    }
}

#[test]
fn other_files_and_versions_are_told_apart() {
    assert!(matches!(TopK::read_from(&b"\x89PNG\r\n\x1a\n and so on"[..]), Err(TopkError::NotAState)));
    let newer = forged(bytes(&small()), 8, &2_u32.to_le_bytes());
    let result = TopK::read_from(newer.as_slice());
    assert!(matches!(result, Err(TopkError::UnsupportedVersion { found: 2, supported: 1 })));
}

#[test]
fn forged_contents_are_refused() {
    let (channels, keep, count, entry) = (12, 20, HEADER, HEADER + 8);
    let forged = |at, new: &[u8]| corruption(&forged(bytes(&small()), at, new));
    assert_eq!(forged(keep, &0_u64.to_le_bytes()), "the number to keep is out of range");
    assert_eq!(forged(count, &u64::MAX.to_le_bytes()), "a channel holds more entries than are kept");
    assert_eq!(forged(entry, &f32::NAN.to_le_bytes()), "a score is NaN");
    assert_eq!(forged(entry, &0.5_f32.to_le_bytes()), "a channel's entries are out of order");
    assert_eq!(forged(channels, &1_u64.to_le_bytes()), "the checksum does not match");
}

/// Claims of astronomic sizes end with the bytes, without memory to match.
#[test]
fn claimed_sizes_allocate_nothing() {
    let huge = forged(bytes(&small()), 12, &[0xFF; 16]);
    assert!(matches!(TopK::read_from(huge.as_slice()), Err(TopkError::Truncated)));
    let mut long_list = huge[..HEADER].to_vec();
    long_list.extend((u64::MAX - 1).to_le_bytes());
    assert!(matches!(TopK::read_from(long_list.as_slice()), Err(TopkError::Truncated)));
}

#[test]
fn empty_structures_are_states_too() {
    for (channels, items) in [(0, 0_u32), (0, 3), (5, 0)] {
        let mut top_k = TopK::new(channels, keep(3));
        (0..items).for_each(|item| top_k.push(item, &[], None).expect("no scores to refuse"));
        let read = TopK::read_from(bytes(&top_k).as_slice()).expect("a valid state");
        assert_eq!((read.channels(), read.keep()), (channels, 3));
        assert!(read.into_sorted().all(|list| list.is_empty()));
    }
}

#[test]
fn a_reader_that_fails_is_reported_as_such() {
    struct Failing;
    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable was pulled"))
        }
    }
    assert!(matches!(TopK::read_from(Failing), Err(TopkError::Io(_))));
}

#[test]
fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("scan.state");
    TopK::new(9, keep(1)).save(&path).expect("a first save");
    small().save(&path).expect("a second save");
    assert_eq!(bytes(&TopK::open(&path).expect("a valid file")), bytes(&small()));
    assert_eq!(fs::read_dir(directory.path()).expect("the directory").count(), 1);
}

#[test]
fn file_errors_name_the_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("file"), b"").expect("a file");
    let missing = directory.path().join("file").join("scan.state");
    for error in [small().save(&missing).err(), TopK::open(&missing).err()] {
        let error = error.expect("there is no such folder");
        assert!(error.to_string().ends_with("scan.state"), "{error}");
        assert!(matches!(error, TopkError::File { source, .. } if matches!(*source, TopkError::Io(_))));
    }

    let longer = directory.path().join("longer");
    fs::write(&longer, [bytes(&small()), vec![0]].concat()).expect("a file");
    let error = TopK::open(&longer).err().expect("a byte too many");
    assert!(matches!(error, TopkError::File { source, .. }
        if matches!(*source, TopkError::Corrupt { what: "there are bytes after its end" })));
}

/// A folder in the way makes the rename fail after everything was written.
#[test]
fn a_failed_save_cleans_up() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("scan.state");
    fs::create_dir(&path).expect("a folder");
    assert!(small().save(&path).is_err());
    assert_eq!(fs::read_dir(directory.path()).expect("the directory").count(), 1);
}

#[test]
fn bad_pushes_are_named_and_change_nothing() {
    let mut top_k = small();
    let nan = top_k.push_batch(&[8, 9], &[9.0, 9.0, 9.0, f32::NAN], None);
    assert!(matches!(nan, Err(TopkError::NanScore { index: 9, channel: 1 })));
    let nan = top_k.push_one(0, Entry { score: f32::NAN, index: 4, payload: 0 });
    assert!(matches!(nan, Err(TopkError::NanScore { index: 4, channel: 0 })));
    let unknown = top_k.push_one(2, Entry { score: 9.0, index: 4, payload: 0 });
    assert!(matches!(unknown, Err(TopkError::UnknownChannel { channel: 2, channels: 2 })));
    let short = top_k.push(8, &[9.0], None);
    assert!(matches!(short, Err(TopkError::Length { what: "scores", expected: 2, found: 1 })));
    let short = top_k.push(8, &[9.0, 9.0], Some(&[]));
    assert!(matches!(short, Err(TopkError::Length { what: "payloads", expected: 2, found: 0 })));
    assert_eq!(bytes(&top_k), bytes(&small()));
}

#[test]
fn only_like_merges_with_like() {
    for other in [TopK::new(3, keep(2)), TopK::new(2, keep(3))] {
        assert!(matches!(small().merge(other), Err(TopkError::Incompatible { channels: 2, keep: 2, .. })));
    }
}

/// A request to keep everything costs what there is, not what was asked for.
#[test]
fn keeping_more_than_there_is_keeps_all() {
    let mut top_k = TopK::new(1, keep(usize::MAX));
    (0..1000).for_each(|item| top_k.push(item, &[item as f32], None).expect("a number"));
    assert!(top_k.channel(0).iter().map(|entry| entry.index).eq((0..1000).rev()));
}
