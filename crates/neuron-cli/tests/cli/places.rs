//! Where results go and come from: whose they are, who may write, what is replaced, and what moved.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Room, assert_same_files, expecting, files, neuron};

/// Six photos, and lists of four channels of layer4, and patches of channels 0 and 3.
fn with_lists() -> Room {
    let room = Room::new(2, 3);
    room.run(0, "select-images --data photos --channels 0-3 --topk-images 5 --out .");
    room.run(0, "extract-patches --out resnet10_demo/neuron_layer4 --channels 0,3 --topk-patches 3");
    room
}

/// What lies in the folder of the lists.
fn lists(room: &Room) -> Vec<String> {
    let found = files(&room.path("resnet10_demo/neuron_layer4"));
    found.keys().map(|path| path.to_str().unwrap().to_owned()).collect()
}

const FVIS: &str = "fvis --layer layer4 --topk-dir resnet10_demo/neuron_layer4 --epochs 2 --resolution 48";

#[test]
fn a_finished_picture_is_taken_only_for_its_own_run() {
    let setup = with_lists();
    setup.run(0, &format!("{FVIS} --channel 0 --exp-name x"));
    let before = files(&setup.path("images"));
    for (other, named) in [
        ("--channel 3", "channel: 0 -> 3"),
        ("--channel 0 --method GuidedBackprop", "method: LRP -> GuidedBackprop"),
        ("--channel 0 --seed 5", "seed: 0 -> 5"),
        ("--channel 0 --lr 0.5", "learning_rate: 1.0 -> 0.5"),
        ("--channel 0 --num-real-img 2", "references"),
    ] {
        let said = setup.run(1, &format!("{FVIS} {other} --exp-name x --resume"));
        assert!(said.contains(named) && said.len() < 900, "{other}: {said}");
    }
    let said = setup.run(0, &format!("{FVIS} --channel 0 --exp-name x --resume"));
    assert!(said.contains("already complete"), "{said}");
    assert_eq!(files(&setup.path("images")), before);
}

#[test]
fn a_loop_over_channels_makes_as_many_pictures() {
    let setup = with_lists();
    setup.run(0, &format!("{FVIS} --channel 0 --resume"));
    // Beside other pictures a run that nobody named has nothing to continue, and says so; one with a name begins.
    let said = setup.run(1, &format!("{FVIS} --channel 3 --resume"));
    assert!(said.contains("nothing to resume") && said.contains("unit0"), "{said}");
    setup.run(0, &format!("{FVIS} --channel 3 --resume --exp-name new"));
    setup.run(0, &format!("{FVIS} --channel 3"));
    let found = files(&setup.path("images"));
    for channel in [0, 3] {
        let picture = format!("resnet10_demo_layer4_unit{channel}.png");
        assert!(found.contains_key(Path::new(&picture)), "{:?}", found.keys());
    }
}

#[test]
fn overwritten_pictures_are_replaced_with_their_copies_and_steps() {
    let setup = with_lists();
    setup.run(0, &format!("{FVIS} --channels 0,3 --bs 2 --exp-name x --save-every 1"));
    fs::write(setup.path("images/x_notes.txt"), "mine").unwrap();
    setup.run(0, &format!("{FVIS} --channel 0 --exp-name x --overwrite"));
    let names: Vec<PathBuf> = files(&setup.path("images")).into_keys().collect();
    assert_eq!(names, ["x.json", "x.png", "x_loss.svg", "x_masked.png", "x_notes.txt"].map(PathBuf::from));
}

#[test]
fn overwritten_lists_are_replaced_with_what_was_made_from_them() {
    let setup = with_lists();
    setup.run(0, "baseline --data photos --target-layer layer4 --chs 3 --topk-patches 2 --out .");
    let said = setup.run(1, "select-images --data photos --channels 1 --topk-images 1 --out .");
    assert!(said.contains("--overwrite"), "{said}");
    assert!(lists(&setup).iter().any(|path| path == "0/patches.png"));
    setup.run(0, "select-images --data photos --channels 1 --topk-images 1 --out . --overwrite");
    let found: Vec<String> = lists(&setup).into_iter().filter(|path| !path.starts_with("3/top2/")).collect();
    assert_eq!(found, ["1/files_all.txt", "manifest.json", "topk.parquet"]);
    // What baseline found does not come from the lists.
    assert!(setup.path("resnet10_demo/neuron_layer4/3/top2/patches.png").is_file());
}

