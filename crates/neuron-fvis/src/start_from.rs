use serde::Serialize;

/// What pictures start from that are not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StartFrom {
    /// What is usual for the [`Parametrisation`](crate::Parametrisation): white noise of pixels, phases at random, next to grey for the others.
    #[default]
    Noise,
    /// Noise with the spectrum, the contrast and the colours of photos.
    Natural,
    /// One of the unit's references, strongly blurred: the first copy from the first, the second from the second. Such a
    /// picture is no longer made from nothing but the unit.
    Reference,
}
