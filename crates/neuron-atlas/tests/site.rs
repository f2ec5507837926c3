//! Sites of made-up output trees: what is on them, and what is not.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use neuron_atlas::{AtlasError, Settings, Site};
use support::Tree;

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn page(tree: &Tree, site: &str, channel: usize) -> String {
    fs::read_to_string(tree.path(site).join(format!("units/resnet50/layer4/{channel}.html"))).unwrap()
}

#[test]
fn a_unit_shows_everything_that_is_known() {
    let tree = Tree::whole();
    let written = tree.write("site");
    assert_eq!((written.units, written.skipped.len()), (3, 0));
    let page = page(&tree, "site", 1);
    for part in [
        "the best 6 of 6",
        "extract-patches",
        "Visualisation",
        "activation 12.5",
        "125 % of that on its references",
        "Class selectivity",
        "Where the patches lie",
        "Where it comes from",
        "that excite it most",
        "maker select-images in neuron_layer4",
        "maker fvis in images",
        "<rect x=\"10\" y=\"20\" width=\"24\" height=\"18\"",
        "viewBox=\"0 0 80 60\"",
        "goldfish",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}

#[test]
fn every_address_on_every_page_leads_to_a_file() {
    let tree = Tree::whole();
    tree.write("site");
    let site = tree.path("site");
    let files = files(&site);
    let mut checked = 0;
    for (name, bytes) in files.iter().filter(|(name, _)| name.extension().is_some_and(|end| end == "html")) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        for address in text.split(&[' ', '\n'][..]).filter_map(|word| {
            let quoted = word.strip_prefix("src=\"").or(word.strip_prefix("href=\""))?;
            quoted.split('"').next()
        }) {
            if let Some(anchor) = address.strip_prefix('#') {
                assert!(text.contains(&format!("id=\"{anchor}\"")), "{}: {address}", name.display());
                continue;
            }
            let target = site.join(name).parent().unwrap().join(address);
            assert!(target.is_file(), "{}: {address}", name.display());
            assert!(target.canonicalize().unwrap().starts_with(site.canonicalize().unwrap()));
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn hostile_names_are_text() {
    let tree = Tree::whole();
    tree.write("site");
    for channel in 0..3 {
        let page = page(&tree, "site", channel);
        assert!(!page.contains("<script>window"), "{page}");
        assert!(!page.contains("\"onerror="), "{page}");
        assert!(!page.contains("<b>ear"), "{page}");
    }
    assert!(page(&tree, "site", 2).contains("&#60;script&#62;window.broken"));
    let data = fs::read_to_string(tree.path("site/assets/units.js")).unwrap();
    assert!(data.starts_with("window.ATLAS = {") && data.ends_with("};\n"));
    let data = data.trim_start_matches("window.ATLAS = ").trim_end_matches(";\n");
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["units"].as_array().unwrap().len(), 3);
    assert!(data["classes"].as_array().unwrap().iter().any(|class| class == support::HOSTILE));
}

#[test]
fn nothing_asks_for_anything_elsewhere() {
    let tree = Tree::whole();
    tree.write("site");
    for (name, bytes) in files(&tree.path("site")) {
        let text = String::from_utf8_lossy(&bytes);
        for scheme in ["http://", "https://", "url(", "@import", "fetch(", "XMLHttpRequest"] {
            assert!(!text.contains(scheme), "{} has {scheme}", name.display());
        }
    }
}

#[test]
fn equal_results_give_equal_bytes() {
    let tree = Tree::whole();
    let one = |out: &str, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| tree.write(out));
        files(&tree.path(out))
    };
    let (first, second) = (one("first", 1), one("second", 4));
    assert!(first.keys().eq(second.keys()));
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{} differs", name.display());
    }
}

#[test]
fn missing_parts_are_not_on_the_page() {
    let tree = Tree::new(2);
    tree.write("site");
    let page = page(&tree, "site", 0);
    for part in ["Patches", "Visualisation", "Where it comes from", "skipped.tsv"] {
        assert!(!page.contains(part), "{part} is in\n{page}");
    }
    assert!(page.contains("that excite it most"));
}

#[test]
fn no_more_is_shown_than_was_asked_for() {
    let tree = Tree::whole();
    let settings = Settings { patches: 2, images: 3, ..Settings::default() };
    tree.write_with("site", settings).unwrap();
    let count =
        |folder: &str| files(&tree.path("site")).keys().filter(|name| name.starts_with(folder)).count();
    // Each unit likes another class; its patches lie in the first of its images.
    assert_eq!(count("images"), 9);
    assert_eq!(count("patches/resnet50/layer4/0"), 2);
    assert!(page(&tree, "site", 0).contains("the best 2 of 6"));
}