#[test]
fn lists_without_a_manifest_are_not_replaced_unasked() {
    let setup = Room::new(2, 3);
    let list = setup.path("resnet10_demo/neuron_layer4/7/files_all.txt");
    fs::create_dir_all(list.parent().unwrap()).unwrap();
    fs::write(&list, "photos/class0/photo000.png\n").unwrap();
    let said = setup.run(1, "select-images --data photos --channels 1 --out .");
    assert!(said.contains("another origin") && said.contains("--overwrite"), "{said}");
    setup.run(0, "select-images --data photos --channels 1 --out . --overwrite");
    assert!(!list.exists());
}

#[test]
fn lists_and_patches_of_another_layer_or_network_are_refused() {
    let setup = with_lists();
    let lists = "--save-dir resnet10_demo/neuron_layer4 --channels 0";
    let said = setup.run(2, &format!("extract-patches {lists} --target-layer layer3 --overwrite"));
    assert!(said.contains("those of layer4, not of layer3"), "{said}");
    // The last block is the same value under another name.
    setup.run(0, &format!("extract-patches {lists} --target-layer layer4_0 --topk-patches 2 --overwrite"));
    let said = setup.run(2, &format!("{FVIS} --channel 0 --layer layer4.0.conv1"));
    assert!(said.contains("not of layer4.0.conv1"), "{said}");

    let manifest = setup.path("resnet10_demo/neuron_layer4/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"arch\": \"resnet10_demo\"", "\"arch\": \"resnet18\"")).unwrap();
    let said = setup.run(2, &format!("extract-patches {lists} --overwrite"));
    assert!(said.contains("those of resnet18"), "{said}");
    let at = text.find("weights_sha256\": \"").unwrap() + 18;
    fs::write(&manifest, format!("{}0000000000000{}", &text[..at], &text[at + 13..])).unwrap();
    let said = setup.run(0, &format!("extract-patches {lists} --overwrite"));
    assert!(said.contains("another weights file"), "{said}");
}

#[test]
fn lists_without_their_manifest_are_known_by_their_table_or_refused() {
    let setup = with_lists();
    let lists = setup.path("resnet10_demo/neuron_layer4");
    fs::remove_file(lists.join("manifest.json")).unwrap();
    let extract = "extract-patches --save-dir resnet10_demo/neuron_layer4 --channels 1 --overwrite";
    let said = setup.run(2, &format!("{extract} --target-layer layer3"));
    assert!(said.contains("those of layer4, not of layer3"), "{said}");
    setup.run(0, extract);
    // As a kill leaves it while lists are replaced.
    fs::write(setup.path("resnet10_demo/select-images_layer4.checkpoint"), "").unwrap();
    let said = setup.run(1, extract);
    assert!(said.contains("not complete") && said.contains("--resume"), "{said}");
}

#[test]
fn images_that_are_not_those_of_the_lists_are_said() {
    let setup = with_lists();
    let extract =
        "extract-patches --save-dir resnet10_demo/neuron_layer4 --channels 1 --topk-patches 2 --overwrite";
    assert!(!setup.run(0, &format!("{extract} --data photos")).contains("reading images from"));
    fs::create_dir(setup.path("other")).unwrap();
    let said = setup.run(0, &format!("{extract} --data other"));
    assert!(said.contains("reading images from photos"), "{said}");
    let said = setup.run(1, &format!("{extract} --data nowhere"));
    assert!(said.contains("no folder, list or archive nowhere"), "{said}");

    fs::remove_dir(setup.path("other")).unwrap();
    fs::rename(setup.path("photos"), setup.path("other")).unwrap();
    let said = setup.run(0, &format!("{extract} --data other"));
    assert!(said.contains("reading images from other") && !said.contains("do the lists belong"), "{said}");
    fs::write(setup.path("other/class1/one more.png"), "x").unwrap();
    let said = setup.run(0, &format!("{extract} --data other"));
    assert!(said.contains("do the lists belong"), "{said}");
}

#[test]
fn a_folder_above_or_below_that_of_the_lists_finds_what_is_listed() {
    let setup = with_lists();
    for data in [".", "photos", "photos/class0"] {
        let lists = "--save-dir resnet10_demo/neuron_layer4 --channels 1 --topk-patches 2 --overwrite";
        let said = setup.run(0, &format!("extract-patches {lists} --data {data}"));
        assert!(!said.contains("skipped photos"), "{data}: {said}");
        setup.run(0, &format!("{FVIS} --channel 1 --data {data} --exp-name x --overwrite"));
    }
}

