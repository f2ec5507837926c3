//! What people type and have lying about: each mistake is told by its name, with a way out, and nothing is lost by it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{ARCH, Room, assert_same_files, expecting, neuron};

/// A command line of words, in a folder, with the small network.
fn line(room: &Room, words: &str) -> Command {
    let mut command = neuron(&words.split_whitespace().collect::<Vec<_>>());
    command.args(["--arch", ARCH, "--weights", "random.safetensors"]).current_dir(room.path(""));
    command
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn variables_that_are_empty_say_nothing() {
    let room = Room::new(1, 2);
    let mut command = line(&room, "select-images --data photos --channels 0 --layer layer4");
    expecting(0, command.env("NEURON_DATA", "").env("NEURON_WEIGHTS", "").env("NEURON_ISA", ""));
}

#[test]
fn an_instruction_set_that_the_machine_lacks_is_wrong_usage() {
    let room = Room::new(1, 1);
    let mut command = line(&room, "select-images --data photos --layer layer4");
    let (_, stderr) = expecting(2, command.env("NEURON_ISA", "abacus"));
    assert!(stderr.contains("NEURON_ISA=abacus") && stderr.contains("portable"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn a_folder_whose_name_no_list_can_hold_is_refused() {
    let room = Room::new(1, 1);
    fs::rename(room.path("photos"), room.path("two\nlines")).unwrap();
    let mut command = line(&room, "select-images --layer layer4");
    let (_, stderr) = expecting(2, command.args(["--data", "two\nlines"]));
    assert!(stderr.contains("line break") && stderr.contains("rename"), "{stderr}");
    assert!(!room.path(ARCH).exists());
}

#[test]
fn metadata_that_are_neither_true_nor_false_are_refused() {
    let room = Room::new(1, 1);
    let convert = |metadata: &str, code| {
        let words = ["weights", "convert", "random.safetensors", "new.safetensors", "--overwrite"];
        let mut command = neuron(&words);
        command.args(["--arch", ARCH, "--metadata", metadata]).current_dir(room.path(""));
        expecting(code, &mut command).1
    };
    for metadata in ["stride_in_1x1=True", "stride_in_1x1=false"] {
        convert(metadata, 0);
    }
    let stderr = convert("stride_in_1x1=yes", 1);
    assert!(stderr.contains("stride_in_1x1") && stderr.contains("false or true"), "{stderr}");
    let stderr = convert("labels=cat", 1);
    assert!(stderr.contains("labels") && stderr.contains("JSON array"), "{stderr}");
}

#[test]
fn results_of_which_parts_got_lost_are_made_again() {
    let room = Room::new(2, 2);
    let select = |out: &str| {
        format!("select-images --data photos --channels 0-3 --layer layer4 --topk-images 3 --out {out}")
    };
    let patches = |out: &str| {
        format!(
            "extract-patches --data photos --channels 0,1 --layer layer4 --topk-patches 2 --out {out}/{ARCH}/neuron_layer4"
        )
    };
    for out in ["whole", "lossy"] {
        expecting(0, &mut line(&room, &select(out)));
    }
    let lists = room.path(&format!("lossy/{ARCH}/neuron_layer4"));
    fs::remove_dir_all(lists.join("2")).unwrap();
    fs::remove_file(lists.join("topk.parquet")).unwrap();
    expecting(0, &mut line(&room, &(select("lossy") + " --resume")));
    assert_same_files(&room.path("whole"), &room.path("lossy"));

    for out in ["whole", "lossy"] {
        expecting(0, &mut line(&room, &patches(out)));
    }
    fs::remove_file(lists.join("1/patches.png")).unwrap();
    expecting(0, &mut line(&room, &(patches("lossy") + " --resume")));
    // Manifests name the folder of the lists.
    let picture =
        |out: &str| fs::read(room.path(&format!("{out}/{ARCH}/neuron_layer4/1/patches.png"))).unwrap();
    assert_eq!(picture("whole"), picture("lossy"));
}

#[test]
fn summaries_are_printed_where_all_is_there_already() {
    let room = Room::new(2, 2);
    let lists = format!("{ARCH}/neuron_layer4");
    for words in [
        "select-images --data photos --channels 0,1 --layer layer4 --topk-images 3 --out .".to_owned(),
        format!("extract-patches --data photos --channels 0,1 --layer layer4 --topk-patches 2 --out {lists}"),
        "baseline --data photos --channels 0 --layer layer4 --topk-patches 2 --out base".to_owned(),
        format!(
            "fvis --channels 0 --layer layer4 --topk-dir {lists} --steps 1 --resolution 32 --out pictures"
        ),
    ] {
        let words = words + " --json --resume";
        let (first, _) = expecting(0, &mut line(&room, &words));
        let (second, stderr) = expecting(0, &mut line(&room, &words));
        assert!(stderr.contains("already complete"), "{stderr}");
        assert_eq!(json(&first)["command"], json(&second)["command"]);
        if words.starts_with("fvis") {
            assert_eq!(json(&first), json(&second), "the same pictures");
        } else {
            assert_eq!(json(&second)["already_complete"], Value::Bool(true));
            assert_eq!(json(&first)["output"], json(&second)["output"]);
        }
    }
}

#[test]
fn plans_are_results() {
    let room = Room::new(1, 1);
    for words in [
        "activations photos/class0/photo000.png --layer layer4 --out maps.safetensors",
        "attribute photos/class0/photo000.png --layer layer4 --channel 0 --out heat",
    ] {
        let plan = |flags: &str| expecting(0, &mut line(&room, &format!("{words} --dry-run {flags}"))).0;
        assert!(plan("-q").contains("forward     1 pass"), "{}", plan("-q"));
        assert_eq!(json(&plan("--json"))["forwards"], 1);
    }
    assert!(!room.path("maps.safetensors").exists() && !room.path("heat").exists());
}

#[test]
fn lists_of_another_preprocessing_are_told() {
    let room = Room::new(1, 3);
    expecting(
        0,
        &mut line(
            &room,
            "select-images --data photos --channels 0 --layer layer4 --resize 48 --crop 40 --out .",
        ),
    );
    let lists = format!("{ARCH}/neuron_layer4");
    let patches =
        format!("extract-patches --data photos --channels 0 --layer layer4 --topk-patches 2 --out {lists}");
    let (_, stderr) = expecting(0, &mut line(&room, &patches));
    assert!(stderr.contains("another preprocessing") && stderr.contains("crop: 40 -> "), "{stderr}");
    let milan = ["export", "--format", "milan", &*lists, "--out", "milan", "--data", "photos"];
    let (_, stderr) = expecting(1, neuron(&milan).current_dir(room.path("")));
    assert!(stderr.contains("another preprocessing") && stderr.contains("extract-patches"), "{stderr}");
    let (_, stderr) = expecting(0, &mut line(&room, &(patches + " --resize 48 --crop 40 --overwrite")));
    assert!(!stderr.contains("another preprocessing"), "{stderr}");
}

#[test]
fn images_that_were_replaced_since_the_scan_are_told() {
    let room = Room::new(2, 2);
    expecting(0, &mut line(&room, "select-images --data photos --channels 0,1 --layer layer4 --out ."));
    let patches = |channel: usize| {
        let words = format!(
            "extract-patches --data photos --channels {channel} --layer layer4 --topk-patches 2 --out {ARCH}/neuron_layer4"
        );
        expecting(0, &mut line(&room, &words)).1
    };
    assert!(!patches(0).contains("not all those"));
    fs::write(room.path("photos/class0/photo000.png"), png(40)).unwrap();
    assert!(patches(1).contains("not all those that were scanned"));
}

/// A picture of so many grey pixels each way.
fn png(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let grey = image::RgbImage::from_pixel(side, side, image::Rgb([90; 3]));
    grey.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

#[test]
fn flags_are_named_by_what_is_wrong_with_them() {
    let room = Room::new(1, 2);
    for (words, code, named) in [
        ("select-images --data photos --layer layer4 --crop 0", 2, "--crop"),
        ("select-images --data photos --layer layer4 --resize 20000", 2, "--resize"),
        ("select-images --data photos --layer layer4 --resize 10 --crop 20", 1, "--crop"),
        ("fvis --layer layer4 --channels 0 --topk-dir photos --phases 1000:2", 2, "--phases"),
    ] {
        let (_, stderr) = expecting(code, &mut line(&room, words));
        assert!(stderr.contains(named), "{words}: {stderr}");
    }
    let mut command = line(&room, "fvis --layer layer4 --channels 0 --topk-dir photos");
    let (_, stderr) = expecting(2, command.args(["--exp-name", ""]));
    assert!(stderr.contains("--exp-name"), "{stderr}");
    let (_, stderr) =
        expecting(1, neuron(&["atlas", ".", "--data", "nowhere"]).current_dir(room.path("photos")));
    assert!(stderr.contains("nowhere") || stderr.contains("results"), "{stderr}");
}

#[test]
fn flags_without_effect_are_told() {
    let room = Room::new(1, 2);
    let fvis = "fvis --layer layer4 --channels 0 --steps 1 --resolution 32 --data photos --dry-run";
    expecting(0, &mut line(&room, "select-images --data photos --channels 0 --layer layer4 --out ."));
    let patches = "extract-patches --data photos --channels 0 --layer layer4 --topk-patches 2";
    expecting(0, &mut line(&room, &format!("{patches} --out {ARCH}/neuron_layer4")));
    let told = |flags: &str| {
        expecting(0, &mut line(&room, &format!("{fvis} --topk-dir {ARCH}/neuron_layer4 {flags}"))).1
    };
    for (flags, named) in [
        ("--objective activation --layers layer1 --method none", "--layers, --method"),
        ("--activation-goal 2 --specificity 1", "--activation-goal, --specificity"),
        ("--magnitudes 1/f", "--magnitudes"),
        ("--schedule unclamped", "--steps"),
    ] {
        assert!(told(flags).contains(&format!("no effect of {named}")), "{flags}: {}", told(flags));
    }
    for flags in [
        "",
        "--preset clear",
        "--objective maco",
        "--objective activation",
        "--activation 1 --activation-goal 2",
    ] {
        assert!(!told(flags).contains("no effect"), "{flags}: {}", told(flags));
    }
}

#[test]
fn resumed_patches_of_other_channels_are_told_by_the_channels_alone() {
    let room = Room::new(1, 3);
    expecting(0, &mut line(&room, "select-images --data photos --channels 0-2 --layer layer4 --out ."));
    let patches = |channels: &str, code| {
        let words = format!(
            "extract-patches --data photos --layer layer4 --topk-patches 2 --resume --channels {channels} \
             --out {ARCH}/neuron_layer4"
        );
        expecting(code, &mut line(&room, &words)).1
    };
    patches("0,1", 0);
    let stderr = patches("0-2", 1);
    assert!(stderr.contains("settings.channels: 0-1 -> 0-2") && !stderr.contains("lists_sha256"), "{stderr}");
    assert!(stderr.contains("pass only channels that are not there yet"), "{stderr}");
    patches("2", 0);
}

#[cfg(unix)]
#[test]
fn a_limit_on_the_size_of_files_is_an_error_that_names_one() {
    let room = Room::new(1, 1);
    let words = "activations photos/class0/photo000.png --layer layer1 --out maps.safetensors";
    let neuron = line(&room, words);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 8; exec \"$0\" \"$@\""]).arg(neuron.get_program()).args(neuron.get_args());
    let (_, stderr) = expecting(1, shell.current_dir(room.path("")));
    assert!(stderr.contains("maps.safetensors") && stderr.contains("too large"), "{stderr}");
    assert!(!room.path("maps.safetensors").exists());
}

#[cfg(unix)]
#[test]
fn names_do_not_reach_the_terminal_as_control_characters() {
    let room = Room::new(1, 2);
    fs::write(room.path("photos/class0/\u{1b}[31mred.png"), b"no picture").unwrap();
    let words = "select-images --data photos --channels 0 --layer layer4 --out . --strict";
    let (_, stderr) = expecting(1, &mut line(&room, words));
    assert!(stderr.contains("red.png") && !stderr.contains('\u{1b}'), "{stderr:?}");
}

#[test]
fn what_is_typed_replaces_lists_of_the_configuration() {
    let room = Room::new(1, 2);
    fs::write(room.path("flags.toml"), "data = 'photos'\n[select-images]\nlayer = ['layer3', 'layer4']\n")
        .unwrap();
    let select = "select-images --config flags.toml --channels 0";
    expecting(0, &mut line(&room, &format!("{select} --layer layer2 --out typed")));
    expecting(0, &mut line(&room, &format!("{select} --out file")));
    let layers = |out: &str| fs::read_dir(room.path(&format!("{out}/{ARCH}"))).unwrap().count();
    assert_eq!((layers("typed"), layers("file")), (1, 2));
}
