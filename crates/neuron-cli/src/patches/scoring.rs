use neuron_data::Preprocessing;
use neuron_model::{
    ImageRange, Images, Keep, ModelError, Network, Positions, Reduction, Scoring, Session, Tap,
};
use neuron_patches::{BestWindows, BilinearResize, PatchError, Picture, Windows};

use crate::scan::{loaded_together, seconds_of};

/// Pixels that are forwarded between two looks at signals and checkpoints, for each image that is loaded with others:
/// on the CPU those of 64 images of 224 pixels.
const PIXELS_AN_IMAGE: usize = 2 * 224 * 224;

/// The best score of every channel on each of some images, and where it was reached.
pub(crate) struct BestPlaces {
    channels: usize,
    /// `[images, channels]`
    scores: Vec<f32>,
    /// `[images, channels]`: a window, or a position of the map; the first one on ties.
    places: Vec<u32>,
}

impl WindowInput {
    /// How windows of a side reach a layer: at their own size, unless the network takes crops but no images of that size,
    /// because of a table of positions or windows of its own.
    pub(crate) fn of(network: &Network, tap: &Tap, side_px: usize, crop_px: usize) -> Self {
        let takes = |side: usize| network.graph().shape(tap, (side, side));
        match takes(side_px) {
            Err(ModelError::OnlySize { .. } | ModelError::Shape { .. }) if takes(crop_px).is_ok() => {
                Self::Resized
            }
            _ => Self::AsCut,
        }
    }
}

impl BestPlaces {
    /// # Shapes
    /// * `scores`, `places`: `[images, channels]`
    pub(crate) fn new(channels: usize, scores: Vec<f32>, places: Vec<u32>) -> Self {
        Self { channels, scores, places }
    }

    /// Scores and places of one image, `[channels]` each.
    pub(crate) fn of(&self, image: usize) -> (&[f32], &[u32]) {
        let range = image * self.channels..(image + 1) * self.channels;
        (&self.scores[range.clone()], &self.places[range])
    }
}

/// How a window becomes an input of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowInput {
    /// At its own size.
    AsCut,
    /// Resized to the size of a crop, after the normalisation.
    Resized,
}

/// Scores the windows of crops by the means of the maps that they cause.
pub(crate) struct WindowScorer {
    session: Session,
    preprocessing: Preprocessing,
    windows: Windows,
    resize: Option<BilinearResize>,
    channels: usize,
    scoring: Scoring,
    /// Normalised, `[images, crop, crop, 3]`.
    crops: Vec<f32>,
    /// `[images, windows, channels]`
    scores: Vec<f32>,
    forwards: u64,
}

impl WindowScorer {
    /// # Errors
    /// [`ModelError::ImageTooSmall`] if the network cannot take windows of that size.
    pub(crate) fn new(
        network: &Network,
        tap: &Tap,
        preprocessing: &Preprocessing,
        windows: Windows,
        (input, positions): (WindowInput, Positions),
    ) -> anyhow::Result<Self> {
        let (size, crop) = (windows.size(), preprocessing.crop);
        let resize = match input {
            WindowInput::AsCut => None,
            WindowInput::Resized => Some(BilinearResize::new((size, size), (crop, crop))?),
        };
        let mut scorer = Self {
            session: network.session(std::slice::from_ref(tap), Keep::Taps)?,
            preprocessing: preprocessing.clone(),
            windows,
            resize,
            channels: network.channels(tap),
            scoring: Scoring { reduction: Reduction::Mean, positions },
            crops: Vec::new(),
            scores: Vec::new(),
            forwards: 0,
        };
        // A session finds out when it first runs: better now than after the first images were loaded.
        scorer.score(&[])?;
        Ok(scorer)
    }

    /// Windows that went through the network since the scorer was made.
    pub(crate) fn forwards(&self) -> u64 {
        self.forwards
    }

