//! Descriptions of units, as CLIP-Dissect's `describe_neurons.py` writes them.

use std::fmt::Write as _;

use anyhow::bail;
use neuron_data::ImagenetClass;

use super::format::{Export, Format};
use super::layer::Unit;
use crate::output;

/// As many images as decide which class an atlas calls a unit by.
pub(super) const FORMAT: Format = Format { name: "clip-dissect", per_unit: 20, write };

fn write(export: &Export<'_>) -> anyhow::Result<usize> {
    let [path] = export.places("", ["descriptions.csv"])?;
    let mut text = "layer,unit,description,similarity\n".to_owned();
    let mut described = 0;
    for layer in &export.layers {
        for unit in &layer.units {
            if let Some((class, share)) = most_frequent(unit) {
                let class = quoted(ImagenetClass::of(class).map_or(class, |class| class.label));
                writeln!(text, "{},{},{class},{share}", quoted(&layer.name), unit.channel)?;
                described += 1;
            }
        }
    }
    if described == 0 {
        bail!("the images have no classes, which would describe the units: scan a data set of class folders");
    }
    output::write_bytes(&path, text.as_bytes())?;
    Ok(described)
}

/// The class of most of a unit's first images, and its share of them; on ties that of the better image.
fn most_frequent(unit: &Unit) -> Option<(&str, f32)> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for class in unit.best.iter().filter_map(|listed| listed.class.as_deref()) {
        match counts.iter_mut().find(|(known, _)| *known == class) {
            Some((_, count)) => *count += 1,
            None => counts.push((class, 1)),
        }
    }
    // The first of those with the greatest count.
    let (class, count) = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
    Some((class, count as f32 / unit.best.len() as f32))
}

/// A value of a table, in quotes where it could be mistaken for several (RFC 4180).
fn quoted(value: &str) -> String {
    match value.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", value.replace('"', "\"\"")),
        false => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layer::Listed;
    use super::*;

    fn unit(classes: &str) -> Unit {
        let listed = |class: char| Listed {
            image: String::new(),
            index: 0,
            class: (class != '-').then(|| class.to_string()),
            score: 0.0,
            place: None,
        };
        Unit { channel: 0, best: classes.chars().map(listed).collect(), threshold: 0.0 }
    }

    #[test]
    fn the_most_frequent_class_describes_a_unit() {
        assert_eq!(most_frequent(&unit("abbc")), Some(("b", 0.5)));
        assert_eq!(most_frequent(&unit("abba")), Some(("a", 0.5)), "of equals, that of the better image");
        assert_eq!(most_frequent(&unit("-a")), Some(("a", 0.5)));
        assert_eq!(most_frequent(&unit("--")), None);
    }

    #[test]
    fn values_with_commas_are_quoted() {
        assert_eq!(quoted("axolotl, mud puppy"), "\"axolotl, mud puppy\"");
        assert_eq!(quoted("a \"b\""), "\"a \"\"b\"\"\"");
        assert_eq!(quoted("grey whale"), "grey whale");
    }
}
