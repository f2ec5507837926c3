//! The pages of a site, and the few files that they share.

mod content;
mod evaluations;
mod figures;
mod index;
mod made;
mod numbers;
mod plot;
mod unit;

use askama::Template;
use rayon::prelude::*;

pub(crate) use content::Pages;

use crate::error::AtlasError;
use crate::staging::Staging;

/// Files that are the same on every site.
const ASSETS: [(&str, &str); 4] = [
    ("assets/atlas.css", include_str!("../../templates/atlas.css")),
    ("assets/theme.js", include_str!("../../templates/theme.js")),
    ("assets/keys.js", include_str!("../../templates/keys.js")),
    ("assets/index.js", include_str!("../../templates/index.js")),
];

/// Writes the index, a page for each unit, and what they need.
pub(crate) fn write(pages: &Pages<'_>, staging: &Staging) -> Result<(), AtlasError> {
    for (file, content) in ASSETS {
        staging.write(file, content.as_bytes())?;
    }
    for (number, run) in pages.atlas.runs.iter().enumerate() {
        staging.write(&made::file(number), format!("{:#}\n", run.scan).as_bytes())?;
    }
    let index = index::Index::new(pages);
    staging.write("assets/units.js", index.data().as_bytes())?;
    write_page("index.html", &index, staging)?;
    (0..pages.atlas.units.len()).into_par_iter().try_for_each(|at| match unit::UnitPage::new(pages, at) {
        Some(page) => write_page(&page.file(), &page, staging),
        None => Ok(()),
    })
}

fn write_page(file: &str, page: &impl Template, staging: &Staging) -> Result<(), AtlasError> {
    let html = page.render().map_err(|error| AtlasError::write(file)(std::io::Error::other(error)))?;
    staging.write(file, html.as_bytes())
}
