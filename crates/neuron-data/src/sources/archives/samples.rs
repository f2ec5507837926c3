//! Samples of a WebDataset: members that follow one another and share a name up to its first dot.

use std::ops::Range;

use serde_json::Value;

use super::contents::Listing;

/// The largest member that is read to learn what images show.
const MOST_LABEL_BYTES: u64 = 1 << 20;
/// The longest name of a class.
const MOST_NAME_BYTES: usize = 1024;
/// What describes the images of a sample; the first that is there counts.
const ENDINGS: [&str; 2] = ["cls", "json"];
/// The values of a description that say what it shows, likewise.
const KEYS: [&str; 4] = ["label", "cls", "class", "label_name"];

/// Where a member lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// A sample as far as it was seen.
#[derive(Debug, Default)]
pub(super) struct Sample {
    key: String,
    images: Range<usize>,
    /// For each of `ENDINGS` a member.
    labels: [Option<(String, Span)>; 2],
    /// Members that are of use beside images only.
    beside: Vec<String>,
}

impl Sample {
    /// Takes the next member; one of another sample ends this one.
    pub(super) fn take(
        &mut self,
        name: &str,
        span: Span,
        is_image: bool,
        listing: &mut Listing,
        read: &dyn Fn(Span) -> Option<Vec<u8>>,
    ) {
        let (key, ending) = split(name);
        if key != self.key {
            self.end(listing, read);
            *self = Self { key: key.to_owned(), ..Self::default() };
        }
        if is_image {
            let start = if self.images.is_empty() { listing.len() } else { self.images.start };
            listing.push(name, span.bytes);
            self.images = start..listing.len();
        } else if let Some(at) = ENDINGS.iter().position(|known| ending.eq_ignore_ascii_case(known)) {
            self.labels[at] = Some((name.to_owned(), span));
            self.beside.push(name.to_owned());
        } else if ending.eq_ignore_ascii_case("txt") {
            self.beside.push(name.to_owned());
        } else {
            listing.leave_out(name);
        }
    }

    /// Ends the sample: its images learn what they show.
    pub(super) fn end(&mut self, listing: &mut Listing, read: &dyn Fn(Span) -> Option<Vec<u8>>) {
        if self.images.is_empty() {
            self.beside.drain(..).for_each(|name| listing.leave_out(&name));
            return;
        }
        for (at, (name, span)) in
            self.labels.iter().enumerate().filter_map(|(at, label)| Some((at, label.as_ref()?)))
        {
            let bytes = (span.bytes <= MOST_LABEL_BYTES).then(|| read(*span)).flatten();
            let label = bytes.as_deref().map_or(Label::Damaged, if at == 0 { of_text } else { of_json });
            match label {
                Label::Is(label) => return listing.label(self.images.clone(), &label),
                Label::Silent => {}
                Label::Damaged => listing.seen.labels.add(name),
            }
        }
    }
}

/// The name up to the first dot of its last component, and the rest.
fn split(name: &str) -> (&str, &str) {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[file..].find('.') {
        Some(dot) => (&name[..file + dot], &name[file + dot + 1..]),
        None => (name, ""),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Label {
    Is(String),
    /// It says nothing of what images show.
    Silent,
    Damaged,
}

/// An integer, or a name.
fn of_text(bytes: &[u8]) -> Label {
    str::from_utf8(bytes).map_or(Label::Damaged, plain)
}

fn of_json(bytes: &[u8]) -> Label {
    let Ok(about) = serde_json::from_slice::<Value>(bytes) else { return Label::Damaged };
    let found = KEYS.iter().find_map(|key| match about.get(key)? {
        Value::String(name) => Some(plain(name)),
        Value::Number(number) => Some(Label::Is(number.to_string())),
        _ => None,
    });
    found.unwrap_or(Label::Silent)
}

/// A name in one line.
fn plain(name: &str) -> Label {
    let name = name.trim();
    match name.is_empty() || name.len() > MOST_NAME_BYTES || name.contains(char::is_control) {
        true => Label::Damaged,
        false => Label::Is(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_end_at_the_first_dot_of_the_last_component() {
        for (name, expected) in
            [("a/b.c/d.seg.png", ("a/b.c/d", "seg.png")), ("d.jpg", ("d", "jpg")), ("a.b/c", ("a.b/c", ""))]
        {
            assert_eq!(split(name), expected, "{name}");
        }
    }

    #[test]
    fn labels_are_integers_or_names() {
        let is = |label: &str| Label::Is(label.to_owned());
        assert_eq!([of_text(b"7\n"), of_text(b" tabby cat ")], [is("7"), is("tabby cat")]);
        assert_eq!(
            [of_text(b"\xff"), of_text(b""), of_text(b"a\nb")],
            [Label::Damaged, Label::Damaged, Label::Damaged]
        );
        for (json, label) in [
            (r#"{"label_name": "x", "label": 3}"#, is("3")),
            (r#"{"cls": "n01443537", "class": 4}"#, is("n01443537")),
            (r#"{"label": null, "class": "a"}"#, is("a")),
            (r#"{"caption": "a"}"#, Label::Silent),
            ("[1]", Label::Silent),
            ("{", Label::Damaged),
        ] {
            assert_eq!(of_json(json.as_bytes()), label, "{json}");
        }
    }
}
