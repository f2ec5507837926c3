//! Lists of images: a data set, a list of references, and entries of a folder that has moved.

use neuron_data::{Dataset, DatasetOptions, Limits, Lookup, Moved, read_list};

use crate::scratch;

pub(super) fn read(bytes: &[u8]) -> bool {
    let folder = scratch::folder("list", |folder| {
        for name in ["a/1.png", "a/2.png", "b/1.png", "#1.png"] {
            scratch::write(&folder.join(name), b"no picture");
        }
    });
    let list = folder.join("list.txt");
    let bases = [folder.clone()];
    let options = DatasetOptions { split: None, split_n: Some(2) };
    let dataset = Dataset::from_list(bytes, &list, &bases, &options);
    if let Ok(dataset) = &dataset {
        assert!(!dataset.is_empty() && dataset.fingerprint().len() == 64);
        for index in 0..dataset.len().min(16) {
            assert!(!dataset.name(index).is_empty() && !dataset.entry(index).is_empty());
            assert!(dataset.read_rgb8(index, &Limits::default()).is_err(), "nothing here is a picture");
        }
    }
    scratch::write(&list, bytes);
    if let Ok(text) = read_list(&list) {
        let lines: Vec<&str> = text.lines().collect();
        let moved = Some(Moved { from: "old".into(), to: folder.clone() });
        let found = Dataset::look_up(&lines, &Lookup { bases: vec![folder], moved });
        assert_eq!(found.len(), lines.len(), "every entry keeps its place");
    }
    dataset.is_ok()
}
