//! The site in a real browser, which `NEURON_BROWSER` names (a Chromium). Ignored unless asked for.

#[path = "browser/devtools.rs"]
mod devtools;
mod support;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use devtools::Browser;
use serde_json::json;
use support::Tree;

/// Width of a small phone, in CSS pixels.
const PHONE: u32 = 360;

/// The browser that the environment names.
fn browser() -> Browser {
    let program = std::env::var_os("NEURON_BROWSER").filter(|program| *program != OsString::new());
    Browser::start(&program.expect("NEURON_BROWSER names a Chromium"))
}

fn unit(site: &Path, channel: usize) -> PathBuf {
    site.join(format!("units/resnet50/layer4/{channel}.html"))
}

/// Loads every picture of the page, also those further down, and checks that none is broken.
fn check_pictures(browser: &mut Browser) {
    browser.evaluate("for (const image of document.images) image.loading = 'eager'");
    browser.wait_for("[...document.images].every((image) => image.complete)");
    let broken = "[...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)";
    assert_eq!(browser.evaluate(broken), json!([]));
    let without_text = "[...document.images].filter((image) => !image.alt).length";
    assert_eq!(browser.evaluate(without_text), json!(0));
}

/// Checks what must be so on any page at any width.
fn check_layout(browser: &mut Browser) {
    let widths = browser.evaluate("[document.documentElement.scrollWidth, innerWidth]");
    assert!(widths[0].as_u64() <= widths[1].as_u64(), "the page scrolls sideways: {widths}");
    let unsized_pictures = "[...document.images].filter((image) => !image.getAttribute('width') || !image.getAttribute('height')).length";
    assert_eq!(browser.evaluate(unsized_pictures), json!(0));
    let shift = "new Promise((tell) => {
        let sum = 0;
        const add = (list) => { for (const entry of list.getEntries()) sum += entry.value; };
        new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true });
        setTimeout(() => tell(sum), 200);
    })";
    let shift = browser.evaluate(shift).as_f64().unwrap();
    let place = browser.evaluate("location.pathname");
    assert!(shift < 0.01, "the layout of {place} shifts: {shift}");
}

