use super::content::Pages;
use crate::pictures::{PlannedPatch, Size, SourceId};
use crate::unit::Window;

/// A picture on a page.
pub(super) struct Shown {
    /// Below the site.
    pub(super) file: String,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Shown {
    fn new(file: &str, size: Size) -> Self {
        Self { file: file.to_owned(), width: size.width, height: size.height }
    }
}

impl Pages<'_> {
    /// A whole source image, unless it was skipped.
    pub(super) fn source(&self, source: SourceId) -> Option<Shown> {
        let rendered = self.rendered.sources.get(source.0)?.as_ref().ok()?;
        Some(Shown::new(&self.plan.sources.get(source.0)?.file, rendered.size))
    }

    /// A patch, unless its image was skipped.
    pub(super) fn patch(&self, patch: PlannedPatch) -> Option<Shown> {
        let rendered = self.rendered.sources.get(patch.source.0)?.as_ref().ok()?;
        let cut = self.plan.sources.get(patch.source.0)?.cuts.get(patch.cut)?;
        Some(Shown::new(&cut.file, *rendered.cuts.get(patch.cut)?))
    }

    /// Where a patch lies in its image.
    pub(super) fn window(&self, patch: PlannedPatch) -> Option<Window> {
        Some(self.plan.sources.get(patch.source.0)?.cuts.get(patch.cut)?.window)
    }

    /// A picture among the results, unless it was left out.
    pub(super) fn result(&self, at: usize) -> Option<Shown> {
        let size = (*self.rendered.results.get(at)?.as_ref().ok()?)?;
        Some(Shown::new(&self.plan.results.get(at)?.file, size))
    }
}
