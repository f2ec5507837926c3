//! `neuron extract-patches` through the real binary, on a small network, drawn photos and lists of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use crate::patches::{Best, Definition, kill_once_saved, picture_size, rows, without_lists};
use crate::support::{self, ARCH, draw_photos, expecting, neuron, random_weights};

/// Windows of 32 pixels, 16 apart, in a crop of 64.
const WINDOWS: usize = 9;

/// A folder with weights, photos and lists of them, in which commands run.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    /// Draws `photos` photos and writes lists of (channel, number of images).
    fn new(photos: usize, lists: &[(usize, usize)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        random_weights(folder.path());
        draw_photos(folder.path(), 1, photos);
        let setup = Self { folder };
        for (channel, length) in lists {
            // Every channel begins at another photo: lists overlap, and no rank is an index.
            let photo = |at: usize| format!("photos/class0/photo{:03}.png", (7 * at + channel) % photos);
            setup.write_list(*channel, &(0..*length).map(photo).collect::<Vec<_>>());
        }
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn write_list(&self, channel: usize, images: &[String]) {
        let folder = self.path("lists").join(channel.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("files_all.txt"), images.join("\n") + "\n").unwrap();
    }

    fn list(&self, channel: usize) -> Vec<String> {
        self.read(&format!("lists/{channel}/files_all.txt")).lines().map(str::to_owned).collect()
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = neuron(&["extract-patches", "--arch", ARCH, "--save-dir", "lists"]);
        command.args(["--weights", "random.safetensors", "--channels", "all"]).args(more);
        command.current_dir(self.folder.path());
        command
    }

    /// Runs the command, which must exit with `code`; returns stdout and stderr.
    fn run(&self, code: i32, more: &[&str]) -> (String, String) {
        expecting(code, &mut self.command(more))
    }

    /// Removes and returns what a run has written.
    fn take_results(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = without_lists(&self.path("lists"));
        for name in found.keys() {
            std::fs::remove_file(self.path("lists").join(name)).unwrap();
        }
        // What a killed process leaves of a file that it was writing is hidden and harmless.
        found.retain(|name, _| !name.to_string_lossy().ends_with(".part"));
        assert!(!found.is_empty());
        found
    }

    /// Asserts that a channel's files rank what `best` says about each image of its list.
    fn assert_ranked(&self, channel: usize, keep: usize, best: impl Fn(PathBuf) -> Best) {
        let list = self.list(channel);
        let expected: Vec<Best> = list.iter().map(|image| best(self.path(image))).collect();
        let mut order: Vec<usize> = (0..list.len()).collect();
        order.sort_by(|a, b| expected[*b].0.total_cmp(&expected[*a].0).then(a.cmp(b)));
        let rows = rows(&self.path(&format!("lists/{channel}/patches.parquet")));
        assert_eq!(rows.len(), keep);
        for (rank, (row, image)) in rows.iter().zip(order).enumerate() {
            let (score, corner) = expected[image];
            assert_eq!((row.channel, row.rank), (channel as i32, rank as i32));
            assert_eq!((&row.image, row.corner), (&list[image], corner), "rank {rank} of {channel}");
            assert!((row.score - score).abs() <= 1e-5 * score.abs().max(1e-2), "{} and {score}", row.score);
        }
        let named: Vec<&str> = rows.iter().map(|row| &*row.image).collect();
        let listed = self.read(&format!("lists/{channel}/topk_files.txt"));
        assert_eq!(listed.lines().collect::<Vec<_>>(), named);
    }
}

#[test]
fn patches_are_the_best_windows_by_definition() {
    let setup = Setup::new(10, &[(3, 6), (90, 8)]);
    setup.run(0, &["--topk-patches", "5"]);
    let definition = Definition::new(&setup.path("random.safetensors"));
    for channel in [3, 90] {
        let best = |path: PathBuf| definition.best_window(&path, ("layer4", channel), (32, 16), false);
        setup.assert_ranked(channel, 5, best);
    }
}

#[test]
fn as_the_reference_pixels_are_raw_and_sixteen_patches_are_drawn() {
    let setup = Setup::new(20, &[(3, 20)]);
    setup.run(0, &["--reference_compat", "--patch_size", "24", "--topk_patches", "18"]);
    let definition = Definition::raw(&setup.path("random.safetensors"));
    setup.assert_ranked(3, 18, |path| definition.best_window(&path, ("layer4", 3), (24, 12), false));
    let side = 2 + 4 * (24 + 2);
    assert_eq!(picture_size(&setup.path("lists/3/patches.png")), (side, side));
}

#[test]
fn with_receptive_fields_patches_lie_around_the_maximum() {
    let setup = Setup::new(8, &[(5, 8)]);
    let layer = "layer2";
    setup.run(0, &["--method", "receptive-field", "--patch-size", "16", "--target-layer", layer]);
    let weights = setup.path("random.safetensors");
    let definition = Definition::new(&weights);
    let network = neuron_model::Network::open(ARCH, &weights).unwrap();
    let field = network.graph().receptive_field(network.tap(layer).unwrap().node).unwrap();
    setup.assert_ranked(5, 8, |path| {
        let (score, (y, x)) = definition.best_position(&path, (layer, 5));
        let corner = |position: i32| {
            let first = field.start_px[0] + i64::from(position) * field.stride_px[0] as i64;
            (first + (field.size_px[0] as i64 - 16).div_euclid(2)).clamp(0, 64 - 16) as i32
        };
        (score, (corner(y), corner(x)))
    });

    setup.run(
        0,
        &["--method", "receptive-field", "--patch-size", "field", "--target-layer", layer, "--overwrite"],
    );
    let sizes: BTreeSet<i32> =
        rows(&setup.path("lists/5/patches.parquet")).iter().map(|row| row.size).collect();
    assert_eq!(sizes, BTreeSet::from([field.size_px[0].min(64) as i32]));
}

#[test]
fn windows_are_forwarded_once_for_all_units() {
    let setup = Setup::new(10, &[(0, 6), (1, 6), (2, 6), (64, 3)]);
    let lists: BTreeSet<String> = [0, 1, 2, 64].into_iter().flat_map(|channel| setup.list(channel)).collect();
    let (stdout, _) = setup.run(0, &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["images"], lists.len());
    assert_eq!(report["forwards"], lists.len() * WINDOWS);

    setup.take_results();
    let (stdout, _) = setup.run(0, &["--json", "--channel", "1"]);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["forwards"], 6 * WINDOWS);
    assert!(!setup.path("lists/0/patches.png").exists(), "only the channel that was asked for");
}