fn check_no_complaints(browser: &mut Browser) {
    assert_eq!(browser.evaluate("typeof window.broken"), json!("undefined"), "a name was executed");
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
#[ignore = "needs NEURON_BROWSER"]
fn browser_pages_are_whole_at_every_width() {
    let mut browser = browser();
    let tree = Tree::whole();
    tree.write("site");
    let site = tree.path("site");
    for width in [1280, 800, PHONE] {
        browser.resize(width, 800);
        for page in [site.join("index.html"), unit(&site, 1), unit(&site, 2)] {
            browser.open(&page, "");
            check_layout(&mut browser);
            check_pictures(&mut browser);
        }
    }
    check_no_complaints(&mut browser);
}

#[test]
#[ignore = "needs NEURON_BROWSER"]
fn browser_finds_opens_and_walks_by_keyboard() {
    let mut browser = browser();
    let tree = Tree::whole();
    tree.write("site");
    browser.open(&tree.path("site/index.html"), "");
    let cards = "[...document.querySelectorAll('.card b')].map((name) => name.textContent).join()";
    assert_eq!(browser.evaluate(cards), json!("0,1,2"));

    // All units have images of all classes, so a channel decides.
    browser.press(&["/", "g", "o", "l", "d", " ", "1"]);
    assert_eq!(browser.evaluate(cards), json!("1"));
    assert_eq!(browser.evaluate("document.getElementById('count').textContent"), json!("1 of 3 units"));
    assert_eq!(browser.evaluate("location.hash"), json!("#q=gold+1"));
    browser.press(&["x"]);
    assert_eq!(browser.evaluate("document.getElementById('nothing').hidden"), json!(false));
    browser.press(&["Escape"]);
    assert_eq!(browser.evaluate(cards), json!("0,1,2"));

    browser.press(&["j", "j", "ArrowRight", "k"]);
    assert_eq!(browser.evaluate("document.activeElement.querySelector('b').textContent"), json!("1"));
    browser.press(&["Enter"]);
    browser.wait_for("location.pathname.endsWith('/layer4/1.html') && document.readyState === 'complete'");
    for (key, page) in [("j", "2"), ("k", "1"), ("ArrowLeft", "0"), ("ArrowRight", "1")] {
        browser.press(&[key]);
        let there = format!(
            "location.pathname.endsWith('/layer4/{page}.html') && document.readyState === 'complete'"
        );
        browser.wait_for(&there);
    }
    browser.press(&["?"]);
    assert_eq!(browser.evaluate("document.getElementById('help').open"), json!(true));
    browser.press(&["Escape"]);
    assert_eq!(browser.evaluate("document.getElementById('help').open"), json!(false));
    browser.press(&["/"]);
    browser.wait_for("document.activeElement.id === 'search'");
    check_no_complaints(&mut browser);
}

#[test]
#[ignore = "needs NEURON_BROWSER"]
fn browser_sorts_and_remembers_in_the_address() {
    let mut browser = browser();
    let tree = Tree::new(4);
    tree.write_lists("layer3", 2);
    tree.write("site");
    let index = tree.path("site/index.html");
    let cards =
        "[...document.querySelectorAll('.card .line > :first-child')].map((name) => name.textContent).join()";
    browser.open(&index, "");
    assert_eq!(browser.evaluate(cards), json!("0 layer3,1 layer3,0 layer4,1 layer4,2 layer4,3 layer4"));
    browser.open(&index, "#sort=activation&layer=1");
    assert_eq!(browser.evaluate(cards), json!("3,2,1,0"));
    let choose = "sort.value = 'selectivity'; sort.dispatchEvent(new Event('change')); location.hash";
    assert_eq!(browser.evaluate(choose), json!("#layer=1&sort=selectivity"));
    // Links may be older than the name.
    browser.open(&index, "#sort=specificity");
    assert_eq!(browser.evaluate("sort.value"), json!("selectivity"));
    browser.open(&index, "#q=layer4:2");
    assert_eq!(browser.evaluate(cards), json!("2 layer4"));
    check_no_complaints(&mut browser);
}

#[test]
#[ignore = "needs NEURON_BROWSER"]
fn browser_has_a_dark_and_a_light_theme() {
    let mut browser = browser();
    let tree = Tree::new(1);
    tree.write("site");
    let ground = "getComputedStyle(document.documentElement).backgroundColor";
    let prefer = |value: &str| json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
    browser.call("Emulation.setEmulatedMedia", &prefer("light"));
    browser.open(&tree.path("site/index.html"), "");
    let light = browser.evaluate(ground);
    browser.call("Emulation.setEmulatedMedia", &prefer("dark"));
    let dark = browser.evaluate(ground);
    assert_ne!(light, dark);
    browser.press(&["t"]);
    assert_eq!(browser.evaluate(ground), light);
    // The choice holds on the next page.
    browser.open(&unit(&tree.path("site"), 0), "");
    assert_eq!(browser.evaluate(ground), light);
    browser.evaluate("document.getElementById('theme').click()");
    assert_eq!(browser.evaluate(ground), dark);
    check_no_complaints(&mut browser);
}

#[test]
#[ignore = "needs NEURON_BROWSER"]
fn browser_paints_thousands_of_units_within_a_second() {
    let mut browser = browser();
    let tree = Tree::new(2048);
    tree.write("site");
    let painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null";
    // The best of some: what else the machine does is not what is measured.
    let mut times = Vec::new();
    for _ in 0..5 {
        browser.open(&tree.path("site/index.html"), "");
        browser.wait_for(&format!("({painted}) !== null"));
        times.push(browser.evaluate(painted).as_f64().unwrap());
        assert!(browser.evaluate("document.querySelectorAll('.card').length").as_u64() >= Some(60));
    }
    println!("first paint of 2048 units: {times:?} ms");
    assert!(times.iter().any(|time| *time < 1000.0), "first paint after {times:?} ms");
    // All of them can be reached by scrolling.
    browser.wait_for(
        "scrollTo(0, document.body.scrollHeight), document.querySelectorAll('.card').length === 2048",
    );
    check_layout(&mut browser);
    check_no_complaints(&mut browser);
}

/// The atlas that `NEURON_ATLAS` names, such as that of the demo.
#[test]
#[ignore = "needs NEURON_BROWSER and NEURON_ATLAS"]
fn browser_checks_a_given_atlas() {
    let site = std::env::var_os("NEURON_ATLAS").expect("NEURON_ATLAS names the folder of an atlas");
    let mut browser = browser();
    let site = Path::new(&site).canonicalize().unwrap();
    browser.open(&site.join("index.html"), "");
    check_layout(&mut browser);
    check_pictures(&mut browser);
    let pages =
        "[...document.querySelectorAll('.card')].slice(0, 8).map((card) => card.getAttribute('href'))";
    let pages: Vec<String> = serde_json::from_value(browser.evaluate(pages)).unwrap();
    assert!(!pages.is_empty());
    for width in [1280, PHONE] {
        browser.resize(width, 800);
        for page in &pages {
            browser.open(&site.join(page), "");
            check_layout(&mut browser);
            check_pictures(&mut browser);
        }
    }
    check_no_complaints(&mut browser);
}
