use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::AtlasError;
use crate::event::Observer;
use crate::pages::{self, Pages};
use crate::pictures::{self, Plan, Reading};
use crate::read::Atlas;
use crate::settings::Settings;
use crate::skipped::Skipped;
use crate::slug::Slugs;
use crate::staging::{self, MARKER, Staging};

/// A site that is about to be written.
#[derive(Debug)]
pub struct Site<'a> {
    atlas: &'a Atlas,
    settings: Settings,
    slugs: Slugs,
    plan: Plan,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Units with a page.
    pub units: usize,
    /// The page to open.
    pub index: PathBuf,
    /// Files of results that could not be used, then images of the data set that could not be shown.
    pub skipped: Vec<Skipped>,
}

impl<'a> Site<'a> {
    /// Plans the site of an atlas.
    pub fn new(atlas: &'a Atlas, settings: Settings) -> Self {
        let slugs = Slugs::new(atlas.units.iter().map(|(id, _)| id));
        let plan = Plan::new(atlas, &settings, &slugs);
        Self { atlas, settings, slugs, plan }
    }

    /// Images of the data set of which something is shown.
    pub fn images(&self) -> usize {
        self.plan.sources.len()
    }

    /// Patches that are shown.
    pub fn patches(&self) -> usize {
        self.plan.patches()
    }

    /// Writes the site beside `out` and puts it there when it is complete. Equal results give equal bytes.
    ///
    /// Pictures are made on rayon's current threads. One process at a time may write to a place.
    ///
    /// # Errors
    /// [`AtlasError::Present`], [`AtlasError::NotAnAtlas`], [`AtlasError::Stopped`] if the observer breaks off,
    /// [`AtlasError::Skipped`] with strict settings, and what keeps files from being read or written; then nothing
    /// has changed.
    pub fn write(&self, out: &Path, overwrite: bool, observer: Observer<'_>) -> Result<Written, AtlasError> {
        if let (true, Some(Skipped { path, reason })) = (self.settings.strict, self.atlas.skipped.first()) {
            return Err(AtlasError::Skipped { path: path.clone(), reason: reason.clone() });
        }
        staging::check(out, overwrite)?;
        let staging = Staging::new(out)?;
        let reading = Reading { limits: self.settings.limits, strict: self.settings.strict };
        let rendered = pictures::render(&self.plan, &staging, reading, observer)?;
        let pages = Pages { atlas: self.atlas, slugs: &self.slugs, plan: &self.plan, rendered: &rendered };
        pages::write(&pages, &staging)?;
        let images = rendered.sources.iter().filter_map(|source| source.as_ref().err());
        let pictures = rendered.results.iter().filter_map(|picture| picture.as_ref().err());
        let skipped = self.atlas.skipped.iter().chain(pictures).chain(images);
        let skipped: Vec<Skipped> = skipped.cloned().collect();
        if !skipped.is_empty() {
            staging.write("skipped.tsv", table(&skipped).as_bytes())?;
        }
        let about = json!({
            "neuron_version": env!("CARGO_PKG_VERSION"),
            "units": self.atlas.units(),
            "images": self.images(),
            "patches": self.patches(),
            "skipped": skipped.len(),
        });
        staging.write(MARKER, format!("{about:#}\n").as_bytes())?;
        staging.finish()?;
        Ok(Written { units: self.atlas.units(), index: out.join("index.html"), skipped })
    }
}

/// One line a file that could not be shown, as the other commands write it.
fn table(skipped: &[Skipped]) -> String {
    let plain = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    let line = |Skipped { path, reason }: &Skipped| {
        format!("{}\t{}\n", plain(&path.to_string_lossy()), plain(reason))
    };
    format!("image\treason\n{}", skipped.iter().map(line).collect::<String>())
}