#[test]
fn pictures_show_the_patches() {
    let setup = Setup::new(10, &[(3, 7)]);
    setup.run(0, &["--save-patches"]);
    assert_eq!(picture_size(&setup.path("lists/3/patches.png")), (2 + 2 * 34, 2 + 4 * 34));
    let preprocessing = neuron_data::Preprocessing { resize: 72, crop: 64, ..Default::default() };
    for row in rows(&setup.path("lists/3/patches.parquet")) {
        let photo = neuron_data::read_rgb8(&setup.path(&row.image), &neuron_data::Limits::default()).unwrap();
        let mut crop = vec![0; preprocessing.crop_bytes()];
        let geometry = preprocessing.crop_into(&photo, &mut crop);
        let saved =
            image::open(setup.path(&format!("lists/3/patches/{}.png", row.rank))).unwrap().into_rgb8();
        assert_eq!(saved.dimensions(), (32, 32));
        for (x, y, pixel) in saved.enumerate_pixels() {
            let at = (64 * (row.corner.0 as usize + y as usize) + row.corner.1 as usize + x as usize) * 3;
            assert_eq!(pixel.0[..], crop[at..at + 3]);
        }
        assert_eq!(row.image_size, [photo.width as i32, photo.height as i32]);
        // The box of the original, shrunk as the photo was, is the patch to a pixel's rounding.
        let scale = photo.height.min(photo.width) as f32 / 72.0;
        let expected = [
            (row.corner.1 as usize + geometry.left) as f32 * scale,
            (row.corner.0 as usize + geometry.top) as f32 * scale,
            32.0 * scale,
            32.0 * scale,
        ];
        for (found, expected) in row.source.iter().zip(expected) {
            assert!((*found as f32 - expected).abs() <= 1.5, "{:?} and {expected}", row.source);
        }
    }

    // Captions add room below; patches of the earlier run that are no longer asked for go.
    setup.run(0, &["--captions", "--grid-columns", "7", "--overwrite"]);
    let (height, width) = picture_size(&setup.path("lists/3/patches.png"));
    assert!(height > 36 && width == 2 + 7 * 34, "{height} x {width}");
    assert!(!setup.path("lists/3/patches").exists());
}

