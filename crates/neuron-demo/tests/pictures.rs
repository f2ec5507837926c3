//! Pictures are decided by class, seed and index; folders of them can be continued, and nothing else is overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use neuron_demo::{Class, Dataset, DemoError, Existing, Picture};
use sha2::{Digest, Sha256};

const SMALL: Dataset = Dataset { per_class: 2, seed: 5, existing: Existing::Keep };

fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let classes = entries(folder).filter(|entry| entry.is_dir());
    let files = classes.flat_map(|class| entries(&class).collect::<Vec<_>>());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Every class's drawing of all machines and versions: whoever changes it must train the network anew.
#[test]
fn pictures_are_the_same_everywhere() {
    let mut hash = Sha256::new();
    for class in Class::ALL {
        let picture = Picture::draw(class, 11, 3);
        assert_eq!(picture.pixels.len(), picture.height * picture.width * 3);
        hash.update((picture.height as u64).to_le_bytes());
        hash.update(&picture.pixels);
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "2c2c868be76f90d9258f38a4c17600136c3a9f4e5248f84d393f05ad5fb3e0bb");
}

#[test]
fn indices_and_seeds_give_other_pictures() {
    let picture = |seed, index| Picture::draw(Class::Stars, seed, index);
    assert_ne!(picture(0, 0), picture(0, 1));
    assert_ne!(picture(0, 0), picture(1, 0));
}

#[test]
fn a_folder_that_was_stopped_is_continued_to_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    SMALL.write(&whole, &mut go_on).unwrap();
    let stop = SMALL.write(&stopped, &mut |done| {
        if done == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stop, Err(DemoError::Stopped)));
    assert_eq!(files(&stopped).len(), 7);
    SMALL.write(&stopped, &mut go_on).unwrap();
    let names_and_bytes = |root: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        files(root)
            .into_iter()
            .map(|(path, bytes)| (path.strip_prefix(root).unwrap().to_owned(), bytes))
            .collect()
    };
    assert_eq!(names_and_bytes(&whole).len(), SMALL.len());
    assert_eq!(names_and_bytes(&whole), names_and_bytes(&stopped));
}

#[test]
fn a_folder_of_drawn_pictures_is_scanned_only_where_it_is_named() {
    let photos = tempfile::tempdir().unwrap();
    fs::write(photos.path().join("photo.png"), "x").unwrap();
    let drawn = photos.path().join("demo/pictures");
    let stopped = SMALL.write(&drawn, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(DemoError::Stopped)));
    let len = |folder: &Path| neuron_data::Dataset::open(folder, &Default::default()).unwrap().len();
    assert_eq!((len(photos.path()), len(&drawn)), (1, 1));
    SMALL.write(&drawn, &mut go_on).unwrap();
    assert_eq!((len(photos.path()), len(&drawn)), (1, SMALL.len()));
}

#[test]
fn another_file_is_replaced_only_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    SMALL.write(folder.path(), &mut go_on).unwrap();
    let place = folder.path().join("dots/dots-001.png");
    let picture = fs::read(&place).unwrap();
    fs::write(&place, "mine").unwrap();
    let error = SMALL.write(folder.path(), &mut go_on).unwrap_err();
    assert!(matches!(&error, DemoError::Occupied { path } if *path == place), "{error}");
    assert_eq!(fs::read(&place).unwrap(), b"mine");
    Dataset { existing: Existing::Replace, ..SMALL }.write(folder.path(), &mut go_on).unwrap();
    assert_eq!(fs::read(&place).unwrap(), picture);
}