    pub(crate) fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Channels of the tap.
    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// How many images are best scored together.
    pub(crate) fn images_together(&self) -> usize {
        let side = if self.resize.is_some() { self.preprocessing.crop } else { self.windows.size() };
        let together = loaded_together(self.session.network().device());
        (together * PIXELS_AN_IMAGE / (self.windows.len() * side * side)).clamp(1, together)
    }

    /// A measurement, on a grey image: of all its windows, unless each of them is as large as an image.
    pub(crate) fn seconds_per_forward(&mut self) -> anyhow::Result<f64> {
        const TIMED: usize = 8;
        let grey = vec![128; self.preprocessing.crop_bytes()];
        if self.resize.is_none() || self.windows.len() <= TIMED {
            return Ok(seconds_of(|| self.best(&grey))? / self.windows.len() as f64);
        }
        let crops = self.preprocessing.normalize(&grey);
        let crop = self.preprocessing.crop;
        let images =
            WindowImages { crops: &crops, crop, windows: self.windows, resize: self.resize.as_ref() };
        let (some, scoring) = (ImageRange::new(&images, 0..TIMED), self.scoring);
        Ok(seconds_of(|| self.session.scores(&some, scoring, &mut |_| {}))? / TIMED as f64)
    }

    /// The scores of every window.
    ///
    /// # Shapes
    /// * `pixels`: `[images, crop, crop, 3]`
    /// * returns: `[images, windows, channels]`
    pub(crate) fn score(&mut self, pixels: &[u8]) -> Result<&[f32], ModelError> {
        self.crops.resize(pixels.len(), 0.0);
        self.preprocessing.normalize_into(pixels, &mut self.crops);
        let crop = self.preprocessing.crop;
        let images =
            WindowImages { crops: &self.crops, crop, windows: self.windows, resize: self.resize.as_ref() };
        let (count, channels) = (images.count(), self.channels);
        self.scores.resize(count * channels, 0.0);
        let scores = &mut self.scores;
        self.session.scores(&images, self.scoring, &mut |scored| {
            scores[scored.range()].copy_from_slice(scored.scores);
        })?;
        self.forwards += count as u64;
        Ok(&self.scores)
    }

    /// The best window of every image for every channel.
    ///
    /// # Shapes
    /// * `pixels`: `[images, crop, crop, 3]`
    pub(crate) fn best(&mut self, pixels: &[u8]) -> anyhow::Result<BestPlaces> {
        let (channels, of_image) = (self.channels, self.windows.len() * self.channels);
        let scores = self.score(pixels)?.chunks_exact(of_image);
        let best = scores.map(|scores| BestWindows::of(scores, channels));
        let (mut scores, mut places) = (Vec::new(), Vec::new());
        for best in best {
            let BestWindows { scores: of_image, windows } = best?;
            scores.extend(of_image);
            places.extend(windows);
        }
        Ok(BestPlaces::new(channels, scores, places))
    }
}

/// The windows of some crops, image by image and by index.
struct WindowImages<'a> {
    /// Normalised, `[images, crop, crop, 3]`.
    crops: &'a [f32],
    crop: usize,
    windows: Windows,
    resize: Option<&'a BilinearResize>,
}

impl WindowImages<'_> {
    fn try_write(&self, index: usize, pixels: &mut [f32]) -> Result<(), PatchError> {
        let (image, window) = (index / self.windows.len(), index % self.windows.len());
        let len = self.crop * self.crop * 3;
        let crop = Picture::new(&self.crops[image * len..][..len], self.crop, self.crop)?;
        let Some(window) = self.windows.get(window) else { return Ok(()) };
        match self.resize {
            None => crop.crop_into(window, pixels),
            Some(resize) => {
                resize.resize(Picture::new(&crop.crop(window)?, window.height, window.width)?, pixels)
            }
        }
    }
}

impl Images for WindowImages<'_> {
    fn count(&self) -> usize {
        self.crops.len() / (self.crop * self.crop * 3) * self.windows.len()
    }

    fn size(&self) -> (usize, usize) {
        let side = if self.resize.is_some() { self.crop } else { self.windows.size() };
        (side, side)
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        self.try_write(index, pixels).expect("the windows and the resize were made for these crops");
    }
}
