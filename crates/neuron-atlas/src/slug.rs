//! Names of layers as parts of paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::unit::UnitId;

/// A name for each layer that is safe in paths and addresses, and different from all others.
#[derive(Debug)]
pub(crate) struct Slugs(BTreeMap<(String, String), String>);

impl Slugs {
    /// Names the layers of some units, in the units' order.
    pub(crate) fn new<'u>(units: impl IntoIterator<Item = &'u UnitId>) -> Self {
        let mut slugs = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for UnitId { arch, layer, .. } in units {
            let key = (arch.clone(), layer.clone());
            if slugs.contains_key(&key) {
                continue;
            }
            let wanted = format!("{}/{}", plain(arch), plain(layer));
            let numbered = (2..).map(|number| format!("{wanted}-{number}"));
            let free = std::iter::once(wanted.clone()).chain(numbered).find(|slug| !taken.contains(slug));
            let slug = free.unwrap_or(wanted);
            taken.insert(slug.clone());
            slugs.insert(key, slug);
        }
        Self(slugs)
    }

    /// `<architecture>/<layer>`, two folders deep.
    pub(crate) fn layer(&self, id: &UnitId) -> &str {
        self.0.get(&(id.arch.clone(), id.layer.clone())).map_or("", String::as_str)
    }

    /// `<architecture>/<layer>/<channel>`.
    pub(crate) fn unit(&self, id: &UnitId) -> String {
        format!("{}/{}", self.layer(id), id.channel)
    }
}

/// Letters, digits, `_`, `-` and dots that do not come first; everything else becomes `-`.
fn plain(name: &str) -> String {
    let safe = |(at, letter): (usize, char)| match letter {
        '.' if at > 0 => letter,
        '_' | '-' => letter,
        _ if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    let plain: String = name.chars().take(80).enumerate().map(safe).collect();
    if plain.is_empty() { "-".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(layer: &str) -> UnitId {
        UnitId { arch: "net".into(), layer: layer.into(), channel: 7 }
    }

    #[test]
    fn hostile_layers_stay_inside_and_apart() {
        let ids = ["../..", "..\\..", "layer4.2.conv2", "\"><script>", ""].map(id);
        let slugs = Slugs::new(&ids);
        let found: Vec<String> = ids.iter().map(|id| slugs.unit(id)).collect();
        assert_eq!(
            found,
            ["net/-.-../7", "net/-.-..-2/7", "net/layer4.2.conv2/7", "net/---script-/7", "net/-/7"]
        );
    }
}
