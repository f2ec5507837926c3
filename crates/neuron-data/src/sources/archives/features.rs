//! What the Hugging Face Hub says of the columns of a data set, as JSON beside the table.

use serde_json::Value;

/// The columns that matter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// Those with images.
    pub(super) images: Vec<String>,
    /// That with classes.
    pub(super) label: Option<String>,
    /// The names of its numbers.
    names: Vec<String>,
}

impl Features {
    /// Whatever the text says; without a sense it says nothing.
    pub(super) fn of(text: &str) -> Self {
        let about: Value = serde_json::from_str(text).unwrap_or_default();
        let mut features = Self::default();
        let of_type = |kind: &'static str| {
            let all = about.pointer("/info/features").and_then(Value::as_object).into_iter().flatten();
            all.filter(move |(_, feature)| feature["_type"] == kind)
        };
        features.images = of_type("Image").map(|(name, _)| name.clone()).collect();
        // Of several the one that is usually meant comes first.
        features.images.sort_by_key(|name| name != "image");
        let labels = of_type("ClassLabel");
        if let Some((name, feature)) = labels.min_by_key(|(name, _)| *name != "label") {
            features.label = Some(name.clone());
            let names = feature["names"].as_array().into_iter().flatten();
            features.names = names.map(|name| plain(name.as_str().unwrap_or_default())).collect();
        }
        features
    }

    /// The name of a class; empty for a number below zero, which stands for none.
    pub(super) fn name(&self, class: i64) -> String {
        let Ok(at) = usize::try_from(class) else { return String::new() };
        match self.names.get(at) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => class.to_string(),
        }
    }
}

/// A name in one line, or nothing.
pub(super) fn plain(name: &str) -> String {
    if name.contains(char::is_control) { String::new() } else { name.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_names_are_found() {
        let text = r#"{"info": {"features": {
            "coarse": {"names": ["x"], "_type": "ClassLabel"},
            "img": {"_type": "Image"}, "image": {"_type": "Image"},
            "label": {"names": ["cat", "two\nlines"], "_type": "ClassLabel"}}}}"#;
        let features = Features::of(text);
        assert_eq!(
            (features.images.join(" "), features.label.as_deref()),
            ("image img".into(), Some("label"))
        );
        assert_eq!([0, 1, 2, -1].map(|class| features.name(class)), ["cat", "1", "2", ""]);
        for nothing in ["", "{", "[]", r#"{"info": {"features": 3}}"#] {
            assert_eq!(Features::of(nothing), Features::default(), "{nothing}");
        }
    }
}
