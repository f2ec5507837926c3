//! What two descriptions of runs do not have in common, for people.

use serde_json::{Map, Value};

use crate::channels;
use crate::exported;
use crate::place::Place;

/// Where settings remember folders and files: places that are the same however they are spelled.
const PLACES: [&str; 2] = ["settings.data", "settings.save_dir"];

/// Where settings remember the architecture, which may be a file.
const ARCHS: [&str; 2] = ["settings.arch", "arch"];

/// More of a value says no more about what differs.
const LONGEST: usize = 60;

/// One line for each value that differs, `settings.topk_images: 5 -> 12`.
///
/// `same_images` says whether both describe the same images by name and size: then a place that is gone is one that
/// they were moved from.
pub(crate) fn between(old: &Value, new: &Value, same_images: &dyn Fn() -> bool) -> Vec<String> {
    // Other channels have other lists, and so other images: that says nothing more.
    let has_other_lists = old.get(LISTS).is_some() && old.pointer(CHANNELS) != new.pointer(CHANNELS);
    let implied: &[&str] = if has_other_lists { &OF_OTHER_LISTS } else { &[] };
    let mut comparison = Comparison { same_images, implied, lines: Vec::new() };
    comparison.compare("", old, new);
    comparison.lines
}

/// The channels of a run, and what it says of the lists it read.
const CHANNELS: &str = "/settings/channels";
const LISTS: &str = "lists_sha256";
/// What differs where the lists are those of other channels.
const OF_OTHER_LISTS: [&str; 3] = [LISTS, "dataset_fingerprint", "images"];

struct Comparison<'a> {
    same_images: &'a dyn Fn() -> bool,
    /// What follows from other differences, and is not named.
    implied: &'a [&'a str],
    lines: Vec<String>,
}

impl Comparison<'_> {
    fn compare(&mut self, path: &str, old: &Value, new: &Value) {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => self.compare_fields(path, old, new),
            (Value::Array(old), Value::Array(new)) if old.len() == new.len() && nested(old) => {
                for (at, (old, new)) in old.iter().zip(new).enumerate() {
                    self.compare(&format!("{path}[{at}]"), old, new);
                }
            }
            _ if old == new || self.implied.contains(&path) => {}
            (Value::String(old), Value::String(new))
                if ARCHS.contains(&path) && exported::are_one(old, new) => {}
            _ if PLACES.contains(&path) => self.compare_places(path, old, new),
            _ => self.lines.push(format!("{path}: {} -> {}", shown(old), shown(new))),
        }
    }

    fn compare_fields(&mut self, path: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) => self.compare(&path, old, new),
                (old, new) => {
                    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), shown);
                    self.lines.push(format!("{path}: {} -> {}", shown(old), shown(new)));
                }
            }
        }
    }

    fn compare_places(&mut self, path: &str, old: &Value, new: &Value) {
        let places = (Place::from_json(old), Place::from_json(new));
        if let (Some(old), Some(new)) = &places
            && (old.is_same(new) || (!old.exists() && (self.same_images)()))
        {
            return;
        }
        let shown =
            |place: Option<Place>| place.map_or("nothing".into(), |place| place.display().to_string());
        self.lines.push(format!("{path}: {} -> {}", shown(places.0), shown(places.1)));
    }
}

/// Whether the elements are worth naming one by one.
fn nested(values: &[Value]) -> bool {
    values.iter().any(|value| value.is_object() || value.is_array())
}

/// A value in short.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        Value::Array(values) => {
            let numbers: Option<Vec<usize>> =
                values.iter().map(|value| usize::try_from(value.as_u64()?).ok()).collect();
            match numbers {
                Some(numbers) if numbers.len() > 2 => channels::as_typed(&numbers),
                _ => value.to_string(),
            }
        }
        other => other.to_string(),
    };
    let text = text.escape_debug().to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).collect::<String>() + "..."
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn between(old: &Value, new: &Value) -> Vec<String> {
        super::between(old, new, &|| false)
    }

    #[test]
    fn only_what_differs_is_named_in_short() {
        let channels: Vec<usize> = (0..2048).collect();
        let layer =
            |channels: &[usize], tap: &str| json!({ "layers": [{ "tap": tap, "channels": channels }] });
        assert_eq!(
            between(&layer(&channels, "layer4"), &layer(&channels[..5], "layer4")),
            ["layers[0].channels: 0-2047 -> 0-4"]
        );
        assert_eq!(
            between(&layer(&channels, "layer4"), &layer(&channels, "layer3")),
            ["layers[0].tap: layer4 -> layer3"]
        );
        let long = "x".repeat(500);
        let lines = between(&json!({ "a": long }), &json!({ "a": null }));
        assert!(lines[0].len() < 100 && lines[0].ends_with("... -> nothing"), "{lines:?}");
    }

    #[test]
    fn what_follows_from_other_channels_is_not_named() {
        let run = |channels: &str, lists: &str| json!({ "settings": { "channels": channels, "layer": "layer4" }, "lists_sha256": lists, "images": lists.len() });
        assert_eq!(between(&run("0-1", "abc"), &run("0", "d")), ["settings.channels: 0-1 -> 0"]);
        assert_eq!(between(&run("0", "abc"), &run("0", "d")).len(), 2);
    }

    #[test]
    fn control_characters_are_not_for_the_terminal() {
        assert_eq!(between(&json!({ "a": "\u{1b}[2J" }), &json!({ "a": "b" })), ["a: \\u{1b}[2J -> b"]);
    }
}
