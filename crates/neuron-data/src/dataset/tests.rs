use std::fs;
use std::io::Cursor;

use super::*;
use crate::sources::archives::album::write_album;
use crate::{Moved, Split};

fn tree(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    root
}

fn open(root: &tempfile::TempDir) -> Dataset {
    Dataset::open(root.path(), &DatasetOptions::default()).unwrap()
}

fn names(dataset: &Dataset) -> Vec<&str> {
    (0..dataset.len()).map(|index| dataset.name(index)).collect()
}

#[test]
fn the_order_is_that_of_a_naive_sort() {
    let mut files: Vec<String> = Vec::new();
    for class in ["n02", "n01", "Z", "a b", "é"] {
        for index in [10, 9, 100, 1] {
            files.push(format!("{class}/{index}.JPEG"));
            files.push(format!("{class}/deep/{index}.png"));
        }
    }
    let root = tree(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let key = |name: &String| {
        let (folder, file) = name.rsplit_once('/').unwrap();
        (folder.split('/').next().unwrap().to_owned(), folder.to_owned(), file.to_owned())
    };
    files.sort_by_key(key);
    assert_eq!(names(&open(&root)), files);
}

#[test]
fn each_way_to_lay_out_a_folder() {
    let split = tree(&["train/a/1.png", "train/b/1.png", "val/a/2.png"]);
    assert_eq!(names(&open(&split)), ["train/a/1.png", "train/b/1.png"]);
    let val = DatasetOptions { split: Some(Split::Val), ..DatasetOptions::default() };
    let dataset = Dataset::open(split.path(), &val).unwrap();
    assert_eq!(names(&dataset), ["val/a/2.png"]);
    assert_eq!(Path::new(&dataset.entry(0)), split.path().join("val/a/2.png"));

    // Loose files beside classes are not part of the set, as in ImageFolder.
    let classes = tree(&["a/1.png", "b/1.png", "loose.png", "empty/notes.txt"]);
    let dataset = open(&classes);
    assert_eq!(names(&dataset), ["a/1.png", "b/1.png"]);
    assert_eq!(dataset.class(1).unwrap().name, "b");
    assert_eq!(dataset.classes().len(), 2);
    let loose = Notice::LooseImages { count: 1, example: "loose.png".into() };
    assert_eq!(dataset.notices(), [loose]);

    let flat = tree(&["2.png", "1.png", "notes.txt"]);
    let dataset = open(&flat);
    assert_eq!(names(&dataset), ["1.png", "2.png"]);
    assert_eq!(dataset.class(0), None);
}

#[test]
fn classes_are_labelled_where_they_are_known() {
    let dataset = open(&tree(&["n01443537/1.png", "mine/1.png"]));
    let labels: Vec<_> = (0..2).map(|index| dataset.class(index).unwrap().label()).collect();
    assert_eq!(labels, ["mine", "goldfish"]);
}

#[test]
fn the_first_of_each_class() {
    let root = tree(&["a/3.png", "a/1.png", "a/x/0.png", "b/2.png", "b/1.png", "b/9.png"]);
    let options = DatasetOptions { split_n: Some(2), ..DatasetOptions::default() };
    let dataset = Dataset::open(root.path(), &options).unwrap();
    assert_eq!(names(&dataset), ["a/1.png", "a/3.png", "b/1.png", "b/2.png"]);
}

#[test]
fn what_is_missing_is_named() {
    let only_val = tree(&["val/a/1.png"]);
    let error = Dataset::open(only_val.path(), &DatasetOptions::default()).unwrap_err();
    assert!(error.to_string().contains("no folder `train`, only `val`"), "{error}");

    let beside = |files: &[&str], split| asking(&tree(files), split).unwrap_err().to_string();
    let full_val = ["train/a/notes.txt", "val/a/1.png", "test/1.png"];
    let said = beside(&full_val, Split::Train);
    assert!(said.contains("(1 other files), but under `val`: choose that split"), "{said}");
    let said = beside(&["train/a/1.png", "val/notes.txt"], Split::Val);
    assert!(said.contains("under `val` of") && said.contains("but under `train`: choose"), "{said}");
    let said = beside(&["train/notes.txt", "test/1.png"], Split::Train);
    assert!(said.contains("but under `test`: name that folder"), "{said}");
    let said = beside(&["train/notes.txt", "val/notes.txt"], Split::Train);
    assert!(said.contains("no images under") && !said.contains("but under"), "{said}");

    let no_images = tree(&["a/notes.txt", "a/data.csv"]);
    let error = Dataset::open(no_images.path(), &DatasetOptions::default()).unwrap_err();
    assert!(error.to_string().contains("(2 other files)"), "{error}");

    let error = Dataset::open(Path::new("/no/such/folder"), &DatasetOptions::default()).unwrap_err();
    assert!(matches!(error, DataError::Read { .. }), "{error}");
}

#[test]
fn a_list_keeps_its_order() {
    let root = tree(&["train/a/1.png", "train/b/1.png", "list.txt"]);
    let list = root.path().join("list.txt");
    fs::write(&list, "# best first\ntrain/b/1.png\r\n\ntrain/a/1.png\n").unwrap();
    let dataset = Dataset::open(&list, &DatasetOptions::default()).unwrap();
    assert_eq!(names(&dataset), ["train/b/1.png", "train/a/1.png"]);
    assert_eq!(Path::new(&dataset.entry(0)), root.path().join("train/b/1.png"));
    assert_eq!(dataset.class(0).unwrap().name, "b");

    fs::write(&list, "\u{feff}train/a/1.png\ntrain/c/1.png\n").unwrap();
    let error = Dataset::open(&list, &DatasetOptions::default()).unwrap_err();
    assert!(error.to_string().contains("line 2: no file `train/c/1.png`"), "{error}");
}

#[test]
fn list_entries_are_found_as_they_are_or_below_the_data() {
    let root = tree(&["data/a/1.png", "data/a/2.png", "other/3.png"]);
    let data = root.path().join("data");
    let absolute = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    let list = format!("{}\na/2.png\n{}\n", absolute("data/a/1.png"), absolute("other/3.png"));
    let bases = [PathBuf::new(), data.clone()];
    let dataset =
        Dataset::from_list(Cursor::new(list), Path::new("-"), &bases, &DatasetOptions::default()).unwrap();
    // Below the data folder names are relative, whichever way they were written.
    assert_eq!(names(&dataset), ["a/1.png", "a/2.png", absolute("other/3.png").as_str()]);
    let paths: Vec<_> = (0..3).map(|index| PathBuf::from(dataset.entry(index))).collect();
    assert_eq!(paths, [data.join("a/1.png"), data.join("a/2.png"), root.path().join("other/3.png")]);
}

#[test]
fn the_first_of_each_class_of_a_list() {
    let root = tree(&["a/1.png", "a/2.png", "b/1.png", "0.png", "1.png"]);
    let bases = [root.path().to_path_buf()];
    let options = DatasetOptions { split_n: Some(1), ..DatasetOptions::default() };
    let list = Cursor::new("a/2.png\nb/1.png\na/1.png\n1.png\n0.png\n");
    let dataset = Dataset::from_list(list, Path::new("-"), &bases, &options).unwrap();
    assert_eq!(names(&dataset), ["a/2.png", "b/1.png", "1.png"]);
}

#[test]
fn any_other_set_has_another_fingerprint() {
    let root = tree(&["a/1.png", "a/2.png", "b/1.png"]);
    let first = open(&root).fingerprint();
    assert_eq!(first.len(), 64);
    assert_eq!(open(&root).fingerprint(), first, "the same set, the same fingerprint");

    let mut seen = std::collections::HashSet::from([first]);
    let mut changed = || assert!(seen.insert(open(&root).fingerprint()), "a change that does not show");
    let path = |name: &str| root.path().join(name);
    fs::write(path("a/2.png"), "longer than before").unwrap();
    changed();
    fs::rename(path("a/2.png"), path("a/3.png")).unwrap();
    changed();
    fs::rename(path("a/3.png"), path("b/3.png")).unwrap();
    changed();
    fs::remove_file(path("b/3.png")).unwrap();
    changed();
    fs::write(path("b/4.png"), "").unwrap();
    changed();
}

fn asking(root: &tempfile::TempDir, split: Split) -> Result<Dataset, DataError> {
    Dataset::open(root.path(), &DatasetOptions { split: Some(split), ..DatasetOptions::default() })
}

#[test]
fn a_class_may_be_called_train() {
    let root = tree(&["car/1.png", "train/1.png", "train/2.png", "truck/x/1.png"]);
    let dataset = open(&root);
    assert_eq!(names(&dataset), ["car/1.png", "train/1.png", "train/2.png", "truck/x/1.png"]);
    assert_eq!(dataset.notices(), [Notice::ReadAsClasses { folders: vec!["train".into()] }]);
    // Who asks for the split could mean either.
    let error = asking(&root, Split::Train).unwrap_err();
    assert!(error.to_string().contains("`train` beside `car`"), "{error}");
    let notices = asking(&root, Split::Val).unwrap().notices;
    assert_eq!(notices[0], Notice::NoSplits { asked: Split::Val });

    let val = open(&tree(&["car/1.png", "val/1.png"]));
    assert_eq!(names(&val), ["car/1.png", "val/1.png"]);
    let empty = open(&tree(&["car/1.png", "train/notes.txt"]));
    assert_eq!(names(&empty), ["car/1.png"]);
}

#[test]
fn splits_stay_splits_and_say_what_they_leave_out() {
    let beside = |folders: &[&str]| {
        let folders = folders.iter().map(|&folder| folder.into()).collect();
        Notice::BesideSplit { split: Split::Train, folders }
    };
    for (files, expected) in [
        // Other parts are expected beside a split, and what holds no image is no class.
        (&["train/1.png", "test/2.png", "valid/3.png"][..], vec![]),
        (&["train/a/1.png", "val/a/2.png", "labels/1.txt", ".cache/1.png"], vec![]),
        // A split holds class folders, or it lies beside other parts.
        (&["train/a/1.png", "extra/deep/2.png"], vec![beside(&["extra"])]),
        (&["train/1.png", "test/1.png", "extra/2.png", "b/1.png"], vec![beside(&["b", "extra"])]),
        (&["train/a/1.png", "x.png"], vec![Notice::LooseImages { count: 1, example: "x.png".into() }]),
        // Names begin below the data folder, also of what lies in the split.
        (
            &["train/a/1.png", "train/x.png"],
            vec![Notice::LooseImages { count: 1, example: "train/x.png".into() }],
        ),
        (
            &["train/a/1.png", "train/a/x.heic"],
            vec![Notice::OtherPictures { ending: "heic", count: 1, example: "train/a/x.heic".into() }],
        ),
    ] {
        let dataset = open(&tree(files));
        assert_eq!(names(&dataset), files[..1], "{files:?}");
        assert_eq!(dataset.notices(), expected, "{files:?}");
    }
}

#[test]
fn results_beside_a_split_do_not_make_it_a_class() {
    let root = tree(&["train/1.png", "r/neuron_layer4/0/patches.png"]);
    let manifest = r#"{"scan": {"command": "select-images", "neuron_version": "1"}}"#;
    fs::write(root.path().join("r/neuron_layer4/manifest.json"), manifest).unwrap();
    let dataset = open(&root);
    assert_eq!(names(&dataset), ["train/1.png"]);
    assert!(dataset.notices().is_empty());
}

#[test]
fn a_split_that_means_nothing_and_classes_like_splits_are_said() {
    let flat = tree(&["1.png"]);
    assert!(open(&flat).notices().is_empty());
    assert_eq!(asking(&flat, Split::Val).unwrap().notices(), [Notice::NoSplits { asked: Split::Val }]);
    let capitals = open(&tree(&["Train/1.png", "Test/1.png", "other/1.png"]));
    assert_eq!(capitals.notices(), [Notice::ReadAsClasses { folders: vec!["Test".into(), "Train".into()] }]);
}

#[test]
fn splits_inside_a_class_are_said() {
    let inside = |folder: &str| [Notice::SplitsInside { folder: folder.into() }];
    let nested = open(&tree(&["a/b/c/train/x/1.png", "a/b/c/val/x/1.png", "z/1.png"]));
    assert_eq!(nested.notices(), inside("a/b/c"));
    assert_eq!(open(&tree(&["cat/train/1.png", "cat/val/2.png"])).notices(), inside("cat"));
    assert!(open(&tree(&["cat/train/1.png", "dog/val/2.png", "cat/val/notes.txt"])).notices().is_empty());
}

#[test]
fn an_image_that_a_list_names_in_other_spellings_is_said() {
    let root = tree(&["a/1.png", "a/2.png"]);
    let absolute = root.path().join("a/1.png").display().to_string();
    let list = format!("a/1.png\n./a/1.png\na/../a/1.png\n{absolute}\na/2.png\n");
    let bases = [root.path().to_path_buf()];
    let dataset =
        Dataset::from_list(list.as_bytes(), Path::new("list"), &bases, &DatasetOptions::default()).unwrap();
    assert_eq!(dataset.notices(), [Notice::Repeated { count: 3, example: "./a/1.png".into() }]);
}

/// Results as `--out .` leaves them beside the images.
fn add_results(root: &tempfile::TempDir) {
    let manifest = r#"{"scan": {"command": "select-images", "neuron_version": "1"}}"#;
    for (name, bytes) in [
        ("net/neuron_layer4/manifest.json", manifest),
        ("net/neuron_layer4/0/patches.png", "x"),
        ("net/select-images_layer3.checkpoint", "neurscan"),
        ("net/neuron_layer3/0/top50/patches.png", "x"),
        ("images/u.json", r#"{"neuron_version": "1", "references_are": "images"}"#),
        ("images/u.png", "x"),
        ("images/u_masked.png", "x"),
        ("site/atlas.json", r#"{"neuron_version": "1", "units": 1}"#),
        ("site/img/1.webp", "x"),
    ] {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn results_among_the_images_change_nothing() {
    for files in [&["1.png", "2.png"][..], &["a/1.png", "b/2.png"]] {
        let root = tree(files);
        let before = open(&root);
        add_results(&root);
        let after = open(&root);
        assert_eq!(names(&after), files);
        assert_eq!(after.classes(), before.classes());
        assert_eq!(after.fingerprint(), before.fingerprint());
        let expected = Notice::Results { folders: 3, pictures: 2, example: "net/neuron_layer3".into() };
        assert_eq!(after.notices(), [expected]);
    }
    let only_results = tree(&["notes.txt"]);
    add_results(&only_results);
    let error = Dataset::open(only_results.path(), &DatasetOptions::default()).unwrap_err();
    assert!(error.to_string().contains("results of neuron, which are left out"), "{error}");
}

#[cfg(unix)]
#[test]
fn what_cannot_be_used_has_an_index_and_a_reason() {
    let root = tree(&["a/1.png", "b/1.png"]);
    fs::write(root.path().join("a/two\nlines.png"), "x").unwrap();
    std::os::unix::fs::symlink("nowhere.png", root.path().join("b/0.png")).unwrap();
    let dataset = open(&root);
    assert_eq!(names(&dataset), ["a/1.png", "a/two\\nlines.png", "b/0.png", "b/1.png"]);
    assert_eq!(dataset.class(1).unwrap().name, "a");
    assert_eq!(Path::new(&dataset.entry(1)), root.path().join("a/two\nlines.png"));
    let reason = |index| dataset.read_rgb8(index, &Limits::default()).unwrap_err().to_string();
    assert!(reason(1).contains("line break"), "{}", reason(1));
    assert!(reason(2).contains("cannot read the file"), "{}", reason(2));
    let first = dataset.fingerprint();
    fs::rename(root.path().join("a/two\nlines.png"), root.path().join("a/three\nlines.png")).unwrap();
    assert_ne!(open(&root).fingerprint(), first);
}

#[cfg(unix)]
#[test]
fn a_data_folder_may_have_any_name() {
    use std::os::unix::ffi::OsStrExt;
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join(std::ffi::OsStr::from_bytes(b"b\xe9"));
    fs::create_dir_all(root.join("a")).unwrap();
    fs::write(root.join("a/1.png"), "x").unwrap();
    let dataset = Dataset::open(&root, &DatasetOptions::default()).unwrap();
    assert_eq!(names(&dataset), ["a/1.png"]);
    let is_read = |dataset: &Dataset| {
        assert_eq!(dataset.entry(0), root.join("a/1.png").display().to_string());
        assert_eq!(dataset.read(0, &Limits::default(), &mut Vec::new()).unwrap(), b"x");
    };
    is_read(&dataset);
    assert_eq!(dataset.fingerprint().len(), 64);
    is_read(&Dataset::from_entries(&["a/1.png"], &[PathBuf::new(), root.clone()]));
}

fn from_list(root: &tempfile::TempDir, list: &[u8]) -> Result<Dataset, DataError> {
    let bases = [root.path().to_path_buf()];
    Dataset::from_list(Cursor::new(list), Path::new("list"), &bases, &DatasetOptions::default())
}

#[test]
fn lists_as_people_write_them() {
    let root = tree(&["a/1.png", "#2.png"]);
    let dataset = from_list(&root, b"\xef\xbb\xbfa/1.png\r\n# a remark\r\n#2.png\r\na/1.png").unwrap();
    assert_eq!(names(&dataset), ["a/1.png", "#2.png", "a/1.png"]);
    assert_eq!(dataset.notices(), [Notice::Repeated { count: 1, example: "a/1.png".into() }]);
    for line in
        ["a/1.png  ", "\"a/1.png\"", "a/1.png\t3", "a/1.png 3", "a/1.png,cat", "a\\1.png", "'a/1.png',"]
    {
        let error = from_list(&root, line.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 1: no file") && error.contains("`a/1.png` is there"), "{error}");
    }
    let error = from_list(&root, b"a/2.png").unwrap_err().to_string();
    assert!(error.contains("no file `a/2.png`") && !error.contains("is there"), "{error}");
}

#[test]
fn a_list_may_name_what_is_no_file() {
    let root = tree(&["a.jpg/1.png", "2.png"]);
    let dataset = from_list(&root, b"a.jpg\n2.png").unwrap();
    let error = dataset.read_rgb8(0, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("a folder"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_name_in_a_list_that_is_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let root = tree(&["1.png"]);
    let path = root.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
    fs::write(&path, "x").unwrap();
    let dataset = from_list(&root, b"1.png\ncaf\xe9.png\n").unwrap();
    assert_eq!(names(&dataset), ["1.png", "caf\\xE9.png"]);
    assert_eq!(dataset.entry(1), path.display().to_string());
    let error = from_list(&root, b"1.png\n\xe9.png\n").unwrap_err().to_string();
    assert!(error.contains("line 2 is not UTF-8"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_a_list_that_starts_from_the_current_folder() {
    use std::os::fd::AsRawFd;
    let root = tree(&["1.png"]);
    let name = root.path().join("1.png").to_str().unwrap().to_owned();
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, format!("{name}\nCargo.toml\n").as_bytes()).unwrap();
    drop(writer);
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let dataset = Dataset::open(&path, &DatasetOptions::default()).unwrap();
    assert_eq!(names(&dataset), [name.as_str(), "Cargo.toml"]);
}

#[test]
fn a_list_that_names_results_leaves_them_out() {
    let root = tree(&["1.png", "list/x.txt"]);
    add_results(&root);
    let all = [
        "./net/neuron_layer4/0/patches.png",
        "1.png",
        "net/neuron_layer3/0/top50/patches.png",
        "images/u.png",
        "images/../images/u_masked.png",
        "site/img/1.webp",
    ];
    let whole = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    for list in [all.join("\n"), all.map(whole).join("\n")] {
        let dataset = from_list(&root, list.as_bytes()).unwrap();
        assert_eq!(dataset.len(), 1);
        assert!(dataset.name(0).ends_with("1.png"));
        let Notice::Results { folders: 0, pictures: 5, example } = &dataset.notices()[0] else {
            panic!("{:?}", dataset.notices())
        };
        assert!(all.iter().any(|name| example.ends_with(name)), "{example}");
    }
    let error = from_list(&root, all[0].as_bytes()).unwrap_err();
    assert!(error.to_string().contains("results of neuron, which are left out"), "{error}");
    // A list that lies in results asks for them, and so do the lists of other commands.
    let list = root.path().join("net/neuron_layer4/mine.txt");
    fs::write(&list, "0/patches.png").unwrap();
    assert_eq!(names(&Dataset::open(&list, &DatasetOptions::default()).unwrap()), ["0/patches.png"]);
    assert_eq!(Dataset::from_entries(&all, &[root.path().to_path_buf()]).len(), all.len());
}

#[test]
fn entries_that_are_nowhere_keep_their_place() {
    let folder = tree(&["a/there.png"]);
    let bases = [PathBuf::new(), folder.path().to_path_buf()];
    let whole_path = folder.path().join("a/there.png").display().to_string();
    let dataset = Dataset::from_entries(&["b/gone.png", "a/there.png", &whole_path], &bases);
    assert_eq!(names(&dataset), ["b/gone.png", "a/there.png", "a/there.png"]);
    assert_eq!([dataset.entry(0), dataset.entry(1)], ["b/gone.png", &whole_path]);
    assert!(Dataset::from_entries::<&str>(&[], &bases).is_empty());
}

/// An archive is a source as a folder is one: its images are found again by their entries, wherever lists are read.
#[test]
fn images_of_an_archive_are_looked_up_as_files_are() {
    let folder = tree(&["there/1.png"]);
    let at = |name: &str| folder.path().join(name);
    write_album(&at("photos.album"), &[("b/2.ppm", "P6 1 1 255 abc"), ("a/1.ppm", "P6 1 1 255 def")]);
    let album = Dataset::open(&at("photos.album"), &DatasetOptions::default()).unwrap();
    assert_eq!(names(&album), ["photos.album::b/2.ppm", "photos.album::a/1.ppm"]);
    assert_eq!(album.entry(1), at("photos.album::a/1.ppm").display().to_string());
    let of_album = [album.entry(0), album.entry(1)];
    let entries = [&*of_album[1], "there/1.png", &*of_album[0], "photos.album::gone.ppm"];
    let pixels = |dataset: &Dataset, index| dataset.read_rgb8(index, &Limits::default()).unwrap().pixels;

    // By their entries; by their names where the archive is the data; and where it lies now if it was moved.
    let data = Lookup::below(Some(&at("photos.album")));
    let moved = |from: &str, to: &str| Some(Moved { from: from.into(), to: at(to) });
    let [of_file, of_folder, of_pattern] =
        [("old/photos.album", "photos.album"), ("old", ""), ("old/{a,photos}.album", "")]
            .map(|(from, to)| Lookup { moved: moved(from, to), ..Lookup::below(None) });
    let beside = Lookup { bases: vec![folder.path().into()], moved: None };
    for (entries, lookup) in [
        (&entries[..1], &data),
        (&["photos.album::a/1.ppm"][..], &data),
        (&["old/photos.album::a/1.ppm"][..], &of_file),
        (&["old/photos.album::a/1.ppm"][..], &of_folder),
        (&["old/photos.album::a/1.ppm"][..], &of_pattern),
        (&["photos.album::a/1.ppm"][..], &beside),
    ] {
        let found = Dataset::look_up(entries, lookup);
        let plain = found.entry(0).replace("//", "/");
        assert_eq!((names(&found), plain), (vec!["photos.album::a/1.ppm"], album.entry(1)), "{entries:?}");
        assert_eq!(pixels(&found, 0), b"def", "{entries:?}");
    }

    // A list may name files and images of archives, one beside the other.
    let found = Dataset::look_up(&entries, &beside);
    assert_eq!((pixels(&found, 0), pixels(&found, 2)), (b"def".to_vec(), b"abc".to_vec()));
    assert!(found.read_rgb8(3, &Limits::default()).is_err());
    let listed = from_list(&folder, entries[..3].join("\n").as_bytes()).unwrap();
    assert_eq!((listed.len(), pixels(&listed, 2)), (3, b"abc".to_vec()));
    assert_eq!(listed.class(0).unwrap().label(), "a");
    let changed = || from_list(&folder, entries[..3].join("\n").as_bytes()).unwrap().fingerprint();
    assert_eq!(changed(), listed.fingerprint());
    write_album(&at("photos.album"), &[("b/2.ppm", "P6 1 1 255 abc "), ("a/1.ppm", "P6 1 1 255 def")]);
    assert_ne!(changed(), listed.fingerprint());
    let error = from_list(&folder, entries[3].as_bytes()).unwrap_err().to_string();
    assert!(error.contains("photos.album::gone.ppm"), "{error}");
}

/// Images that an embedder holds in memory.
#[derive(Debug)]
struct InMemory(Vec<(&'static str, Vec<u8>)>);

impl Source for InMemory {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn name(&self, index: usize) -> &str {
        self.0[index].0
    }

    fn entry(&self, index: usize) -> String {
        format!("memory:{}", self.0[index].0)
    }

    fn encoded_bytes(&self, index: usize) -> u64 {
        self.0[index].1.len() as u64
    }

    fn read<'a>(&'a self, index: usize, _: &Limits, _: &'a mut Vec<u8>) -> Result<&'a [u8], ImageError> {
        Ok(&self.0[index].1)
    }
}

#[test]
fn a_source_may_be_an_embedders_own() {
    let image = b"P6 1 1 255 abc".to_vec();
    let source = InMemory(vec![("a/1.ppm", image.clone()), ("b/2.ppm", b"no picture".to_vec())]);
    let mut classes = Classes::new(None);
    assert!(classes.push("a") && classes.push("b"));
    let dataset = Dataset::new(source, classes);
    assert_eq!((names(&dataset), dataset.class(1).unwrap().label()), (vec!["a/1.ppm", "b/2.ppm"], "b"));
    let mut buffer = Vec::new();
    assert_eq!(dataset.read(0, &Limits::default(), &mut buffer).unwrap(), image);
    assert_eq!(buffer.capacity(), 0, "nothing is copied");
    assert_eq!(dataset.read_rgb8(0, &Limits::default()).unwrap().pixels, b"abc");
    let error = dataset.read_rgb8(1, &Limits::default()).unwrap_err().to_string();
    assert!(error.starts_with("`memory:b/2.ppm`: not an image"), "{error}");
    assert_eq!(dataset.fingerprint().len(), 64);
}
