use std::collections::BTreeMap;

use askama::Template;
use serde_json::{Value, json};

use super::content::Pages;
use super::figures::Shown;
use super::numbers::score;
use crate::classes::{self, Composition};
use crate::pictures::PlannedUnit;
use crate::unit::{Unit, UnitId};

/// Classes by which a unit can be found.
const CLASSES: usize = 8;

/// The page that shows all units, and what its script needs.
#[derive(Template)]
#[template(path = "index.html")]
pub(super) struct Index {
    root: &'static str,
    title: String,
    layers: Vec<String>,
    units: usize,
    /// Whether most units have a visualisation, which then stands beside the patch instead of on it.
    pairs: bool,
    data: Value,
}

impl Index {
    pub(super) fn new(pages: &Pages<'_>) -> Self {
        let ids: Vec<&UnitId> = pages.atlas.units.iter().map(|(id, _)| id).collect();
        let many_networks = ids.windows(2).any(|pair| pair[0].arch != pair[1].arch);
        let layer_of = |id: &UnitId| match many_networks {
            true => format!("{} {}", id.arch, id.layer),
            false => id.layer.clone(),
        };
        let mut layers: Vec<(String, String)> = Vec::new();
        let mut entries = Entries::default();
        let mut rows = Vec::new();
        let mut pictured = 0;
        for ((id, unit), planned) in pages.atlas.units.iter().zip(&pages.plan.units) {
            let slug = pages.slugs.layer(id);
            if layers.last().is_none_or(|(last, _)| last != slug) {
                layers.push((slug.to_owned(), layer_of(id)));
            }
            pictured += usize::from(!planned.visualisations.is_empty());
            rows.push(entries.row(pages, (id, unit), planned, layers.len() - 1));
        }
        let networks = if many_networks { "several networks" } else { ids.first().map_or("", |id| &id.arch) };
        let data = json!({
            "layers": layers.iter().map(|(slug, name)| json!({ "path": slug, "name": name })).collect::<Vec<_>>(),
            "classes": entries.names,
            "units": rows,
        });
        Self {
            root: "",
            title: networks.to_owned(),
            layers: layers.into_iter().map(|(_, name)| name).collect(),
            units: ids.len(),
            pairs: 2 * pictured > ids.len(),
            data,
        }
    }

    /// The script that holds the units: pages from a file system may not read other files.
    pub(super) fn data(&self) -> String {
        format!("window.ATLAS = {};\n", self.data)
    }
}

/// The classes met so far; rows name them by number.
#[derive(Default)]
struct Entries {
    names: Vec<String>,
    numbers: BTreeMap<String, usize>,
}

impl Entries {
    /// Layer, channel, activation, its text, class selectivity, caption, classes with their images, number of images,
    /// patch, visualisation.
    fn row(
        &mut self,
        pages: &Pages<'_>,
        (id, unit): (&UnitId, &Unit),
        planned: &PlannedUnit,
        layer: usize,
    ) -> Value {
        let composition = unit.images.as_ref().map(Composition::of).unwrap_or_default();
        let classes: Vec<[usize; 2]> = composition
            .counts
            .iter()
            .take(CLASSES)
            .map(|(class, count)| [self.number(classes::label(class)), *count])
            .collect();
        let best = best_score(unit);
        let selectivity = composition.selectivity().map(|value| (value * 1000.0).round() / 1000.0);
        let patch = planned.patches.iter().flatten().next().and_then(|patch| pages.patch(*patch));
        let whole = || planned.images.first().and_then(|source| pages.source(*source));
        let picture = planned.visualisations.first().and_then(|(plain, _)| pages.result(*plain));
        let file = |shown: Option<Shown>| shown.map(|shown| shown.file);
        json!([
            layer,
            id.channel,
            best,
            best.map(score),
            selectivity,
            composition.caption(),
            classes,
            composition.images,
            file(patch.or_else(whole)),
            file(picture),
        ])
    }

    fn number(&mut self, class: &str) -> usize {
        let Self { names, numbers } = self;
        *numbers.entry(class.to_owned()).or_insert_with(|| {
            names.push(class.to_owned());
            names.len() - 1
        })
    }
}

/// The unit's activation on its best image, else the score of its best patch.
pub(super) fn best_score(unit: &Unit) -> Option<f64> {
    let image = unit.images.as_ref().and_then(|list| list.best.first()).and_then(|listed| listed.score);
    let patch = || unit.patches.iter().filter_map(|set| set.best.first()).map(|patch| patch.score).next();
    image.or_else(patch).map(f64::from).filter(|score| score.is_finite())
}
