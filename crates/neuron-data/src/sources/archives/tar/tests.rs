use std::fs;

use tar::{Builder, Header};

use super::*;
use crate::dataset::Dataset;
use crate::options::{DatasetOptions, Split};

/// A small image that shows a letter.
fn image(letter: u8) -> Vec<u8> {
    [&b"P5 1 1 255 "[..], &[letter]].concat()
}

fn header(bytes: usize, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(bytes as u64);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

/// A tar of some members; names may be any, so that the crate's checks of them are passed by.
fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = header(bytes.len(), EntryType::Regular);
        if name.len() < 100 {
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        } else {
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

struct Opened {
    folder: tempfile::TempDir,
    dataset: Dataset,
}

fn write_and_open(
    files: &[(&str, Vec<u8>)],
    data: &str,
    options: &DatasetOptions,
) -> Result<Opened, DataError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    Dataset::open(&folder.path().join(data), options).map(|dataset| Opened { folder, dataset })
}

fn opened(tar: Vec<u8>) -> Opened {
    write_and_open(&[("a.tar", tar)], "a.tar", &DatasetOptions::default()).unwrap()
}

impl Opened {
    fn names(&self) -> Vec<&str> {
        (0..self.dataset.len()).map(|index| self.dataset.name(index)).collect()
    }

    fn classes(&self) -> Vec<&str> {
        let class = |index| self.dataset.class(index).map_or("", |class| &*class.name);
        (0..self.dataset.len()).map(class).collect()
    }

    /// What each image shows, or why it shows nothing.
    fn shown(&self) -> Vec<String> {
        let mut buffer = Vec::new();
        let mut show = |index| match self.dataset.read(index, &Limits::default(), &mut buffer) {
            Ok(bytes) => char::from(*bytes.last().unwrap()).to_string(),
            Err(error) => error.to_string(),
        };
        (0..self.dataset.len()).map(&mut show).collect()
    }

    fn notices(&self) -> String {
        self.dataset.notices().iter().map(|notice| format!("{notice}\n")).collect()
    }
}

#[test]
fn samples_have_classes_and_members_keep_their_order() {
    let [a, b, c] = [b'a', b'b', b'c'].map(image);
    let first = tar_of(&[
        ("./2.jpg", &a),
        ("./2.cls", b"7\n"),
        ("./2.txt", b"a caption"),
        ("./1.json", br#"{"label": "cat"}"#),
        ("./1.png", &b),
        ("./readme.md", b"?"),
    ]);
    let second = tar_of(&[("3.cls", b""), ("3.jpg", &c), ("4.cls", b"9"), ("5.heic", b"?")]);
    let files = [("s-0.tar", first), ("s-1.tar", second)];
    for data in ["", "s-{0..1}.tar"] {
        let read = write_and_open(&files, data, &DatasetOptions::default()).unwrap();
        assert_eq!(read.names(), ["s-0.tar::2.jpg", "s-0.tar::1.png", "s-1.tar::3.jpg"]);
        assert_eq!(
            (read.classes(), read.shown()),
            (vec!["7", "cat", ""], vec!["a".into(), "b".into(), "c".into()])
        );
        let said = read.notices();
        assert!(
            said.contains(
                "2 members of archives that are no images by their names, such as `s-0.tar::readme.md`"
            ),
            "{said}"
        );
        assert!(
            said.contains("1 file ending in `.heic`")
                && said.contains("1 label of images, such as `s-1.tar::3.cls`"),
            "{said}"
        );
        assert_eq!(read.dataset.notices().len(), 3);
    }
    let options = DatasetOptions { split_n: Some(1), ..DatasetOptions::default() };
    let [a, b] = [("x/1.jpg", &a[..]), ("x/2.jpg", &b[..])];
    let read = write_and_open(&[("t.tar", tar_of(&[a, b]))], "t.tar", &options).unwrap();
    assert_eq!((read.names(), read.classes()), (vec!["t.tar::x/1.jpg"], vec!["x"]));
}

#[test]
fn splits_are_folders_of_tars_or_folders_in_them() {
    let of = |name: &str, letter| tar_of(&[(name, &image(letter))]);
    let val = DatasetOptions { split: Some(Split::Val), split_n: None };
    let files = [("train/0.tar", of("1.jpg", b't')), ("val/0.tar", of("x/1.jpg", b'v'))];
    let read = write_and_open(&files, "", &val).unwrap();
    assert_eq!((read.names(), read.classes()), (vec!["val/0.tar::x/1.jpg"], vec!["x"]));
    assert_eq!(read.dataset.entry(0), read.folder.path().join("val/0.tar::x/1.jpg").display().to_string());
    let both = tar_of(&[("d/train/x/1.jpg", &image(b't')), ("d/val/y/2.jpg", &image(b'v'))]);
    let read = write_and_open(&[("d.tar", both)], "d.tar", &val).unwrap();
    assert_eq!(
        (read.names(), read.classes(), read.shown()),
        (vec!["d.tar::d/val/y/2.jpg"], vec!["y"], vec!["v".into()])
    );
}

#[test]
fn tars_in_a_tar_are_classes_and_read_in_place() {
    let inner = |letters: &[u8]| {
        let images: Vec<(String, Vec<u8>)> =
            letters.iter().map(|letter| (format!("{}.JPEG", *letter as char), image(*letter))).collect();
        tar_of(&images.iter().map(|(name, bytes)| (&**name, &**bytes)).collect::<Vec<_>>())
    };
    let deeper = tar_of(&[("deep.tar", &inner(b"z")), ("d.JPEG", &image(b'd'))]);
    let read = opened(tar_of(&[
        ("n01443537.tar", &inner(b"ab")),
        ("n01440764.tar", &inner(b"c")),
        ("more.tar", &deeper),
        ("wrong.tar", &[7; 600]),
        ("empty.tar", &[0; 1024]),
    ]));
    let names = read.names();
    assert_eq!(
        names[..3],
        ["a.tar::n01443537.tar/a.JPEG", "a.tar::n01443537.tar/b.JPEG", "a.tar::n01440764.tar/c.JPEG"]
    );
    assert_eq!(names[3..], ["a.tar::more.tar/d.JPEG", "a.tar::wrong.tar"]);
    assert_eq!(read.classes()[..4], ["n01443537", "n01443537", "n01440764", "more"]);
    assert_eq!(read.shown()[..4], ["a", "b", "c", "d"]);
    assert!(
        read.shown()[4].contains("the tar in the archive is damaged from its byte 0 on"),
        "{:?}",
        read.shown()
    );
    assert!(read.notices().contains("such as `a.tar::more.tar/deep.tar`"), "{}", read.notices());

    // One level unpacked: the archives are the classes.
    let files = [("n01443537.tar", inner(b"a")), ("n01440764.tar", inner(b"c"))];
    let read = write_and_open(&files, "", &DatasetOptions::default()).unwrap();
    assert_eq!(read.classes(), ["n01440764", "n01443537"]);
}

#[test]
fn long_names_and_large_sizes_are_read_in_every_form() {
    let long = format!("{}/{}.jpg", "d".repeat(90), "f".repeat(120));
    let mut tar = Builder::new(Vec::new());
    let bytes = image(b'g');
    tar.append_data(&mut header(bytes.len(), EntryType::Regular), &long, &bytes[..]).unwrap();
    // A prefix, as ustar has it.
    let mut ustar = Header::new_ustar();
    ustar.set_path(format!("{}/{}.jpg", "p".repeat(90), "q".repeat(90))).unwrap();
    ustar.set_size(bytes.len() as u64);
    ustar.set_cksum();
    tar.append(&ustar, &image(b'u')[..]).unwrap();
    // A path and a size beside the header, whose own size is wrong.
    let path = format!("x/{}.jpg", "x".repeat(300));
    tar.append_pax_extensions([("path", path.as_bytes()), ("size", b"12")]).unwrap();
    tar.append(&header(0, EntryType::Regular), &[][..]).unwrap();
    let mut packed = tar.into_inner().unwrap();
    packed.truncate(packed.len() - 1024);
    packed.extend(image(b'x'));
    packed.resize(packed.len().next_multiple_of(512), 0);
    packed.extend(tar_of(&[("l/last.jpg", &image(b'l'))]));
    let read = opened(packed);
    let names = read.names();
    assert_eq!((names.len(), names[0], names[3]), (4, &*format!("a.tar::{long}"), "a.tar::l/last.jpg"));
    assert_eq!(names[2], format!("a.tar::{path}"));
    assert_eq!(names[1], format!("a.tar::{}/{}.jpg", "p".repeat(90), "q".repeat(90)));
    assert_eq!(read.shown(), ["g", "u", "x", "l"]);
    assert_eq!(read.notices(), "");
}

#[test]
fn names_that_lead_elsewhere_and_members_that_are_no_files_are_said() {
    let mut tar = Builder::new(Vec::new());
    let bytes = image(b'a');
    for (name, kind) in [
        ("link.jpg", EntryType::Symlink),
        ("hard.jpg", EntryType::Link),
        ("dev.jpg", EntryType::Char),
        ("folder.jpg", EntryType::Directory),
    ] {
        let mut header = header(0, kind);
        header.set_link_name("/etc/passwd").unwrap();
        tar.append_data(&mut header, name, &[][..]).unwrap();
    }
    tar.append_pax_extensions([("GNU.sparse.major", &b"1"[..])]).unwrap();
    tar.append_data(&mut header(bytes.len(), EntryType::Regular), "holes.jpg", &bytes[..]).unwrap();
    let mut packed = tar.into_inner().unwrap();
    packed.truncate(packed.len() - 1024);
    packed.extend(tar_of(&[
        ("../up.jpg", &bytes),
        ("/root.jpg", &bytes),
        ("two\nlines.jpg", &bytes),
        ("a.jpg", &bytes),
        ("./a.jpg", &bytes),
        ("._a.jpg", &bytes),
    ]));
    let read = opened(packed);
    assert_eq!(
        read.names(),
        ["a.tar::../up.jpg", "a.tar::/root.jpg", "a.tar::two\\nlines.jpg", "a.tar::a.jpg", "a.tar::a.jpg"]
    );
    let shown = read.shown();
    for (index, expected) in
        ["holds `..`", "is absolute", "line break", "a", "the same name"].iter().enumerate()
    {
        assert!(shown[index].contains(expected), "{shown:?}");
    }
    assert!(read.notices().contains("4 members of archives that are links"), "{}", read.notices());
}

#[test]
fn damage_costs_the_rest_and_not_what_came_before() {
    let sound = tar_of(&[("1.jpg", &image(b'1')), ("2.jpg", &[7; 2000]), ("3.jpg", &image(b'3'))]);
    let mut damaged = sound.clone();
    let third = 512 + 512 + 512 + 2048;
    damaged[third + 3] ^= 0x40;
    let read = opened(damaged);
    assert_eq!(read.names(), ["a.tar::1.jpg", "a.tar::2.jpg", "a.tar"]);
    assert!(
        read.shown()[2].contains(&format!("the tar is damaged from byte {third} on")),
        "{:?}",
        read.shown()
    );
    assert!(read.dataset.entry(2).ends_with("/a.tar"));

    let read = opened(sound[..third - 1000].to_vec());
    assert_eq!(read.names(), ["a.tar::1.jpg", "a.tar::2.jpg"]);
    assert!(read.shown()[1].contains("ends before this member does"), "{:?}", read.shown());
    let read = opened(sound[..third].to_vec());
    assert!(read.notices().contains("1 archive without the mark of an end"), "{}", read.notices());

    for (bytes, expected) in [
        (Vec::new(), "it is empty"),
        (b"\x1f\x8b\x08\0packed".repeat(100), "gzip"),
        (vec![b'x'; 600], "or damaged"),
    ] {
        let error = write_and_open(&[("a.tar", bytes)], "a.tar", &DatasetOptions::default())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(expected) && error.contains("a.tar` cannot be used as a tar"), "{error}");
    }
    let error = write_and_open(&[("a.tar", tar_of(&[("x.txt", b"")]))], "a.tar", &DatasetOptions::default());
    assert!(error.err().unwrap().to_string().contains("no images"));
    let missing = write_and_open(&[("s-0.tar", sound)], "s-{0..1}.tar", &DatasetOptions::default());
    assert!(missing.err().unwrap().to_string().contains("s-1.tar"));
}

#[test]
fn the_fingerprint_covers_names_and_sizes() {
    let print = |name: &str, bytes: &[u8]| opened(tar_of(&[(name, bytes)])).dataset.fingerprint();
    let first = print("1.jpg", &image(b'a'));
    assert_eq!(first, print("1.jpg", &image(b'b')));
    assert_ne!(first, print("2.jpg", &image(b'a')));
    assert_ne!(first, print("1.jpg", &[image(b'a'), image(b'a')].concat()));
}

#[test]
fn images_above_the_limit_take_no_memory() {
    let read = opened(tar_of(&[("1.jpg", &[1; 100])]));
    let limits = Limits { max_file_bytes: 99, ..Limits::default() };
    let mut buffer = Vec::new();
    let error = read.dataset.read(0, &limits, &mut buffer).unwrap_err().to_string();
    assert!(error.contains("more than the limit of 99"), "{error}");
    assert_eq!(buffer.capacity(), 0);
}
