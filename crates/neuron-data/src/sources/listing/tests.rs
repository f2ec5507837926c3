use super::super::tally::Tally;
use super::*;

fn tree(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }
    root
}

fn listed(root: &Path) -> Vec<String> {
    let folders = walk(root).unwrap();
    let with_folder = |folder: &Folder| {
        let relative = folder.relative.clone();
        folder
            .files()
            .map(|name| Path::new(&relative).join(name).to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    folders.iter().flat_map(with_folder).collect()
}

#[test]
fn the_order_is_that_of_image_folder() {
    // Within a class torchvision sorts the folders' paths as strings ('-' < '/'), and a folder's files
    // come before those of the folders in it; capitals come first.
    let expected =
        ["a/B.jpg", "a/b.jpg", "a/z.JPEG", "a/x/2.jpg", "a/x-y/1.jpg", "a/x/s/3.jpg", "a-b/0.jpg", "b/1.png"];
    let mut shuffled = expected;
    shuffled.reverse();
    assert_eq!(listed(tree(&shuffled).path()), expected);
}

#[test]
fn what_is_hidden_or_no_image_is_left_out() {
    let root = tree(&["a/1.png", "a/._1.png", ".git/2.png", "a/notes.txt", "a/README"]);
    assert_eq!(listed(root.path()), ["a/1.png"]);
    assert_eq!(walk(root.path()).unwrap().iter().map(|folder| folder.left_out.other_files).sum::<usize>(), 2);
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;
    let elsewhere = tree(&["deep/1.png"]);
    let root = tree(&["a/1.png", "b/2.png"]);
    symlink(elsewhere.path(), root.path().join("c")).unwrap();
    symlink(root.path(), root.path().join("a/up")).unwrap();
    // Two links that lead to each other's folder: each is followed once, not for ever.
    symlink(root.path().join("b"), root.path().join("a/x")).unwrap();
    symlink(root.path().join("a"), root.path().join("b/y")).unwrap();
    symlink("nowhere", root.path().join("b/broken.png")).unwrap();
    let expected =
        ["a/1.png", "a/x/2.png", "a/x/broken.png", "b/2.png", "b/broken.png", "b/y/1.png", "c/deep/1.png"];
    assert_eq!(listed(root.path()), expected);
}

/// What cannot be used, with its reason.
fn unusable(root: &Path) -> Vec<(String, String)> {
    let folders = walk(root).unwrap();
    let all = folders.iter().flat_map(|folder| &folder.unusable);
    all.map(|(name, unusable)| (name.clone(), unusable.reason().to_string())).collect()
}

#[cfg(unix)]
#[test]
fn names_that_no_list_can_hold_keep_a_place() {
    use std::os::unix::ffi::OsStrExt;
    let root = tree(&["a/1.png", "a/2.png"]);
    fs::write(root.path().join("a/two\nlines.png"), b"x").unwrap();
    let folder = root.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("1.png"), b"x").unwrap();
    assert_eq!(listed(root.path()), ["a/1.png", "a/2.png"]);
    let found = unusable(root.path());
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a/two\\nlines.png", "caf\\xE9"]);
    assert!(found.iter().all(|(_, reason)| reason.contains("not UTF-8 or holds a line break")));
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_keeps_a_place() {
    // A path that is longer than the system takes: two deep folders, one moved into the other.
    let root = tree(&["a/1.png"]);
    let deep = |name: &str| {
        let path = root.path().join(name).join(vec!["n".repeat(200); 15].join("/"));
        fs::create_dir_all(&path).unwrap();
        path
    };
    let inner = deep("a");
    fs::create_dir_all(deep("z")).unwrap();
    fs::rename(root.path().join("z"), inner.join("z")).unwrap();
    assert_eq!(listed(root.path()), ["a/1.png"]);
    let found = unusable(root.path());
    assert_eq!(found.len(), 1);
    assert!(found[0].0.starts_with("a/n") && found[0].1.contains("cannot read the folder"), "{found:?}");
}

#[test]
fn what_neuron_wrote_is_no_image() {
    let root = tree(&["a/1.png", "r/neuron_x/0/patches.png", "a/heatmap.png", "a/relevance.safetensors"]);
    let manifest = r#"{"scan": {"command": "select-images", "neuron_version": "1"}}"#;
    fs::write(root.path().join("r/neuron_x/manifest.json"), manifest).unwrap();
    assert_eq!(listed(root.path()), ["a/1.png"]);
    let mut left_out = LeftOut::default();
    walk(root.path()).unwrap().iter().for_each(|folder| left_out.merge(&folder.left_out));
    assert_eq!(left_out.result_folders, Tally { count: 1, example: "r/neuron_x".into() });
    assert_eq!(left_out.result_pictures, Tally { count: 1, example: "a/heatmap.png".into() });
    // Who names a folder wants it.
    assert_eq!(listed(&root.path().join("r/neuron_x")), ["0/patches.png"]);
}

#[test]
fn what_could_be_missed_is_counted() {
    let root = tree(&["a/1.png", "a/3.heic", "b/2.HEIC", "b/x.jpg ", "b/y.txt"]);
    #[cfg(unix)]
    std::os::unix::fs::symlink("/no/such/folder", root.path().join("photos")).unwrap();
    let mut left_out = LeftOut::default();
    walk(root.path()).unwrap().iter().for_each(|folder| left_out.merge(&folder.left_out));
    assert_eq!(left_out.other_pictures["heic"], Tally { count: 2, example: "a/3.heic".into() });
    assert_eq!(left_out.other_pictures["jpg"].example, "b/x.jpg ");
    assert_eq!(left_out.dead_links.count, usize::from(cfg!(unix)));
}

#[cfg(unix)]
#[test]
fn links_to_results_are_judged_by_where_they_lead() {
    use std::os::unix::fs::symlink;
    let results =
        tree(&["r/0/patches.png", "r/0/patches/0.png", "c/patches.png", "c/photo.png", "c/patches/0.png"]);
    let real = |name: &str| results.path().join(name);
    let manifest = r#"{"scan": {"command": "select-images", "neuron_version": "1"}}"#;
    fs::write(real("r/manifest.json"), manifest).unwrap();
    fs::write(real("c/files_all.txt"), "a.png").unwrap();
    let root = tree(&["a/1.png", "b/2.png"]);
    let link = |to: PathBuf, name: &str| symlink(to, root.path().join(name)).unwrap();
    link(real("r/0/patches.png"), "a/grid.png");
    link(real("c/patches.png"), "a/other.jpg");
    // A link to a link, and a link to a photo beside a grid.
    link(root.path().join("a/grid.png"), "b/again.png");
    link(real("c/photo.png"), "b/photo.png");
    link(real("r"), "whole");
    link(real("r/0/patches"), "inner");
    link(real("c/patches"), "cut");
    link(real("c"), "mixed");
    assert_eq!(listed(root.path()), ["a/1.png", "b/2.png", "b/photo.png", "mixed/photo.png"]);
    let mut left_out = LeftOut::default();
    walk(root.path()).unwrap().iter().for_each(|folder| left_out.merge(&folder.left_out));
    assert_eq!(left_out.result_folders, Tally { count: 4, example: "cut".into() });
    assert_eq!(left_out.result_pictures, Tally { count: 4, example: "a/grid.png".into() });
    // Who names a folder of results wants what lies there, also by a link.
    link(real("r/0"), "named");
    assert_eq!(listed(&root.path().join("named")), ["patches.png", "patches/0.png"]);
}