#[test]
fn scores_of_whole_images_come_from_select_images() {
    let setup = Setup::new(8, &[]);
    let select = ["select-images", "--arch", ARCH, "--weights", "random.safetensors", "--data", "photos"];
    let mut select = neuron(&[&select[..], &["--topk-images", "4", "--out", "."]].concat());
    expecting(0, select.current_dir(setup.folder.path()));
    let layer = format!("{ARCH}/neuron_layer4");
    setup.run(0, &["--save-dir", &layer, "--data", "photos", "--channels", "2,77"]);
    let definition = Definition::new(&setup.path("random.safetensors"));
    for channel in [2, 77] {
        let rows = rows(&setup.path(&layer).join(channel.to_string()).join("patches.parquet"));
        assert_eq!(rows.len(), 4);
        for row in rows {
            // Names are those below the data folder, as in topk.parquet.
            assert!(row.image.starts_with("class0/"), "{}", row.image);
            let photo = setup.path("photos").join(&row.image);
            let (expected, _) = definition.best_position(&photo, ("layer4", channel));
            let found = row.image_score.unwrap();
            assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1e-2), "{found} and {expected}");
        }
    }
}

#[test]
fn lists_may_name_files_below_the_data_folder() {
    let setup = Setup::new(4, &[]);
    setup.write_list(1, &["class0/photo001.png".into(), "photos/class0/photo002.png".into()]);
    setup.run(0, &["--data", "photos"]);
    let listed = setup.read("lists/1/topk_files.txt");
    let listed: BTreeSet<&str> = listed.lines().collect();
    assert_eq!(listed, BTreeSet::from(["photos/class0/photo001.png", "photos/class0/photo002.png"]));
    for row in rows(&setup.path("lists/1/patches.parquet")) {
        assert!(row.image.starts_with("class0/") && row.image_score.is_none(), "{row:?}");
    }
}