#[test]
fn images_that_are_gone_are_counted_and_the_rest_is_shown() {
    let tree = Tree::whole();
    let gone = tree.path("photos").join(&Tree::names(0)[0].0);
    fs::remove_file(&gone).unwrap();
    let broken = tree.path("photos").join(&Tree::names(0)[1].0);
    fs::write(&broken, "no picture").unwrap();
    let resized = tree.path("photos").join(&Tree::names(0)[2].0);
    image::RgbImage::new(5, 5).save(&resized).unwrap();

    let written = tree.write("site");
    let skipped: Vec<_> = written.skipped.iter().map(|skipped| skipped.path.clone()).collect();
    assert_eq!(skipped, [gone.clone(), broken, resized]);
    assert!(written.skipped[2].reason.contains("5 x 5 px"), "{}", written.skipped[2].reason);
    let list = fs::read_to_string(tree.path("site/skipped.tsv")).unwrap();
    assert_eq!(list.lines().count(), 4);
    let page = page(&tree, "site", 0);
    // Three patches and three images.
    assert!(page.contains("6 pictures are not here") && page.contains("the best 3 of 6"), "{page}");

    let strict = tree.write_with("strict", Settings { strict: true, ..Settings::default() });
    assert!(matches!(strict, Err(AtlasError::Skipped { .. })), "{strict:?}");
    assert!(!tree.path("strict").exists());
    let hidden = fs::read_dir(tree.path(""))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "something was left behind");
}

#[test]
fn without_any_image_the_grid_of_patches_is_shown() {
    let tree = Tree::whole();
    fs::rename(tree.path("photos"), tree.path("elsewhere")).unwrap();
    let written = tree.write("site");
    assert_eq!(written.skipped.len(), 12);
    assert!(page(&tree, "site", 0).contains("All patches, each at its own full contrast"));

    let data = Some(tree.path("elsewhere"));
    let moved = tree.write_with("moved", Settings { data, ..Settings::default() }).unwrap();
    assert!(moved.skipped.is_empty());
}

#[test]
fn only_an_atlas_is_replaced() {
    let tree = Tree::new(1);
    let atlas = tree.atlas().unwrap();
    let site = Site::new(&atlas, Settings::default());
    let write = |out: &str, overwrite| site.write(&tree.path(out), overwrite, &|_| ControlFlow::Continue(()));
    assert!(matches!(write("photos", true), Err(AtlasError::NotAnAtlas { .. })));
    assert!(tree.path("photos/train/stripes/0.png").is_file());
    write("site", false).unwrap();
    assert!(matches!(write("site", false), Err(AtlasError::Present { .. })));
    fs::write(tree.path("site/units/old.html"), "old").unwrap();
    fs::write(tree.path("site/CNAME"), "units.example").unwrap();
    fs::create_dir(tree.path("site/.git")).unwrap();
    write("site", true).unwrap();
    assert!(!tree.path("site/units/old.html").exists(), "the site's own folders are replaced");
    assert_eq!(
        fs::read_to_string(tree.path("site/CNAME")).unwrap(),
        "units.example",
        "what is not of it stays"
    );
    assert!(tree.path("site/.git").is_dir());
    // As after a run that was killed before it moved them.
    fs::create_dir(tree.path(".site.old")).unwrap();
    fs::rename(tree.path("site/CNAME"), tree.path(".site.old/CNAME")).unwrap();
    write("site", true).unwrap();
    assert!(tree.path("site/CNAME").is_file() && !tree.path(".site.old").exists());
    fs::create_dir(tree.path("empty")).unwrap();
    write("empty", false).unwrap();
}

#[test]
fn an_atlas_among_the_results_is_not_read() {
    let tree = Tree::whole();
    tree.write("results/site");
    tree.write("second");
    assert!(files(&tree.path("results/site")) == files(&tree.path("second")));
}

#[test]
fn a_stop_leaves_nothing_behind() {
    let tree = Tree::new(1);
    let atlas = tree.atlas().unwrap();
    let site = Site::new(&atlas, Settings::default());
    let stopped = site.write(&tree.path("site"), false, &|_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(AtlasError::Stopped)));
    assert_eq!(fs::read_dir(tree.path("")).unwrap().count(), 2, "photos and results");
}

