use askama::Template;

use super::content::Pages;
use super::evaluations::EvaluationsView;
use super::figures::Shown;
use super::index::best_score;
use super::made::{self, Made};
use super::numbers::score;
use super::plot::{Bars, curve};
use crate::classes::{self, Composition};
use crate::pictures::PlannedUnit;
use crate::unit::{HeatMap, ImageList, PatchSet, Unit, UnitId, Visualisation, Window};

/// From a unit's page, `units/<architecture>/<layer>/<channel>.html`, to the site.
const ROOT: &str = "../../../";

/// Classes that a page names.
const CLASSES: usize = 10;

/// The page of one unit.
#[derive(Template)]
#[template(path = "unit.html")]
pub(super) struct UnitPage<'a> {
    root: &'static str,
    id: &'a UnitId,
    slug: String,
    previous: Option<Link>,
    next: Option<Link>,
    best: Option<String>,
    /// The class that describes the unit, with its share.
    caption: Option<String>,
    selectivity: Option<String>,
    listed: Option<usize>,
    sets: Vec<SetView>,
    images: Vec<ImageView>,
    visualisations: Vec<VisualisationView<'a>>,
    classes: Option<ClassesView>,
    bars: Option<Bars>,
    heat_maps: Vec<HeatMapView<'a>>,
    evaluations: Option<EvaluationsView>,
    made: Vec<Made>,
    /// Images that would be here, could they be read.
    missing: usize,
}

/// A neighbouring unit's page.
struct Link {
    file: String,
    name: String,
}

/// The patches of one command.
struct SetView {
    command: Option<String>,
    size_px: Option<usize>,
    kept: usize,
    patches: Vec<PatchView>,
    /// The picture of all patches, where none can be shown by itself.
    grid: Option<Shown>,
}

struct PatchView {
    rank: usize,
    score: String,
    label: String,
    name: String,
    patch: Shown,
    image: Shown,
    window: Window,
    is_whole: bool,
}

struct ImageView {
    rank: usize,
    score: Option<String>,
    label: String,
    name: String,
    image: Shown,
}

struct VisualisationView<'a> {
    name: &'a str,
    method: &'a str,
    activation: Option<String>,
    /// That on the references.
    references: Option<String>,
    /// The one in percent of the other, where that says something.
    ratio: Option<String>,
    plain: Shown,
    masked: Option<Shown>,
    loss: Option<String>,
    steps: usize,
}

/// The classes among the best images; the share is in hundredths of the most frequent one's.
struct ClassesView {
    images: usize,
    /// Whether the first class describes the unit.
    described: bool,
    rows: Vec<(String, usize, usize)>,
    /// Classes that are not shown.
    more: usize,
}

struct HeatMapView<'a> {
    image: &'a str,
    name: &'a str,
    method: &'a str,
    picture: Shown,
}

impl<'a> UnitPage<'a> {
    /// The page of the unit at a place in the order of all.
    pub(super) fn new(pages: &Pages<'a>, at: usize) -> Option<Self> {
        let (id, unit) = pages.atlas.units.get(at)?;
        let planned = pages.plan.units.get(at)?;
        let neighbour = |at: usize| pages.atlas.units.get(at).map(|(id, _)| Link::new(pages, id));
        let composition = unit.images.as_ref().map(Composition::of).unwrap_or_default();
        let sets: Vec<SetView> = sets(pages, unit, planned);
        let images = images(pages, unit, planned);
        let wanted = planned.images.len() + planned.patches.iter().map(Vec::len).sum::<usize>();
        let shown = images.len() + sets.iter().map(|set| set.patches.len()).sum::<usize>();
        Some(Self {
            root: ROOT,
            id,
            slug: pages.slugs.unit(id),
            previous: at.checked_sub(1).and_then(neighbour),
            next: neighbour(at + 1),
            best: best_score(unit).map(score),
            caption: composition.caption(),
            selectivity: composition.selectivity().map(|value| format!("{value:.2}")),
            listed: unit.images.as_ref().map(|list| list.total),
            sets,
            images,
            visualisations: visualisations(pages, unit, planned),
            bars: unit.images.as_ref().and_then(|list| bars(list, &composition)),
            classes: ClassesView::new(&composition),
            heat_maps: heat_maps(pages, unit, planned),
            evaluations: EvaluationsView::new(unit),
            made: made::of(unit, pages.atlas),
            missing: wanted - shown,
        })
    }

    /// Where the page goes, below the site.
    pub(super) fn file(&self) -> String {
        format!("units/{}.html", self.slug)
    }
}

impl Link {
    fn new(pages: &Pages<'_>, id: &UnitId) -> Self {
        Self {
            file: format!("units/{}.html", pages.slugs.unit(id)),
            name: format!("{} {}", id.layer, id.channel),
        }
    }
}

