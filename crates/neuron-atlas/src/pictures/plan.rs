use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Settings;
use crate::read::Atlas;
use crate::run::RunId;
use crate::slug::Slugs;
use crate::unit::{Unit, Window};

/// Index of a source image in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceId(pub(crate) usize);

/// An image of the data set of which something is shown.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
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
    pub(crate) sources: Vec<Source>,
    pub(crate) results: Vec<ResultPicture>,
    pub(crate) units: Vec<PlannedUnit>,
}

impl Plan {
    /// Plans the pictures of all units, in their order.
    pub(crate) fn new(atlas: &Atlas, settings: &Settings, slugs: &Slugs) -> Self {
        let (named, found) = (HashMap::new(), HashMap::new());
        let mut planning = Planning { atlas, settings, plan: Self::default(), named, found };
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

struct Planning<'a> {
    atlas: &'a Atlas,
    settings: &'a Settings,
    plan: Plan,
    /// By the run that names the image, and the name.
    named: HashMap<(Option<RunId>, String), SourceId>,
    /// By place: several runs may have looked at the same data.
    found: HashMap<PathBuf, SourceId>,
}

impl Planning<'_> {
    fn unit(&mut self, unit: &Unit, slug: &str) -> PlannedUnit {
        let mut planned = PlannedUnit::default();
        if let Some(list) = &unit.images {
            let shown = list.best.iter().take(self.settings.images);
            planned.images = shown.map(|listed| self.source(list.run, &listed.image)).collect();
        }
        for (set, patches) in unit.patches.iter().enumerate() {
            let shown = patches.best.iter().take(self.settings.patches).enumerate();
            let cuts = shown.map(|(rank, patch)| {
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
        let path = self.find(run, name);
        let sources = &mut self.plan.sources;
        let id = *self.found.entry(path.clone()).or_insert_with(|| {
            let file = format!("images/{}.jpg", sources.len());
            sources.push(Source { path, file, cuts: Vec::new() });
            SourceId(sources.len() - 1)
        });
        self.named.insert(key, id);
        id
    }

    /// Where an image lies: below the data folder that was given, else below that of the run, beside the run's list
    /// of images, or where its name says.
    fn find(&self, run: Option<RunId>, name: &str) -> PathBuf {
        let recorded = run.and_then(|run| self.atlas.runs.get(run).data());
        let data = self.settings.data.as_deref().or(recorded.as_deref());
        let beside = data.and_then(Path::parent);
        let places = [data, beside].into_iter().flatten().map(|folder| folder.join(name));
        let mut places = places.chain([PathBuf::from(name)]);
        let first = places.next().unwrap_or_else(|| PathBuf::from(name));
        if first.is_file() { first } else { places.find(|place| place.is_file()).unwrap_or(first) }
    }
}
