use std::fs;
use std::io::Cursor;

use super::*;

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
    (0..dataset.len()).map(|index| dataset.relative(index)).collect()
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
    let val = DatasetOptions { split: Split::Val, ..DatasetOptions::default() };
    let dataset = Dataset::open(split.path(), &val).unwrap();
    assert_eq!(names(&dataset), ["val/a/2.png"]);
    assert_eq!(dataset.path(0), split.path().join("val/a/2.png"));

    // Loose files beside classes are not part of the set, as in ImageFolder.
    let classes = tree(&["a/1.png", "b/1.png", "loose.png", "empty/notes.txt"]);
    let dataset = open(&classes);
    assert_eq!(names(&dataset), ["a/1.png", "b/1.png"]);
    assert_eq!(dataset.class(1).unwrap().name, "b");
    assert_eq!(dataset.classes().len(), 2);

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
    assert_eq!(dataset.path(0), root.path().join("train/b/1.png"));
    assert_eq!(dataset.class(0).unwrap().name, "b");

    fs::write(&list, "train/a/1.png\ntrain/c/1.png\n").unwrap();
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
    let paths: Vec<_> = (0..3).map(|index| dataset.path(index)).collect();
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
