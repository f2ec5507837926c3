//! Documents: every link leads somewhere, every page is in the book, and the reference of the commands is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::support::{run, run_expecting};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// What a page leads to, and where in it one can be led.
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let (mut links, mut headings, mut heading) = (Vec::new(), Vec::new(), None::<String>);
        for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_DEFINITION_LIST) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => headings.extend(heading.take()),
                Event::Text(part) | Event::Code(part) => {
                    if let Some(heading) = &mut heading {
                        *heading += &part;
                    }
                }
                _ => {}
            }
        }
        let mut anchors = BTreeSet::new();
        for anchor in headings.iter().map(|heading| anchor(heading)) {
            let again = (1..).map(|number| format!("{anchor}-{number}"));
            let mut names = std::iter::once(anchor.clone()).chain(again);
            anchors.extend(names.find(|name| !anchors.contains(name)));
        }
        Self { links, anchors }
    }
}

/// The anchor of a heading, on code hosts and in mdBook.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn is_outside(link: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|start| link.starts_with(start))
}

/// A path without `..`, so that what leaves a folder is seen.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut made, part| {
        match part {
            Component::ParentDir => drop(made.pop()),
            Component::CurDir => {}
            part => made.push(part),
        }
        made
    })
}

/// The pages in folders, by their paths.
fn pages(folders: impl IntoIterator<Item = PathBuf>) -> BTreeMap<PathBuf, Page> {
    let files = folders.into_iter().flat_map(|folder| {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    });
    let pages = files.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.map(|path| (path.clone(), Page::read(&fs::read_to_string(path).unwrap()))).collect()
}

/// Everything that is wrong with links of pages.
fn broken(pages: &BTreeMap<PathBuf, Page>) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, page) in pages {
        for link in page.links.iter().filter(|link| !is_outside(link)) {
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(f, a)| (f, Some(a)));
            let target =
                if file.is_empty() { path.clone() } else { plain(&path.parent().unwrap().join(file)) };
            let says = |what: &str| format!("{}: {link} {what}", path.display());
            match (anchor, pages.get(&target)) {
                (None, _) if !target.exists() => broken.push(says("is not there")),
                (Some(anchor), Some(page)) if !page.anchors.contains(anchor) => {
                    broken.push(says("has no such heading"));
                }
                (Some(_), None) => broken.push(says("is no page with headings")),
                _ => {}
            }
        }
    }
    broken
}

/// The folders with pages.
fn folders() -> Vec<PathBuf> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    crates.chain(["", "docs", "python", "weights"].map(|folder| plain(&root().join(folder)))).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let pages = pages(folders());
    assert!(pages.values().map(|page| page.links.len()).sum::<usize>() > 80);
    let broken = broken(&pages);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn broken_links_are_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b.md"), "# One `two`, three\n\n# Again\n\n# Again\n").unwrap();
    let text = "[1](b.md) [2](b.md#one-two-three) [3](b.md#again-1) [4](#a) [5](https://none.invalid)\n\n# A\n\n\
                [6](c.md) [7](b.md#again-2) [8](#b) ![9](c.png) [10](../c.md)\n\n```text\n[11](c.md)\n```\n";
    fs::write(folder.path().join("a.md"), text).unwrap();
    let broken = broken(&pages([folder.path().to_owned()]));
    let links: Vec<&str> = broken.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(links, ["c.md", "b.md#again-2", "#b", "c.png", "../c.md"]);
}

#[test]
fn every_page_is_in_the_book_once() {
    let docs = root().join("docs");
    let summary = Page::read(&fs::read_to_string(docs.join("SUMMARY.md")).unwrap());
    let listed: Vec<PathBuf> = summary.links.iter().map(|link| plain(&docs.join(link))).collect();
    for page in pages([docs.clone()]).keys().filter(|page| !page.ends_with("SUMMARY.md")) {
        let times = listed.iter().filter(|listed| *listed == page).count();
        assert_eq!(times, 1, "docs/SUMMARY.md lists {} {times} times", page.display());
    }
}

/// The lines of a help below a heading.
fn section<'a>(help: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let lines = help.lines().skip_while(move |line| *line != heading).skip(1);
    lines.take_while(|line| line.starts_with(' ') || line.is_empty())
}

/// The flags that lines of a help or a page describe. Other text in a help is not indented, or further than they are.
fn flags(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter_map(|line| {
        let flags = line.trim_start();
        line.strip_prefix('`').or_else(|| (2..=6).contains(&(line.len() - flags.len())).then_some(flags))
    });
    let long = lines.map(|flags| match flags.get(2..4) {
        Some(", ") => &flags[4..],
        _ => flags,
    });
    let names = long.filter_map(|flags| flags.split([' ', '`', '.', '[', '=']).next());
    names.filter(|name| name.starts_with("--") && name.len() > 2).collect()
}

#[test]
fn the_reference_names_every_command_and_every_flag() {
    let folder = tempfile::tempdir().unwrap();
    run_expecting(0, &["man", "--format", "markdown", folder.path().to_str().unwrap()]);
    let mut commands = vec![Vec::<String>::new()];
    let (mut seen, mut named) = (0, 0);
    while let Some(command) = commands.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = String::from_utf8(run(&words).stdout).unwrap();
        let file =
            ["neuron"].into_iter().chain(command.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
        let page = fs::read_to_string(folder.path().join(format!("{file}.md")));
        let page = page.unwrap_or_else(|error| panic!("{file}.md, of {words:?}: {error}"));
        assert_eq!(flags(&help), flags(&page), "{file}.md");
        (seen, named) = (seen + 1, named + flags(&help).len());
        let below = section(&help, "Commands:").filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let below = below.filter(|name| !name.is_empty() && *name != "help");
        commands.extend(below.map(|name| command.iter().cloned().chain([name.to_owned()]).collect()));
    }
    assert!(seen > 15 && named > 200, "{seen} commands, {named} flags");
    let broken = broken(&pages([folder.path().to_owned()]));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The values of an attribute in HTML as mdBook writes it.
fn values<'a>(html: &'a str, attribute: &'a str) -> impl Iterator<Item = &'a str> {
    html.split(attribute).skip(1).filter_map(|rest| rest.split_once('"')).map(|(value, _)| value)
}

#[test]
#[ignore = "needs a site that scripts/docs-site.sh has built, named by NEURON_SITE"]
fn site_links_lead_to_files_and_anchors() {
    let site = PathBuf::from(std::env::var("NEURON_SITE").expect("NEURON_SITE names the folder of a site"));
    let site = site.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", site.display()));
    let mut folders = vec![site.clone()];
    let mut html = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "html") {
                let text = fs::read_to_string(&path).unwrap();
                html.insert(path, text);
            }
        }
    }
    let mut checked = 0;
    let mut broken = Vec::new();
    // The page for unknown addresses names its links from the root of a server; the one for printing repeats the others.
    for (path, text) in
        html.iter().filter(|(path, _)| !path.ends_with("404.html") && !path.ends_with("print.html"))
    {
        for link in values(text, " href=\"").chain(values(text, " src=\"")).filter(|link| !is_outside(link)) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let mut target =
                if file.is_empty() { path.clone() } else { plain(&path.parent().unwrap().join(file)) };
            if target.is_dir() {
                target.push("index.html");
            }
            let has_anchor =
                || html.get(&target).is_some_and(|text| values(text, " id=\"").any(|id| id == anchor));
            if !target.starts_with(&site) || !target.exists() || !(anchor.is_empty() || has_anchor()) {
                broken.push(format!("{}: {link}", path.display()));
            }
            checked += 1;
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(checked > 1000, "{checked} links in {} pages", html.len());
}