#[test]
fn threads_and_batch_sizes_do_not_change_a_byte() {
    let setup = Setup::new(10, &[(0, 6), (1, 10), (100, 2)]);
    setup.run(0, &["--threads", "1", "--batch-size", "1", "--save-patches"]);
    let first = setup.take_results();
    for more in [["--threads", "2", "--batch-size", "3"], ["--threads", "4", "--batch_size", "512"]] {
        setup.run(0, &[&more[..], &["--save-patches"]].concat());
        assert!(setup.take_results() == first, "{more:?} changes the result");
    }
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bytes() {
    let setup = Setup::new(60, &[(0, 60), (7, 30)]);
    let slow = ["--patch-size", "8", "--threads", "1", "--batch-size", "1", "--checkpoint-every", "0"];
    setup.run(0, &slow);
    let whole = setup.take_results();
    let resumed = [&slow[..], &["--resume"]].concat();
    for _ in 0..2 {
        kill_once_saved(&mut setup.command(&resumed), &setup.path("lists/extract-patches_0,7.checkpoint"));
    }
    let (_, stderr) = setup.run(1, &slow);
    assert!(stderr.contains("an unfinished run is at"), "{stderr}");
    setup.run(0, &resumed);
    assert!(setup.take_results() == whole);
    assert!(!setup.path("lists/extract-patches_0,7.checkpoint").exists());
}

#[test]
fn shards_merge_to_the_bytes_of_one_run() {
    let setup = Setup::new(10, &[(0, 6), (1, 10), (100, 2)]);
    setup.write_list(100, &["gone.png".into(), "photos/class0/photo004.png".into()]);
    setup.run(3, &[]);
    let whole = setup.take_results();
    for shard in ["1/3", "2/3", "3/3"] {
        let output = setup.command(&["--shard", shard]).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    }
    expecting(3, neuron(&["merge", "merged", "lists"]).current_dir(setup.folder.path()));
    assert!(support::files(&setup.path("merged")) == whole);

    setup.write_list(0, &["photos/class0/photo001.png".into()]);
    let (_, stderr) = expecting(1, neuron(&["merge", "merged", "lists"]).current_dir(setup.folder.path()));
    assert!(stderr.contains("not those that were scanned"), "{stderr}");
}

#[test]
fn files_that_are_gone_are_skipped_and_reported() {
    let setup = Setup::new(6, &[(8, 3)]);
    std::fs::write(setup.path("broken.png"), b"<html>not found</html>").unwrap();
    setup.write_list(9, &["photos/class0/photo000.png".into(), "gone.png".into(), "broken.png".into()]);
    let (stdout, _) = setup.run(3, &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((report["images"].as_u64(), report["skipped"].as_array().unwrap().len()), (Some(6), 2));
    let skipped = setup.read("lists/9/skipped.tsv");
    assert!(skipped.lines().count() == 3 && skipped.contains("gone.png") && skipped.contains("broken.png"));
    assert!(!setup.path("lists/8/skipped.tsv").exists(), "every image of that list was read");
    assert_eq!(setup.read("lists/9/topk_files.txt"), "photos/class0/photo000.png\n");

    let (_, stderr) = setup.run(1, &["--strict", "--overwrite"]);
    assert!(stderr.contains("--strict"), "{stderr}");
    setup.write_list(9, &["gone.png".into()]);
    let (_, stderr) = setup.run(1, &["--overwrite", "--channels", "9"]);
    assert!(stderr.contains("none of the 1 images") && stderr.contains("gone.png"), "{stderr}");
    // Where another unit has patches, it gets them; the one without is said, listed, and not complete.
    let (_, stderr) = setup.run(3, &["--overwrite"]);
    assert!(stderr.contains("no image of channel 9") && stderr.contains("gone.png"), "{stderr}");
    assert!(setup.path("lists/8/manifest.json").is_file());
    assert_eq!(support::files(&setup.path("lists/9")).len(), 2, "the list, and what was skipped");
}

#[test]
fn mistakes_are_explained() {
    let setup = Setup::new(3, &[(3, 3), (300, 3)]);
    setup.write_list(4, &[]);
    for (more, code, expected) in [
        (&["--channel", "3", "--target-layer", "layer5"][..], 2, "unknown layer layer5"),
        (&["--channel", "300"], 2, "its channels are 0 to 127"),
        (&["--channel", "4"], 1, "4/files_all.txt is empty"),
        (&["--channel", "5"], 1, "5/files_all.txt: run `neuron select-images` first"),
        (&["--save-dir", "nowhere"], 1, "nowhere"),
        (&["--channel", "3", "--patch-size", "65"], 2, "choose at most 64"),
        (&["--channel", "3", "--patch-size", "0"], 2, "at least 1"),
        (&["--channel", "3", "--patch-size", "field"], 2, "--method receptive-field"),
        (&["--channel", "3", "--method", "receptive-field", "--target-layer", "fc"], 2, "--method sliding"),
        (&["--channel", "3", "--method", "receptive-field", "--reference-compat"], 2, "--reference-compat"),
    ] {
        let (_, stderr) = setup.run(code, more);
        assert!(stderr.contains(expected), "{more:?}: {stderr}");
    }
    assert!(without_lists(&setup.path("lists")).is_empty(), "nothing was written");

    let (_, stderr) = setup.run(0, &["--channel", "3"]);
    assert!(stderr.contains("the list has 3 images"), "{stderr}");
    let (_, stderr) = setup.run(1, &["--channel", "3"]);
    assert!(stderr.contains("--overwrite"), "{stderr}");
    let (_, stderr) = setup.run(0, &["--channel", "3", "--resume"]);
    assert!(stderr.contains("already complete"), "{stderr}");
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let setup = Setup::new(6, &[(1, 4), (2, 6)]);
    let (stdout, _) = setup.run(0, &["--dry-run", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((plan["images"].as_u64(), plan["forwards"].as_u64()), (Some(6), Some(6 * WINDOWS as u64)));
    assert_eq!((plan["channels"].as_u64(), plan["kept_per_channel"].as_u64()), (Some(2), Some(6)));
    assert!(without_lists(&setup.path("lists")).is_empty());
}
