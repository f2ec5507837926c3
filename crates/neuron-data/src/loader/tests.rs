use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageFormat, RgbImage};

use super::*;
use crate::DatasetOptions;

/// Small pictures in which every third file is broken in one of several ways.
fn folder(count: usize) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for index in 0..count {
        let bytes = match index % 12 {
            2 => Vec::new(),
            5 => b"<html>not found</html>".to_vec(),
            8 => picture(index)[..40].to_vec(),
            11 => b"\xff\xd8\xff\xe0 and nothing more".to_vec(),
            _ => picture(index),
        };
        fs::write(root.path().join(format!("{index:05}.png")), bytes).unwrap();
    }
    root
}

fn is_broken(index: usize) -> bool {
    index % 3 == 2
}

/// A flat colour that tells the index, in a size of its own.
fn picture(index: usize) -> Vec<u8> {
    let (width, height) = (3 + index as u32 % 5, 3 + index as u32 % 7);
    let image = RgbImage::from_pixel(width, height, image::Rgb(colour(index)));
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn colour(index: usize) -> [u8; 3] {
    [index as u8, (index >> 8) as u8, 7]
}

fn open(root: &Path) -> Arc<Dataset> {
    Arc::new(Dataset::open(root, &DatasetOptions::default()).unwrap())
}

fn small() -> Preprocessing {
    Preprocessing { resize: 8, crop: 6, ..Preprocessing::default() }
}

#[test]
fn two_thousand_files_with_failures_through_one_to_eight_threads() {
    const FILES: usize = 2000;
    let root = folder(FILES);
    let dataset = open(root.path());
    for threads in 1..=8 {
        let options = LoaderOptions { batch_size: 1 + 13 * threads, threads, ..LoaderOptions::default() };
        let mut loader = Loader::new(Arc::clone(&dataset), 0..FILES, &small(), &options).unwrap();
        let (mut loaded, mut skipped) = (Vec::new(), Vec::new());
        while let Some(batch) = loader.next() {
            assert_eq!(batch.pixels().len(), batch.items.len() * small().crop_bytes());
            assert_eq!(batch.items.len(), batch.geometry.len());
            for (crop, &index) in batch.pixels().chunks(small().crop_bytes()).zip(&batch.items) {
                assert!(crop.chunks(3).all(|rgb| rgb == colour(index)), "the crop of image {index}");
            }
            for left_out in &batch.skipped {
                assert_eq!(left_out.entry, dataset.entry(left_out.index));
            }
            loaded.extend_from_slice(&batch.items);
            skipped.extend(batch.skipped.iter().map(|skipped| skipped.index));
            loader.recycle(batch);
        }
        assert!(loaded.iter().copied().eq((0..FILES).filter(|&index| !is_broken(index))));
        assert!(skipped.iter().copied().eq((0..FILES).filter(|&index| is_broken(index))));
    }
}

#[test]
fn any_selection_in_any_order() {
    let root = folder(12);
    let dataset = open(root.path());
    let options = LoaderOptions { batch_size: 4, threads: 2, ..LoaderOptions::default() };
    let wanted = [9, 0, 0, 7, 3];
    let loader = Loader::new(dataset, wanted, &small(), &options).unwrap();
    let found: Vec<_> = loader.flat_map(|batch| batch.items).collect();
    assert_eq!(found, wanted);
}

#[test]
fn each_reason_says_what_is_wrong() {
    let root = folder(12);
    fs::remove_file(root.path().join("00011.png")).unwrap();
    let dataset = {
        fs::write(root.path().join("00011.png"), b"x").unwrap();
        let dataset = open(root.path());
        fs::remove_file(root.path().join("00011.png")).unwrap();
        dataset
    };
    let loader = Loader::new(dataset, 0..12, &small(), &LoaderOptions::default()).unwrap();
    let reasons: Vec<_> = loader.flat_map(|batch| batch.skipped).map(|left_out| left_out.reason).collect();
    assert!(matches!(
        reasons.as_slice(),
        [
            ImageError::Empty,
            ImageError::NotAnImage { .. },
            ImageError::Truncated { .. },
            ImageError::Read { .. }
        ]
    ));
}

#[test]
fn cancelling_ends_the_stream() {
    let root = folder(40);
    let options = LoaderOptions { batch_size: 4, threads: 2, ..LoaderOptions::default() };
    let mut loader = Loader::new(open(root.path()), (0..40).cycle(), &small(), &options).unwrap();
    loader.next().unwrap();
    loader.canceller().cancel();
    assert!(loader.by_ref().count() <= options.prefetch_batches);
    assert!(loader.next().is_none());
}