#[test]
fn plans_write_nothing() {
    let setup = with_lists();
    for shard in ["1/2", "2/2"] {
        setup.run(0, &format!("select-images --channels 0-3 --out s --data photos --shard {shard}"));
    }
    let before = files(&setup.path(""));
    for (code, line) in [
        (0, "merge m s --dry-run"),
        (0, "extract-patches --save-dir resnet10_demo/neuron_layer4 --channels 1 --dry-run"),
        (0, "select-images --data photos --dry-run --out d"),
        (0, "baseline --data photos --target-layer layer4 --chs 0 --dry-run --out d"),
        (0, "activations photos/class0/photo000.png --taps fc --out a.safetensors --dry-run"),
        (0, "attribute photos/class0/photo000.png --layer layer4 --channel 0 --out h --dry-run"),
    ] {
        setup.run(code, line);
    }
    // A plan tells what the run would find.
    setup.run(1, &format!("{FVIS} --channel 1 --dry-run"));
    let (plan, _) = expecting(0, &mut setup.command(&format!("{FVIS} --channel 3 --dry-run --json")));
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["images"], 3);
    let mut others = neuron(&["man", "pages", "--dry-run"]);
    expecting(0, others.current_dir(setup.path("")));
    let mut others = neuron(&["atlas", ".", "--dry-run"]);
    expecting(0, others.current_dir(setup.path("")));
    assert_eq!(files(&setup.path("")), before);
}

#[test]
fn the_order_of_channels_changes_nothing() {
    let setup = Room::new(2, 3);
    setup.run(0, "select-images --data photos --channels 3,0-1 --out o");
    let said = setup.run(0, "select-images --data photos --channels 0,1,3 --out o --resume");
    assert!(said.contains("already complete"), "{said}");
}

