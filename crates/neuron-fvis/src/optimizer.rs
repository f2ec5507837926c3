use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use neuron_model::{ByteImages, Images, Network, Tap};

use crate::aim::Aim;
use crate::error::FvisError;
use crate::item::{FeatureStep, Item};
use crate::objective::Objective;
use crate::parametrisation::Canvas;
use crate::random;
use crate::rendering::Rendering;
use crate::schedule::Phase;
use crate::settings::{Settings, Unit};
use crate::start::{self, Start};
use crate::view::{Shift, View};
use crate::warp::Warp;
use crate::weighting::FeatureWeighting;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The memory of a GPU does not hold so many pictures: it goes on with fewer.
    MemoryFull {
        /// Pictures at once that did not fit.
        from: usize,
        /// Pictures at once from now on.
        to: usize,
    },
    /// Some more references have been measured.
    References {
        /// How many so far.
        done: usize,
        /// Of how many.
        total: usize,
    },
    /// A step has been taken.
    Step {
        /// Its index.
        step: usize,
        /// Its learning rate.
        learning_rate: f64,
        /// How long it took; with the number of items, images per second.
        elapsed: Duration,
        /// The pictures after it; their histories end with it.
        items: &'a [Item],
    },
}

/// Optimises pictures, those of several units side by side, each as if alone.
///
/// On the CPU a unit's pictures have the same bits whatever the other units, the number of threads and
/// [`Settings::at_once`]. On a GPU the pictures that go through the network together may change last bits: cuDNN chooses
/// by their number.
pub struct Optimizer<'r> {
    settings: Settings,
    units: Vec<Unit<'r>>,
    objective: Objective,
    /// The phase for whose size of pictures the objective has measured the references, and how it weighs their features.
    measured: Option<(usize, FeatureWeighting)>,
    offsets: Vec<(isize, isize)>,
    pub(crate) canvas: Box<dyn Canvas>,
    /// The picture that is accentuated, if one is.
    anchor: Option<Vec<f32>>,
    /// Pictures at once: as the settings say, or fewer if they did not fit into memory.
    at_once: usize,
    pub(crate) items: Vec<Item>,
    pub(crate) steps_done: usize,
    /// What the network sees in a step.
    seen: Vec<f32>,
}

impl<'r> Optimizer<'r> {
    /// Prepares the pictures of some units of `target`; nothing is computed yet.
    ///
    /// # Errors
    /// Those of [`LayerWeights::below`](crate::LayerWeights::below), [`FvisError::NoReferences`], [`FvisError::ReferenceSize`],
    /// [`FvisError::Setting`], [`FvisError::Length`] for start pictures of another size,
    /// [`FvisError::StartNotFinite`] for such that are none, and [`FvisError::Model`] for a channel that the tap
    /// has not, or a layer that the network has not.
    pub fn new(
        network: &Network,
        target: &Tap,
        units: Vec<Unit<'r>>,
        settings: Settings,
        start: Start,
    ) -> Result<Self, FvisError> {
        settings.check()?;
        let settings = Settings { layer_weights: settings.layer_weights.resolved(network)?, ..settings };
        units.iter().try_for_each(|unit| unit.check(target, settings.size))?;
        let layers = match settings.aim {
            Aim::Activation => Vec::new(),
            Aim::Vital | Aim::Accentuation => settings.layer_weights.below(network, target)?,
        };
        let layers =
            layers.into_iter().map(|(tap, weight)| (tap, weight * settings.feature_weight)).collect();
        let plain_layer = settings.plain_layer.as_deref().map(|name| network.tap(name)).transpose()?;
        let channels: Vec<usize> = units.iter().map(|unit| unit.channel).collect();
        let objective = Objective::new(network, target, &channels, settings.weighting_at(0), layers)?
            .with_aim(settings.aim, settings.activation)
            .with_plain_layer(plain_layer)
            .at_positions(settings.positions, settings.size)?;
        // Now rather than after all the steps before.
        settings.finish.iter().try_for_each(|finish| objective.check(finish.method))?;

        let at_once = settings.at_once;
        let canvas = start::canvas(&settings, start.magnitudes)?;
        let anchor = anchor(&settings, start.pictures.as_deref(), network)?;
        let starts = start::parameters(&settings, start.pictures.as_deref(), &units, &*canvas)?;
        let (copies, len) = (settings.copies, settings.picture_len());
        let item = |(at, start)| Item::new(at / copies, at % copies, start, &*canvas, len);
        let items = starts.into_iter().enumerate().map(item).collect();
        Ok(Self {
            settings,
            units,
            objective,
            measured: None,
            offsets: start.offsets,
            canvas,
            anchor,
            at_once,
            items,
            steps_done: 0,
            seen: Vec::new(),
        })
    }

