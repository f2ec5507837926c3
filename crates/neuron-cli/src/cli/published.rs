//! Command lines as they were published, and as help and documents show them: all of them parse.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory;

use super::*;
use crate::commands::Command;

/// The command lines of the reference implementation's interface, flags in snake case and with every flag's first
/// name.
const PUBLISHED: [&str; 27] = [
    "neuron select-images --target_layer layer4 --arch resnet50 --batch_size 512 --topk_images 10000",
    "neuron select-images --target-layer layer3,layer4 --split_N 50 --split val --channels 0-63,162 --out .",
    "neuron select-images --target-layer layer4 --resume --checkpoint-every 60 --shard 1/8",
    "neuron extract-patches --target_layer layer4 --arch resnet50 --patch_size 32 --topk_patches 50",
    "neuron extract-patches --save_dir resnet50/neuron_layer4 --channel 162 --batch-size 64 --grid-columns 4",
    "neuron extract-patches --save-dir resnet50/neuron_layer4 --channels all --method receptive-field --save-patches",
    "neuron baseline --target_layer layer4_2 --arch resnet50 --batch_size 256 --patch_size 64 --chs 54,1935",
    "neuron baseline --target-layer layer4_2 --channels 54 --split-n 50 --topk_patches 50",
    "neuron fvis --arch_name resnet50 --layer layer4_2 --channel 1935 --topk_dir resnet50/neuron_layer4/",
    "neuron fvis --arch-name resnet50 --channels 54,1935 --epochs 2000 --method LRP --num_real_img 50",
    "neuron fvis --folder_name images --exp_name beetle --layer_weights 0.1,1,1,1,0 --resolution 224 --bs 1",
    "neuron fvis --folder-name images --exp-name beetle --jitter 30 --do_flip --setting_id 1 --lr 1.0",
    "neuron fvis --setting-id 0 --feat_dist 1.0 --tv_l1 0 --tv_l2 3e-7 --l2 3e-7 --seed 0",
    "neuron fvis --setting_id 2 --start s.safetensors --stop-after 9 --references patches --save-every 5 --resume",
    "neuron fvis --layer fc --class 'golden retriever' --method none --layers conv1,layer2 --layer_weights 10,1",
    "neuron weights convert in.pth out.safetensors",
    "neuron weights inspect weights/resnet50.safetensors --device cpu",
    "neuron weights fetch resnet50",
    "neuron weights fetch resnet50:IMAGENET1K_V1",
    "neuron layers --arch resnet50 --weights resnet50.safetensors --json",
    "neuron activations a.jpg b.jpg --taps layer3,layer4 --reduce max --out f.safetensors --top 10",
    "neuron attribute a.jpg --layer layer4 --channel 3 --taps layer2,layer3 --method LRP --out d",
    "neuron merge out shards/resnet50 --threads 4",
    "neuron plan --shards 8 -- select-images --data imagenet --layer layer4 -q",
    "neuron atlas results --strict",
    "neuron demo --epochs 20 --dry_run",
    "neuron completions bash --device cpu -q",
];