#[test]
fn of_two_runs_that_write_to_one_place_the_second_is_refused() {
    let setup = Room::new(2, 3);
    let endless =
        "fvis --layer layer4 --channel 0 --topk-dir lists --epochs 1000000 --resolution 48 --folder-name f";
    fs::create_dir_all(setup.path("lists/0")).unwrap();
    fs::write(setup.path("lists/0/topk_files.txt"), "photos/class0/photo000.png\n").unwrap();
    let mut first = setup.command(endless).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !setup.path("f").exists()
        || !files(&setup.path("f")).keys().any(|name| name.extension().is_some_and(|e| e == "claim"))
    {
        assert!(first.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let said = setup.run(1, &format!("{endless} --seed 3"));
    assert!(
        said.contains("another run is writing to f: fvis, process") && said.contains(&first.id().to_string()),
        "{said}"
    );
    // Another picture in the same folder is no conflict.
    setup.run(0, "fvis --layer layer4 --channel 0 --topk-dir lists --epochs 1 --resolution 48 --folder-name f --exp-name y");
    first.kill().unwrap();
    first.wait().unwrap();
    setup.run(
        0,
        "fvis --layer layer4 --channel 0 --topk-dir lists --epochs 1 --resolution 48 --folder-name f",
    );
    assert!(!files(&setup.path("f")).keys().any(|name| name.to_str().unwrap().starts_with('.')));
}

#[test]
fn of_two_scans_at_once_one_wins_whole() {
    let setup = Room::new(2, 3);
    for _ in 0..5 {
        let scan = |keep: usize| {
            let line = format!("select-images --data photos --channels 0-3 --topk-images {keep} --out o");
            setup.command(&line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let (mut one, mut other) = (scan(6), scan(2));
        let codes = [one.wait().unwrap().code(), other.wait().unwrap().code()];
        assert!(codes == [Some(0), Some(1)] || codes == [Some(1), Some(0)], "{codes:?}");
        let kept = if codes[0] == Some(0) { 6 } else { 2 };
        for channel in 0..4 {
            let list = setup.path(&format!("o/resnet10_demo/neuron_layer4/{channel}/files_all.txt"));
            assert_eq!(fs::read_to_string(list).unwrap().lines().count(), kept);
        }
        fs::remove_dir_all(setup.path("o")).unwrap();
    }
}

#[test]
fn spellings_of_one_place_are_the_same_and_differences_are_named_alone() {
    let setup = Room::new(2, 3);
    let scan = "select-images --channels 0-3 --topk-images 5 --out o --data";
    setup.run(0, &format!("{scan} photos"));
    let absolute = setup.path("photos").display().to_string();
    for spelling in ["photos/", "./photos", &absolute] {
        let said = setup.run(0, &format!("{scan} {spelling} --resume"));
        assert!(said.contains("already complete"), "{said}");
    }
    for dry in ["", " --dry-run"] {
        let said = setup.run(1, &format!("{scan} photos --resume --topk-images 4{dry}"));
        assert!(said.contains("settings.topk_images: 5 -> 4") && said.len() < 400, "{said}");
    }
    let (plan, _) = expecting(0, &mut setup.command(&format!("{scan} photos --resume --dry-run")));
    assert!(plan.contains("already complete"), "{plan}");

    // Shards that were made with other spellings, and on images that have moved since, are one scan.
    for (shard, data) in [("1/2", "photos/"), ("2/2", "./photos")] {
        setup.run(
            0,
            &format!("select-images --channels 0-3 --topk-images 5 --out s --data {data} --shard {shard}"),
        );
    }
    setup.run(0, "merge merged s");
    let wrong =
        setup.run(0, "select-images --channels 0-3 --topk-images 4 --out s2 --data photos --shard 2/2");
    assert!(!wrong.contains("error"));
    fs::copy(
        setup.path("s2/resnet10_demo/select-images_layer4.shard-2-of-2"),
        setup.path("s/resnet10_demo/select-images_layer4.shard-2-of-2"),
    )
    .unwrap();
    let said = setup.run(1, "merge merged2 s");
    assert!(said.contains("settings.topk_images: 5 -> 4") && said.len() < 600, "{said}");
}

#[test]
fn a_scan_that_could_read_nothing_leaves_nothing() {
    let setup = Room::new(2, 3);
    fs::create_dir(setup.path("bad")).unwrap();
    for name in ["a.png", "b.png"] {
        fs::write(setup.path("bad").join(name), "no picture").unwrap();
    }
    let said = setup.run(1, "select-images --data bad --channels 0-3 --out o");
    assert!(said.contains("none of the 2 images could be read") && said.contains("a.png"), "{said}");
    assert!(!setup.path("o").exists(), "{:?}", files(&setup.path("o")).keys());
}

#[test]
fn merged_shards_do_not_replace_another_result_unasked() {
    let setup = with_lists();
    for shard in ["1/2", "2/2"] {
        setup.run(
            0,
            &format!("select-images --channels 0-3 --topk-images 2 --out s --data photos --shard {shard}"),
        );
    }
    let said = setup.run(1, "merge . s");
    assert!(said.contains("settings.topk_images: 5 -> 2"), "{said}");
    setup.run(0, "merge . s --overwrite");
    setup.run(0, "merge other s");
    setup.run(0, "merge other s");
    assert_same_files(
        &setup.path("resnet10_demo/neuron_layer4"),
        &setup.path("other/resnet10_demo/neuron_layer4"),
    );
}

#[cfg(unix)]
#[test]
fn links_pipes_and_devices_stay_what_they_are() {
    use std::os::unix::fs::symlink;
    let setup = Room::new(2, 3);
    let activations = "activations photos/class0/photo000.png --taps layer4 --reduce max --overwrite --out";
    symlink("real.safetensors", setup.path("link")).unwrap();
    setup.run(0, &format!("{activations} link"));
    assert!(fs::symlink_metadata(setup.path("link")).unwrap().is_symlink());
    let written = fs::read(setup.path("real.safetensors")).unwrap();

    assert!(Command::new("mkfifo").arg(setup.path("pipe")).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = setup.path("pipe");
        move || fs::read(pipe).unwrap()
    });
    setup.run(0, &format!("{activations} pipe"));
    assert_eq!(reader.join().unwrap(), written);
    setup.run(0, &format!("{activations} /dev/null"));
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let said = setup.run(1, &format!("{activations} photos"));
    assert!(said.contains("folder"), "{said}");
}

#[test]
fn images_of_a_list_that_moved_with_it_are_found_below_the_new_data() {
    let setup = Room::new(2, 3);
    let entries = ["class0/photo000.png", "class1/photo001.png", "class1/photo002.png"];
    fs::write(setup.path("photos/list.txt"), entries.join("\n")).unwrap();
    setup.run(0, "select-images --data photos/list.txt --channels 0-3 --topk-images 3 --out .");
    let extract =
        "extract-patches --save-dir resnet10_demo/neuron_layer4 --channels 0 --topk-patches 3 --overwrite";
    let patches =
        || files(&setup.path("resnet10_demo/neuron_layer4/0"))[&PathBuf::from("patches.png")].clone();
    setup.run(0, extract);
    let before = patches();
    fs::rename(setup.path("photos"), setup.path("other")).unwrap();
    for data in ["other", "other/list.txt", "./other/"] {
        setup.run(0, &format!("{extract} --data {data}"));
        assert!(patches() == before, "{data}");
    }
    setup.run(0, &format!("{FVIS} --channel 0 --exp-name x --data other/list.txt"));
}
