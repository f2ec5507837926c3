use neuron_kernels::{View, clamp_negative, update};

use super::BackwardPass;
use super::attribution::{Attribution, Finish};
use super::seed::{Units, seed};
use crate::composite::Composite;
use crate::error::ModelError;
use crate::graph::Tap;
use crate::images::Images;
use crate::network::Network;
use crate::session::Session;
use crate::traversal::Start;
use crate::value::{Keep, Positions};

/// Attributes the response of units to the values below them, batch after batch: the short way to gradients and
/// relevance.
///
/// ```no_run
/// use neuron_model::{Attribution, Attributor, ChannelsLast, Network};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let network = Network::open("resnet50", "weights/resnet50.safetensors".as_ref())?;
/// let image = network.graph().image_tap();
/// let mut lrp = Attributor::new(&network, &network.tap("layer4")?, &[image.clone()], Attribution::LRP)?;
/// let pixels = vec![0.0; 224 * 224 * 3];
/// let found = lrp.run(&ChannelsLast::new(&pixels, 224, 224), &[935])?;
/// let heat = found.at(&image).expect("the image lies below every layer");
/// assert_eq!((heat.height, heat.width, heat.channels), (224, 224, 3));
/// # Ok(())
/// # }
/// ```
pub struct Attributor {
    session: Session,
    pass: BackwardPass,
    composite: Composite,
    start: Start,
    finish: Finish,
    target: Tap,
    positions: Positions,
    wanted: Vec<Tap>,
}

/// What the last batch of an [`Attributor`] gave.
#[derive(Clone, Copy)]
pub struct Attributed<'a> {
    session: &'a Session,
    pass: &'a BackwardPass,
}

impl<'a> Attributed<'a> {
    /// What the unit of each item owes to each value of a wanted tap; `None` if it was not wanted, or does not lie below
    /// the target.
    ///
    /// # Shapes
    /// * returns: `[batch, height, width, channels]`
    pub fn at(&self, tap: &Tap) -> Option<View<'a>> {
        self.pass.view(self.session, tap)
    }

    /// The map of a tap: the target, and every wanted one.
    pub fn map(&self, tap: &Tap) -> Option<View<'a>> {
        self.session.map(tap)
    }
}

impl Attributor {
    /// Prepares the attribution of channels of `target` to the values of the `wanted` taps.
    ///
    /// At the pixels, their range is the network's ([`Network::pixel_range`]); [`Attributor::with_composite`] takes
    /// another.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] with every operation that the device cannot compute forward or backward.
    pub fn new(
        network: &Network,
        target: &Tap,
        wanted: &[Tap],
        method: impl Into<Attribution>,
    ) -> Result<Self, ModelError> {
        let method = method.into();
        Self::with_composite(network, target, wanted, (method, method.composite(network.pixel_range())))
    }

    /// As [`Attributor::new`], by other rules: the method says what a pass starts with, and what becomes of its signals.
    ///
    /// # Errors
    /// Those of [`Attributor::new`].
    pub fn with_composite(
        network: &Network,
        target: &Tap,
        wanted: &[Tap],
        (method, composite): (Attribution, Composite),
    ) -> Result<Self, ModelError> {
        let mut taps = wanted.to_vec();
        if !taps.contains(target) {
            taps.push(target.clone());
        }
        // What a matcher and further passes from the same values read is kept as well.
        let keep = composite.keep().max(Keep::Gradient);
        let session = method.session(network, &taps, keep)?;
        session.check(&composite, target, wanted)?;
        Ok(Self {
            session,
            pass: BackwardPass::new(),
            composite,
            start: method.start(),
            finish: method.finish(),
            target: target.clone(),
            positions: Positions::All,
            wanted: wanted.to_vec(),
        })
    }

    /// The same attribution, of what the unit says at some of its positions alone.
    #[must_use]
    pub fn at_positions(self, positions: Positions) -> Self {
        Self { positions, ..self }
    }

    /// Runs some images, each about one channel of the target, and passes back what their units owe to the wanted taps.
    ///
    /// # Errors
    /// [`ModelError::ImageTooSmall`]; [`ModelError::UnknownChannel`]; [`ModelError::Items`] if there is not one channel
    /// for each image; [`ModelError::NoClassToken`] if there is none; [`ModelError::Device`] if a GPU fails.
    pub fn run(&mut self, images: &dyn Images, channels: &[usize]) -> Result<Attributed<'_>, ModelError> {
        self.session.run(images, &mut |_| {})?;
        let units = Units { target: &self.target, channels, positions: self.positions };
        seed(&self.session, &mut self.pass, self.start, units)?;
        self.pass.run(&self.session, &self.composite, &self.wanted)?;
        for tap in &self.wanted {
            self.finish.apply(&self.session, &mut self.pass, tap);
        }
        Ok(self.last())
    }

    /// What the last batch gave.
    pub fn last(&self) -> Attributed<'_> {
        Attributed { session: &self.session, pass: &self.pass }
    }

    /// The session that runs the images: for passes of your own over the same values, which keep at least what gradients
    /// need.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// As [`Attributor::session`], to run it.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Finish {
    fn apply(self, session: &Session, pass: &mut BackwardPass, tap: &Tap) {
        let Some(signal) = pass.signal_mut(tap) else { return };
        session.network().install(|| match self {
            Self::Keep => {}
            Self::ClampNegative => clamp_negative(signal),
            Self::Magnitude => signal.iter_mut().for_each(|gradient| *gradient = gradient.abs()),
            Self::TimesValue => {
                if let Some(map) = session.map(tap) {
                    update(signal, map.data, |gradient, value| gradient * value);
                }
            }
        });
    }
}