    /// How the pictures are optimised.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the pictures are compared with.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// How the pictures are shown.
    pub fn rendering(&self) -> Rendering {
        let grey = self.objective.network().weights().reads_luminance();
        Rendering { range: self.settings.pixels, grey }
    }

    /// The pictures: the copies of the first unit, then those of the next.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Steps taken so far.
    pub fn steps_done(&self) -> usize {
        self.steps_done
    }

    /// Whether the schedule has come to its end.
    pub fn is_finished(&self) -> bool {
        self.settings.schedule.at(self.steps_done).is_none()
    }

    /// Takes one step with every picture; does nothing after the end of the schedule.
    ///
    /// The first step of a phase, and of the finish, measures the references before that. `on_event` may stop it there; what
    /// it answers to the step itself is the caller's own business.
    ///
    /// # Errors
    /// [`FvisError::Stopped`] if `on_event` stops the measurement, [`FvisError::Reference`],
    /// [`FvisError::Diverged`], and those of the network.
    pub fn step(&mut self, on_event: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>) -> Result<(), FvisError> {
        let Some((phase_index, index)) = self.settings.schedule.at(self.steps_done) else { return Ok(()) };
        let phase = self.settings.schedule.phases()[phase_index];
        let weighting = self.settings.weighting_at(self.steps_done);
        if self.measured != Some((phase_index, weighting)) {
            self.objective.weigh(weighting)?;
            self.measure_references(&phase, on_event)?;
            self.measured = Some((phase_index, weighting));
        }
        if index == 0 {
            self.items.iter_mut().for_each(Item::forget);
        }

        let started = Instant::now();
        let learning_rate = self.settings.learning_rate * phase.learning_rate(index);
        let mut items = std::mem::take(&mut self.items);
        let mut rest = &mut items[..];
        let mut moved = Ok(());
        while !rest.is_empty() && moved.is_ok() {
            // In groups as equal as can be: what is made for one serves the next.
            let count = rest.len().div_ceil(rest.len().div_ceil(self.at_once));
            moved = match self.move_items(&mut rest[..count], &phase, learning_rate) {
                Err(error) => self.take_fewer(count, error, on_event),
                Ok(()) => {
                    rest = &mut rest[count..];
                    Ok(())
                }
            };
        }
        self.items = items;
        moved?;
        let step = self.steps_done;
        self.steps_done += 1;
        let _ = on_event(Event::Step { step, learning_rate, elapsed: started.elapsed(), items: &self.items });
        Ok(())
    }