fn parse(line: &str) -> Command {
    let words = shlex::split(line).unwrap_or_else(|| panic!("{line}: quotes do not match"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    parse_line(&words).unwrap_or_else(|error| panic!("{line}:\n{error:#}")).command
}

/// What a command line asks for, as text.
fn parsed(line: &str) -> String {
    format!("{:?}", parse(line))
}

#[test]
fn published_command_lines_parse() {
    PUBLISHED.iter().for_each(|line| drop(parse(line)));
}

#[test]
fn published_names_mean_the_same_as_todays() {
    for (published, today) in [
        ("select-images --target_layer a,b", "select-images --layer a,b"),
        ("select-images --target-layer a,b", "select-images --layers a,b"),
        ("select-images --channels 7", "select-images --channel 7"),
        (
            "extract-patches --target_layer a --save_dir d --channel 7",
            "extract-patches --layer a --out d --channels 7",
        ),
        ("baseline --target_layer a --chs 3", "baseline --layer a --channels 3"),
        ("fvis --arch_name n --channel 7 --folder_name d", "fvis --arch n --channels 7 --out d"),
        ("fvis --epochs 7 --bs 3", "fvis --steps 7 --copies 3"),
        ("fvis --setting_id 0", "fvis --schedule coarse-to-fine"),
        ("fvis --setting-id 1", "fvis --schedule single"),
        ("fvis --setting-id 2", "fvis --schedule unclamped"),
        ("activations a.jpg --taps a,b --top 1", "activations a.jpg --layer a,b --top 1"),
        (
            "attribute a.jpg --layer a --channel 7 --taps b --out d",
            "attribute a.jpg --layer a --channels 7 --at b --out d",
        ),
        ("demo --epochs 7", "demo --steps 7"),
    ] {
        assert_eq!(parsed(&format!("neuron {published}")), parsed(&format!("neuron {today}")));
    }
}

#[test]
fn a_configuration_may_use_published_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags.toml");
    let fvis = |toml: &str| {
        std::fs::write(&file, toml).unwrap();
        let typed: Vec<OsString> = ["neuron", "fvis"]
            .map(OsString::from)
            .into_iter()
            .chain([format!("--config={}", file.display()).into()])
            .collect();
        let expanded = config::Flags::read(&typed, |name| name == "fvis").unwrap().before(&typed);
        format!(
            "{:?}",
            Cli::from_arg_matches(&definition().try_get_matches_from(expanded).unwrap()).unwrap().command
        )
    };
    let today = fvis("[fvis]\nchannels = 7\nsteps = 3\nout = 'd'\ncopies = 2\nschedule = 'unclamped'\n");
    assert_eq!(fvis("[fvis]\nchannel = 7\nepochs = 3\nfolder-name = 'd'\nbs = 2\nsetting-id = 2\n"), today);
    assert_eq!(fvis("[fvis]\nchannel = 7\nepochs = 3\nfolder_name = 'd'\nbs = 2\nsetting_id = 2\n"), today);
}

#[test]
fn examples_in_helps_parse() {
    fn examples(command: &clap::Command, found: &mut Vec<String>) {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        found.extend(text.lines().map(str::trim).filter(|line| line.starts_with("neuron ")).map(typed));
        command.get_subcommands().for_each(|command| examples(command, found));
    }
    let mut found = Vec::new();
    examples(&Cli::command(), &mut found);
    assert!(found.len() > 20, "{found:?}");
    found.iter().for_each(|line| drop(parse(line)));
}

#[test]
fn command_lines_in_documents_parse() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut found = 0;
    for page in pages.chain([root.join("README.md")]) {
        for line in shown(&std::fs::read_to_string(page).unwrap()) {
            parse(&line);
            found += 1;
        }
    }
    assert!(found >= 5, "{found}");
}

/// The lines in blocks of code that run the command, continued lines joined.
fn shown(page: &str) -> Vec<String> {
    let blocks = page.split("```").skip(1).step_by(2);
    let joined: Vec<String> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    let lines =
        joined.iter().flat_map(|block| block.lines()).map(|line| line.trim().trim_start_matches("$ "));
    lines.filter(|line| line.starts_with("neuron ")).map(typed).collect()
}

/// A line without what a shell takes from it.
fn typed(line: &str) -> String {
    let end = line.find([';', '|', '>', '#']).unwrap_or(line.len());
    line[..end].trim().to_owned()
}

#[test]
fn flags_that_mean_nothing_to_a_command_are_not_in_its_help() {
    let help = |command: &str| {
        let arguments = ["neuron"].into_iter().chain(command.split(' ')).chain(["--help"]);
        definition().try_get_matches_from(arguments).unwrap_err().to_string()
    };
    for command in ["completions", "man", "merge", "weights inspect", "weights"] {
        let help = help(command);
        for flag in ["--device", "--threads", "--precision", "--reference-compat", "--strict"] {
            assert!(!help.contains(flag), "{flag} is in\n{help}");
        }
    }
    assert!(help("merge").contains("--overwrite") && help("weights inspect").contains("--json"));
    assert!(help("fvis").contains("--device") && help("fvis").contains("--copies"));
    for old in ["--bs", "--epochs", "--setting", "--folder", "--target"] {
        assert!(!help("fvis").contains(old), "{old} is still shown");
    }
}