#[test]
fn results_that_cannot_be_used_are_named() {
    let tree = Tree::new(1);
    fs::create_dir(tree.path("nothing")).unwrap();
    let read =
        |name: &str| neuron_atlas::Atlas::read(&tree.path(name), &|_: &str, layer: &str| layer.to_owned());
    assert!(matches!(read("nothing"), Err(AtlasError::NoResults { .. })));
    assert!(matches!(read("not there"), Err(AtlasError::Read { .. })));

    fs::create_dir_all(tree.path("results/copy/resnet50")).unwrap();
    let copy = tree.path("results/copy/resnet50/neuron_layer4");
    fs::rename(tree.path("results/resnet50/neuron_layer4"), &copy).unwrap();
    tree.write_lists("layer4", 1);
    let twice = read("results").unwrap_err();
    assert!(matches!(twice, AtlasError::ListedTwice { .. }), "{twice}");

    fs::remove_dir_all(tree.path("results/resnet50")).unwrap();
    let table = copy.join("topk.parquet");
    let whole = fs::read(&table).unwrap();
    for bytes in [&whole[..whole.len() / 2], b"PAR1"] {
        fs::write(&table, bytes).unwrap();
        // There is nothing else that could be shown.
        let error = read("results").unwrap_err();
        assert!(matches!(&error, AtlasError::Table { path, .. } if *path == table), "{error}");
    }
}

