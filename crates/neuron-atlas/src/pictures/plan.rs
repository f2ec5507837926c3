use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::images::{ImageId, Images};
use crate::read::Atlas;
use crate::run::RunId;
use crate::settings::Settings;
use crate::slug::Slugs;
use crate::unit::{Patch, PatchSet, Unit, Window};

/// Index of a source image in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceId(pub(crate) usize);

/// An image of the data set of which something is shown.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) image: ImageId,
    /// Where the whole image goes, below the site.
    pub(crate) file: String,
    pub(crate) cuts: Vec<Cut>,
}

/// A part of a source image.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) window: Window,
    pub(crate) file: String,
}

/// Where a patch is shown: a cut of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedPatch {
    pub(crate) source: SourceId,
    pub(crate) cut: usize,
}

/// A picture among the results that is shown as a whole.
#[derive(Debug)]
pub(crate) struct ResultPicture {
    pub(crate) path: PathBuf,
    pub(crate) file: String,
    /// Whether its transparency is kept.
    pub(crate) transparent: bool,
    /// Sources that show the same better: it is left out if one of them can be shown.
    pub(crate) instead_of: Vec<SourceId>,
}

/// The pictures of one unit; indices into [`Plan::sources`] and [`Plan::results`].
#[derive(Debug, Default)]
pub(crate) struct PlannedUnit {
    /// For the first images of the list.
    pub(crate) images: Vec<SourceId>,
    /// For the first patches of each set.
    pub(crate) patches: Vec<Vec<PlannedPatch>>,
    /// For each set: its picture of all patches.
    pub(crate) grids: Vec<Option<usize>>,
    /// For each visualisation: the picture, and the masked one.
    pub(crate) visualisations: Vec<(usize, Option<usize>)>,
    pub(crate) heat_maps: Vec<usize>,
}

/// All pictures of a site.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) images: Images,
    pub(crate) sources: Vec<Source>,
    pub(crate) results: Vec<ResultPicture>,
    pub(crate) units: Vec<PlannedUnit>,
}

impl Plan {
    /// Plans the pictures of all units, in their order.
    pub(crate) fn new(atlas: &Atlas, settings: &Settings, slugs: &Slugs) -> Self {
        let data = Data { atlas, settings };
        let plan = Self { images: Images::look_up(data.shown()), ..Self::default() };
        let mut planning = Planning { data, plan, named: HashMap::new(), found: HashMap::new() };
        for (id, unit) in &atlas.units {
            let planned = planning.unit(unit, &slugs.unit(id));
            planning.plan.units.push(planned);
        }
        planning.plan
    }

    /// The patches that are shown.
    pub(crate) fn patches(&self) -> usize {
        self.units.iter().flat_map(|unit| &unit.patches).map(Vec::len).sum()
    }
}

/// Which images of the data are shown, and where the data are.
#[derive(Clone, Copy)]
struct Data<'a> {
    atlas: &'a Atlas,
    settings: &'a Settings,
}

impl<'a> Data<'a> {
    /// The names of all images that are shown, by the place of their data.
    fn shown(self) -> BTreeMap<Option<PathBuf>, BTreeSet<&'a str>> {
        let mut named: BTreeMap<Option<PathBuf>, BTreeSet<&str>> = BTreeMap::new();
        for (_, unit) in &self.atlas.units {
            let cut = unit.patches.iter().flat_map(|set| self.cut(set).map(|patch| (set.run, &*patch.image)));
            for (run, name) in self.listed(unit).chain(cut) {
                named.entry(self.place(run)).or_default().insert(name);
            }
        }
        named
    }

    /// The images of a unit's list that are shown: whose list it is, and their names.
    fn listed(self, unit: &'a Unit) -> impl Iterator<Item = (Option<RunId>, &'a str)> {
        let all =
            unit.images.iter().flat_map(|list| list.best.iter().map(|listed| (list.run, &*listed.image)));
        all.take(self.settings.images)
    }

    /// The patches of a set that are shown.
    fn cut(self, set: &'a PatchSet) -> impl Iterator<Item = &'a Patch> {
        set.best.iter().take(self.settings.patches)
    }

    /// The data that were given, else those of the run.
    fn place(self, run: Option<RunId>) -> Option<PathBuf> {
        let given = self.settings.data.clone();
        given.or_else(|| self.atlas.runs.get(run?).data())
    }
}

struct Planning<'a> {
    data: Data<'a>,
    plan: Plan,
    /// By the run that names the image, and the name.
    named: HashMap<(Option<RunId>, String), SourceId>,
    /// By place: several runs may have looked at the same data.
    found: HashMap<PathBuf, SourceId>,
}

impl<'a> Planning<'a> {
    fn unit(&mut self, unit: &'a Unit, slug: &str) -> PlannedUnit {
        let mut planned = PlannedUnit::default();
        let data = self.data;
        planned.images = data.listed(unit).map(|(run, name)| self.source(run, name)).collect();
        for (set, patches) in unit.patches.iter().enumerate() {
            let cuts = data.cut(patches).enumerate().map(|(rank, patch)| {
                let source = self.source(patches.run, &patch.image);
                let file = format!("patches/{slug}/{set}-{rank}.jpg");
                let cuts = &mut self.plan.sources[source.0].cuts;
                cuts.push(Cut { window: patch.window, file });
                PlannedPatch { source, cut: cuts.len() - 1 }
            });
            let cuts: Vec<PlannedPatch> = cuts.collect();
            let grid = patches.grid.as_deref().map(|grid| {
                let at = self.result(grid, format!("patches/{slug}/{set}.jpg"), false);
                self.plan.results[at].instead_of = cuts.iter().map(|cut| cut.source).collect();
                at
            });
            planned.grids.push(grid);
            planned.patches.push(cuts);
        }
        for (at, picture) in unit.visualisations.iter().enumerate() {
            let file = |ending| format!("visualisations/{slug}/{at}{ending}");
            let plain = self.result(&picture.picture, file(".jpg"), false);
            let masked = picture.masked.as_deref().map(|path| self.result(path, file("-masked.webp"), true));
            planned.visualisations.push((plain, masked));
        }
        for (at, heat_map) in unit.heat_maps.iter().enumerate() {
            let file = format!("heat-maps/{slug}/{at}.jpg");
            planned.heat_maps.push(self.result(&heat_map.picture, file, false));
        }
        planned
    }

    fn result(&mut self, path: &Path, file: String, transparent: bool) -> usize {
        let (path, instead_of) = (path.to_owned(), Vec::new());
        self.plan.results.push(ResultPicture { path, file, transparent, instead_of });
        self.plan.results.len() - 1
    }

    /// The source that a run calls `name`.
    fn source(&mut self, run: Option<RunId>, name: &str) -> SourceId {
        let key = (run, name.to_owned());
        if let Some(id) = self.named.get(&key) {
            return *id;
        }
        let image = self.plan.images.id(&self.data.place(run), name);
        let sources = &mut self.plan.sources;
        let id = *self.found.entry(self.plan.images.place(image)).or_insert_with(|| {
            let file = format!("images/{}.jpg", sources.len());
            sources.push(Source { image, file, cuts: Vec::new() });
            SourceId(sources.len() - 1)
        });
        self.named.insert(key, id);
        id
    }
}
