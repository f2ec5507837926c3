use serde::Serialize;

/// Where the time of this run of the command went.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Timing {
    /// Images that this run took up (those of a resumed one not counted).
    pub(crate) images: usize,
    pub(crate) seconds: f64,
    /// Seconds in which the network waited for images.
    pub(crate) waited_for_images: f64,
}

impl Timing {
    pub(crate) fn images_per_second(&self) -> f64 {
        self.images as f64 / self.seconds.max(1e-9)
    }

    /// What more of would make the scan faster.
    pub(crate) fn bound_by(&self) -> &'static str {
        if self.waited_for_images > 0.5 * self.seconds { "loading" } else { "computing" }
    }
}