impl ClassesView {
    fn new(composition: &Composition) -> Option<Self> {
        let most = composition.counts.first()?.1;
        let row =
            |(class, count): &(String, usize)| (classes::label(class).to_owned(), *count, 100 * count / most);
        Some(Self {
            images: composition.images,
            described: composition.describing().is_some(),
            rows: composition.counts.iter().take(CLASSES).map(row).collect(),
            more: composition.counts.len().saturating_sub(CLASSES),
        })
    }
}

fn sets(pages: &Pages<'_>, unit: &Unit, planned: &PlannedUnit) -> Vec<SetView> {
    let planned = planned.patches.iter().zip(&planned.grids);
    let view = |(set, (places, grid)): (&PatchSet, (&Vec<_>, &Option<usize>))| {
        let patches = places.iter().zip(&set.best).enumerate().filter_map(|(rank, (place, patch))| {
            Some(PatchView {
                rank: rank + 1,
                score: score(f64::from(patch.score)),
                label: label_of(&patch.image),
                name: patch.image.clone(),
                patch: pages.patch(*place)?,
                image: pages.source(place.source)?,
                window: pages.window(*place)?,
                is_whole: patch.is_whole,
            })
        });
        let patches: Vec<PatchView> = patches.collect();
        let grid = if patches.is_empty() { grid.and_then(|grid| pages.result(grid)) } else { None };
        let run = set.run.map(|run| pages.atlas.runs.get(run));
        SetView {
            command: run.map(|run| run.command.clone()),
            size_px: set.best.iter().map(|patch| patch.size_px).min(),
            kept: set.best.len(),
            patches,
            grid,
        }
    };
    unit.patches.iter().zip(planned).map(view).collect()
}

fn images(pages: &Pages<'_>, unit: &Unit, planned: &PlannedUnit) -> Vec<ImageView> {
    let listed = unit.images.iter().flat_map(|list| &list.best);
    let views = listed.zip(&planned.images).enumerate().filter_map(|(rank, (listed, source))| {
        let class = listed.class.as_deref().map(|class| classes::label(class).to_owned());
        Some(ImageView {
            rank: rank + 1,
            score: listed.score.map(|value| score(f64::from(value))),
            label: class.unwrap_or_else(|| file_name(&listed.image).to_owned()),
            name: listed.image.clone(),
            image: pages.source(*source)?,
        })
    });
    views.collect()
}

fn visualisations<'a>(
    pages: &Pages<'a>,
    unit: &'a Unit,
    planned: &PlannedUnit,
) -> Vec<VisualisationView<'a>> {
    let both = unit.visualisations.iter().zip(&planned.visualisations);
    let view = |(picture, (plain, masked)): (&'a Visualisation, &(usize, Option<usize>))| {
        let shown = |value: Option<f64>| value.filter(|value| value.is_finite());
        let reached = picture.activation;
        let ratio = shown(reached.and_then(|reached| reached.ratio));
        Some(VisualisationView {
            name: &picture.name,
            method: &picture.method,
            activation: shown(reached.map(|reached| reached.value)).map(score),
            references: shown(reached.and_then(|reached| reached.references)).map(score),
            ratio: ratio.map(|ratio| format!("{:.0}", 100.0 * ratio)),
            plain: pages.result(*plain)?,
            masked: masked.and_then(|masked| pages.result(masked)),
            loss: curve(&picture.loss),
            steps: picture.loss.len(),
        })
    };
    both.filter_map(view).collect()
}

fn heat_maps<'a>(pages: &Pages<'a>, unit: &'a Unit, planned: &PlannedUnit) -> Vec<HeatMapView<'a>> {
    let view = |(map, picture): (&'a HeatMap, &usize)| {
        let HeatMap { image, method, .. } = map;
        Some(HeatMapView { image, name: file_name(image), method, picture: pages.result(*picture)? })
    };
    unit.heat_maps.iter().zip(&planned.heat_maps).filter_map(view).collect()
}

/// The scores of the listed images; those of the class that describes the unit are marked.
fn bars(list: &ImageList, composition: &Composition) -> Option<Bars> {
    let describing = composition.describing().map(|(class, _)| class);
    let scores = list.best.iter().filter_map(|listed| {
        let marked = listed.class.is_some() && listed.class.as_deref() == describing;
        Some((f64::from(listed.score?), marked))
    });
    Bars::new(&scores.collect::<Vec<_>>())
}

/// What to call an image: its class, else the name of its file.
fn label_of(image: &str) -> String {
    classes::folder_of(image).map_or_else(|| file_name(image), classes::label).to_owned()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
