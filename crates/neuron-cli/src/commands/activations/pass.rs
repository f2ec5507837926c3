use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use neuron_data::{DataError, ImageError, Preprocessing, read_rgb8};
use neuron_model::{Images, Keep, ModelError, Network, Positions, Scoring, Session, Tap};

use super::collected::Collected;
use super::report::{ImageReport, Report, Skipped};
use super::{Args, Reduce};
use crate::global::Global;
use crate::progress::Progress;
use crate::scan::crops;
use crate::{interrupt, not_finite};

/// Images that go through the network together; results do not depend on it.
const BATCH: usize = 16;

/// The images' way through the network.
pub(super) struct Pass<'a> {
    pub(super) args: &'a Args,
    pub(super) global: &'a Global,
    pub(super) preprocessing: &'a Preprocessing,
    pub(super) positions: Positions,
}

impl Pass<'_> {
    /// Sends the images through the network; `None` if the user stopped it.
    pub(super) fn run(
        &self,
        network: &Network,
        taps: &[Tap],
        collected: &mut [Collected],
    ) -> anyhow::Result<Option<Report>> {
        let _caught = interrupt::caught();
        let mut report = Report { out: self.args.out.clone(), ..Report::default() };
        let mut session = network.session(taps, Keep::Taps)?;
        let mut progress =
            Progress::new("activations", "images", self.args.images.len(), 0, self.global.quiet);
        let mut done = 0;
        for paths in self.args.images.chunks(BATCH) {
            if interrupt::requested() {
                return Ok(None);
            }
            let first = report.images.len();
            let pixels = self.load(paths, &mut report)?;
            let images = crops(&pixels, self.preprocessing);
            let name = |item: usize| report.images[first + item].image.clone();
            self.collect(&mut session, &images, collected).map_err(|error| not_finite::named(error, name))?;
            done += paths.len();
            progress.update(done, "");
        }
        progress.finish();
        if let (true, Some(Skipped { image, reason })) = (report.images.is_empty(), report.skipped.first()) {
            bail!("none of the images can be read; the first is {image}: {reason}");
        }
        for (index, image) in report.images.iter_mut().enumerate() {
            let top = collected.iter().filter_map(|tap| Some((tap.name().to_owned(), tap.top(index)?)));
            image.top = top.collect();
        }
        Ok(Some(report))
    }

    /// Collects the maps where they are wanted, else only what they are reduced to.
    fn collect(
        &self,
        session: &mut Session,
        images: &dyn Images,
        collected: &mut [Collected],
    ) -> Result<(), ModelError> {
        if self.args.reduce != Reduce::None || self.args.out.is_none() {
            let scoring = Scoring { reduction: self.args.reduce.reduction(), positions: self.positions };
            return session.scores(images, scoring, &mut |scored| {
                collected[scored.tap].absorb_scores(scored.scores);
            });
        }
        let (network, taps) = (session.network().clone(), session.taps().to_vec());
        let mut checked = Ok(());
        session.run(images, &mut |tapped| {
            if checked.is_ok() {
                let map = tapped.map;
                checked = network.check_finite(&taps[tapped.tap], tapped.first_item, map.batch, map.data);
                collected[tapped.tap].absorb_maps(map);
            }
        })?;
        checked
    }

    /// The crops of those images that decode, one behind the other.
    fn load(&self, paths: &[PathBuf], report: &mut Report) -> anyhow::Result<Vec<u8>> {
        let len = self.preprocessing.crop_bytes();
        let mut pixels = Vec::with_capacity(paths.len() * len);
        for path in paths {
            let image = path.display().to_string();
            match read_rgb8(path, &self.global.limits()) {
                Ok(picture) => {
                    let begin = pixels.len();
                    pixels.resize(begin + len, 0);
                    self.preprocessing.crop_into(&picture, &mut pixels[begin..]);
                    report.images.push(ImageReport { image, top: BTreeMap::new() });
                }
                Err(_) if path.is_dir() => bail!("{image} is a folder; name the images in it"),
                // A file that is not there is a mistake on the command line, not a damaged image.
                Err(DataError::Image { source: ImageError::Read { source }, .. }) => {
                    return Err(source).with_context(|| format!("cannot read {image}"));
                }
                Err(DataError::Image { source, .. }) if !self.global.strict => {
                    report.skipped.push(Skipped { image, reason: source.to_string() });
                }
                Err(DataError::Image { source, .. }) => {
                    bail!("{image}: {source} (leave out --strict to skip such files)")
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(pixels)
    }
}