#[test]
fn a_broken_result_among_many_is_left_out_and_listed() {
    let tree = Tree::whole();
    tree.write_lists("layer3", 2);
    tree.write_lists("layer2", 2);
    let results = tree.path("results");
    let broken = [
        "resnet50/neuron_layer2/manifest.json",
        "resnet50/neuron_layer3/topk.parquet",
        "resnet50/neuron_layer4/0/patches.parquet",
        "images/eye & <b>ear<\u{29f8}b>.json",
        "heat/relevance.safetensors",
    ];
    for name in broken {
        let whole = fs::read(results.join(name)).unwrap();
        fs::write(results.join(name), &whole[..whole.len() / 2]).unwrap();
    }
    // JSON of another kind lies beside pictures by right: nothing is said of it.
    fs::write(results.join("heat/heatmap.json"), r#"{"boxes": [1, 2]}"#).unwrap();

    let written = tree.write("site");
    assert_eq!(written.units, 3, "those of layer4");
    let skipped: Vec<PathBuf> = written.skipped.iter().map(|skipped| skipped.path.clone()).collect();
    let expected: Vec<PathBuf> = [1, 0, 2, 3, 4].iter().map(|at: &usize| results.join(broken[*at])).collect();
    let sorted = |mut paths: Vec<PathBuf>| {
        paths.sort();
        paths
    };
    assert_eq!(sorted(skipped), sorted(expected));
    assert_eq!(fs::read_to_string(tree.path("site/skipped.tsv")).unwrap().lines().count(), 6);
    assert!(page(&tree, "site", 1).contains("the best 6 of 6"));

    let strict = tree.write_with("strict", Settings { strict: true, ..Settings::default() });
    assert!(matches!(strict, Err(AtlasError::Skipped { .. })), "{strict:?}");
    assert!(!tree.path("strict").exists());
}

#[test]
fn pictures_of_results_that_are_broken_are_left_out() {
    let tree = Tree::whole();
    for name in [
        "images/eye & <b>ear<\u{29f8}b>.png",
        "images/eye & <b>ear<\u{29f8}b>_masked.png",
        "heat/heatmap.png",
    ] {
        fs::write(tree.path("results").join(name), "no picture").unwrap();
    }
    let written = tree.write("site");
    assert_eq!(written.skipped.len(), 3, "{:?}", written.skipped);
    let page = page(&tree, "site", 1);
    assert!(!page.contains("Visualisation") && !page.contains("Where it comes from"), "{page}");
    let strict = tree.write_with("strict", Settings { strict: true, ..Settings::default() });
    assert!(matches!(strict, Err(AtlasError::Skipped { .. })), "{strict:?}");
}

#[test]
fn a_class_is_named_only_where_it_describes_the_unit() {
    let tree = Tree::new(1);
    let list = |goldfish: usize| {
        let own = (0..goldfish).map(|at| (format!("train/n01443537/{at}.png"), "n01443537"));
        let others =
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r"];
        let others = others.into_iter().map(|class| (format!("train/{class}/0.png"), class));
        own.chain(others).take(20).collect::<Vec<_>>()
    };
    tree.write_these_lists("layer4", vec![list(14), list(3), list(10), list(9)]);
    tree.write("site");
    let captions = ["goldfish 14/20", "mixed", "goldfish 10/20", "mixed"];
    let data = fs::read_to_string(tree.path("site/assets/units.js")).unwrap();
    let data = data.trim_start_matches("window.ATLAS = ").trim_end_matches(";\n");
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    for (channel, caption) in captions.into_iter().enumerate() {
        let page = page(&tree, "site", channel);
        assert!(page.contains(&format!("<title>layer4 {channel}: {caption}, resnet50</title>")), "{page}");
        assert!(page.contains(&format!("<dd>{caption}</dd>")), "{page}");
        // In colour and in bold: only what describes the unit.
        let described = caption != "mixed";
        assert_eq!(page.contains("in colour: goldfish"), described, "{page}");
        assert_eq!(page.contains("<li class=\"own\">"), described, "{page}");
        let row = &data["units"][channel];
        assert_eq!(row[5], caption);
        // All classes can be searched, with how many images each has.
        let (class, count) = (&row[6][0][0], &row[6][0][1]);
        assert_eq!(data["classes"][class.as_u64().unwrap() as usize], "goldfish");
        assert_eq!((count, &row[7]), (&[14, 3, 10, 9][channel].into(), &20.into()));
    }
}

#[test]
fn an_evaluation_is_a_table_on_the_page_of_its_unit() {
    let tree = Tree::whole();
    tree.write_evaluation(1);
    // JSON of other kinds lies among results by right.
    fs::write(tree.path("results/other.json"), r#"{"command": "export"}"#).unwrap();
    let written = tree.write("site");
    assert!(written.skipped.is_empty(), "{:?}", written.skipped);
    let page = |channel| page(&tree, "site", channel);
    let table = [
        r#"<th scope="col">measure</th><th scope="col">clear &#38; &#60;b&#62;bright</th><th scope="col">noise, 3 pictures</th>"#,
        r#"<th scope="row">activation_ratio</th><td>1.25</td><td>0.0310</td>"#,
        r#"<th scope="row">rank</th><td>1</td><td>1038</td>"#,
        r#"<th scope="row">noise_ratio</th><td></td><td>46.5</td>"#,
    ];
    for line in table {
        assert!(page(1).contains(line), "{line} is not in\n{}", page(1));
    }
    assert!(!page(0).contains("How well pictures show it") && !page(1).contains("auc"));

    let whole = fs::read(tree.path("results/eval.json")).unwrap();
    fs::write(tree.path("results/eval.json"), &whole[..whole.len() / 2]).unwrap();
    assert_eq!(tree.write("broken").skipped[0].path, tree.path("results/eval.json"));
}

#[test]
fn a_ratio_that_says_nothing_is_not_shown() {
    let tree = Tree::whole();
    let record = tree.path("results/images/eye & <b>ear<\u{29f8}b>.json");
    let whole = fs::read_to_string(&record).unwrap();
    for reached in
        [r#""value":-2.5,"references":-5.0,"ratio":0.5"#, r#""value":-2.5,"references":-5.0,"ratio":null"#]
    {
        let max = format!(r#""max":{{{reached},"percentile":100.0}}"#);
        let start = whole.find(r#""max":"#).unwrap();
        let end = start + whole[start..].find('}').unwrap() + 1;
        fs::write(&record, format!("{}{max}{}", &whole[..start], &whole[end..])).unwrap();
        let _ = fs::remove_dir_all(tree.path("site"));
        tree.write("site");
        let page = page(&tree, "site", 1);
        assert!(page.contains("activation -2.50, on its references -5.00"), "{page}");
        assert!(!page.contains("% of that on its references"), "{page}");
    }
}

#[test]
fn lists_without_a_table_are_shown_without_scores() {
    let tree = Tree::new(1);
    let folder = tree.path("results/resnet50/neuron_layer4");
    fs::remove_file(folder.join("topk.parquet")).unwrap();
    fs::create_dir_all(folder.join("7")).unwrap();
    let lines: String = Tree::names(1)
        .iter()
        .map(|(name, _)| format!("{}\n", tree.path("photos").join(name).display()))
        .collect();
    fs::write(folder.join("7/files_all.txt"), lines).unwrap();
    let written = tree.write("site");
    assert_eq!((written.units, written.skipped.len()), (1, 0));
    let page = page(&tree, "site", 7);
    assert!(page.contains("that excite it most") && page.contains("stripes"), "{page}");
    assert!(!page.contains("Highest activation"));
}