    /// Halves the pictures at once if memory was too small for `count`; else the error stands.
    fn take_fewer(
        &mut self,
        count: usize,
        error: FvisError,
        on_event: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<(), FvisError> {
        match error {
            FvisError::Model(source) if source.is_out_of_memory() && count > 1 => {
                self.at_once = count / 2;
                let _ = on_event(Event::MemoryFull { from: count, to: self.at_once });
                Ok(())
            }
            error => Err(error),
        }
    }

    /// One step of some of the pictures. Moves none of them if the network fails.
    fn move_items(&mut self, items: &mut [Item], phase: &Phase, learning_rate: f64) -> Result<(), FvisError> {
        let views: Vec<(View, Option<Warp>)> =
            items.iter().map(|item| (self.view(item, phase), self.warp(item))).collect();
        let Self { settings, objective, seen, canvas, anchor, .. } = self;
        let (height, width) = View::size(settings.size, phase.pooling);
        let len = 3 * height * width;
        seen.resize(items.len() * len, 0.0);
        let network = objective.network().clone();
        if let Some(anchor) = anchor {
            // Seen as the pictures are, so that only what was changed makes a difference.
            let anchors = views.iter().map(|view| (view, &anchor[..]));
            network.install(|| write_views(anchors, seen, len));
            objective.anchor(seen, (height, width))?;
        }
        let pictures = views.iter().zip(&*items).map(|(view, item)| (view, &item.picture[..]));
        network.install(|| write_views(pictures, seen, len));

        let units: Vec<usize> = items.iter().map(|item| item.unit).collect();
        let distance = objective.compare(seen, (height, width), &units)?;
        let parts = seen.chunks_exact(len).zip(distance.gradient.chunks_exact(len));
        let parts = parts.zip(&views).zip(distance.items).zip(&mut *items);
        network.install(|| {
            neuron_threads::for_each(parts, |_, ((((seen, gradient), (view, warp)), distance), item)| {
                let warp = *warp;
                let features = FeatureStep { view, warp, seen, view_width: width, gradient, distance };
                item.descend(features, settings, (phase, learning_rate), &**canvas);
            });
        });
        self.check_losses(items)
    }

    /// How the network sees a picture in this step.
    fn view(&self, item: &Item, phase: &Phase) -> View {
        let Settings { seed, mirror, size, .. } = self.settings;
        let random = random::shift(seed, item.copy, self.steps_done, phase.jitter_px);
        let (down, right) = self.offsets.get(self.steps_done).copied().unwrap_or((random.down, random.right));
        View::new(size, phase.pooling, Shift { down, right, mirrored: mirror && random.mirrored })
    }

    /// How a picture is turned and enlarged in this step, before it is moved.
    fn warp(&self, item: &Item) -> Option<Warp> {
        let Settings { seed, transforms, size, .. } = self.settings;
        transforms.at(random::shares(seed, item.copy, self.steps_done), size)
    }

    fn measure_references(
        &mut self,
        phase: &Phase,
        on_event: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<(), FvisError> {
        let pooled: Vec<Pooled<'_>> = self
            .units
            .iter()
            .map(|unit| Pooled { images: unit.references, pooling: phase.pooling })
            .collect();
        let references: Vec<&dyn Images> = pooled.iter().map(|images| images as &dyn Images).collect();
        let counts = references.iter().map(|images| images.count());
        let (total, most) = (counts.clone().sum(), counts.max().unwrap_or(0));
        loop {
            let mut on_images = |done| on_event(Event::References { done, total });
            match self.objective.measure(&references, self.at_once, &mut on_images) {
                Err(error) => self.take_fewer(self.at_once.min(most), error, on_event)?,
                Ok(()) => return Ok(()),
            }
        }
    }

    fn check_losses(&self, items: &[Item]) -> Result<(), FvisError> {
        let finite = |item: &&Item| item.history.last().is_none_or(|step| step.loss.is_finite());
        match items.iter().find(|item| !finite(item)) {
            None => Ok(()),
            Some(item) => Err(FvisError::Diverged {
                tap: self.objective.target().name.clone(),
                channel: self.units[item.unit].channel,
                step: self.steps_done,
            }),
        }
    }
}

/// Writes what the network sees of some pictures, `len` values of each.
fn write_views<'a>(
    pictures: impl Iterator<Item = (&'a (View, Option<Warp>), &'a [f32])>,
    seen: &mut [f32],
    len: usize,
) {
    let parts = seen.chunks_exact_mut(len).zip(pictures);
    neuron_threads::for_each(parts, |_, (seen, ((view, warp), picture))| match warp {
        None => view.write(picture, seen),
        Some(warp) => {
            let mut warped = vec![0.0; picture.len()];
            warp.write(picture, &mut warped);
            view.write(&warped, seen);
        }
    });
}

/// The picture that is accentuated: the start of all copies.
fn anchor(
    settings: &Settings,
    start: Option<&[f32]>,
    network: &Network,
) -> Result<Option<Vec<f32>>, FvisError> {
    if settings.aim != Aim::Accentuation {
        return Ok(None);
    }
    let wrong =
        |value: &str, expected| FvisError::Setting { setting: "aim", value: value.to_owned(), expected };
    if !network.device().is_cpu() {
        return Err(wrong("accentuation", "vital or activation: on a GPU, no other has a kernel"));
    }
    let mut copies = start.unwrap_or_default().chunks_exact(settings.picture_len());
    match copies.next() {
        None => Err(wrong("accentuation", "a start picture: the one that is accentuated")),
        Some(first) if copies.all(|copy| copy == first) => Ok(Some(first.to_vec())),
        Some(_) => Err(wrong("accentuation", "one start picture for all copies")),
    }
}

/// Images at the size of a phase.
struct Pooled<'r> {
    images: &'r dyn Images,
    pooling: usize,
}

impl Images for Pooled<'_> {
    fn count(&self) -> usize {
        self.images.count()
    }

    fn size(&self) -> (usize, usize) {
        View::size(self.images.size(), self.pooling)
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        if self.pooling == 1 {
            return self.images.write(index, pixels);
        }
        let (height, width) = self.images.size();
        let mut full = vec![0.0; 3 * height * width];
        self.images.write(index, &mut full);
        View::new((height, width), self.pooling, Shift::default()).write(&full, pixels);
    }

    fn bytes(&self) -> Option<ByteImages<'_>> {
        self.images.bytes().filter(|_| self.pooling == 1)
    }
}
