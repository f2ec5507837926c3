use neuron_model::ModelError;

/// Everything this crate can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FvisError {
    /// The network could not be run as asked.
    #[error(transparent)]
    Model(#[from] ModelError),

    /// There is nothing whose distribution could be matched.
    #[error(
        "no feature layer with a weight is below {tap}; features are read from {layers}: choose a deeper layer, \
         or give one of these a weight"
    )]
    NoFeatures {
        /// The layer of the unit.
        tap: String,
        /// The layers that features can be read from.
        layers: String,
    },

    /// The network is none of those whose feature layers are known.
    #[error("{network} has no default feature layers: give the layers' names with their weights")]
    NoFamily {
        /// The network.
        network: String,
    },

    /// There is not one weight for each feature layer of the network.
    #[error(
        "expected {} numbers, one for each of {}, or layers by name with their weights; found {found}",
        layers.len(),
        layers.join(", ")
    )]
    LayerWeights {
        /// The layers, from the image upwards.
        layers: Vec<String>,
        /// How many weights were given.
        found: usize,
    },

    /// Two names of one value have a weight.
    #[error("{layer} and {other} have the same values: give a weight to only one of them")]
    LayerTwice {
        /// One name.
        layer: String,
        /// The other.
        other: String,
    },

    /// A unit has nothing to be compared with.
    #[error("unit {tap}:{channel} has no reference images: at least one is needed")]
    NoReferences {
        /// The layer of the unit.
        tap: String,
        /// Its channel.
        channel: usize,
    },

    /// Reference images of another size than the picture.
    #[error(
        "the references of unit {tap}:{channel} are {found_height} x {found_width} pixels, the picture is \
         {height} x {width}: they must be equal"
    )]
    ReferenceSize {
        /// The layer of the unit.
        tap: String,
        /// Its channel.
        channel: usize,
        /// Height of the references, in pixels.
        found_height: usize,
        /// Width of the references, in pixels.
        found_width: usize,
        /// Height of the picture, in pixels.
        height: usize,
        /// Width of the picture, in pixels.
        width: usize,
    },

    /// What the network says about a reference is no number.
    #[error("reference {reference} of channel {channel} cannot be used")]
    Reference {
        /// The channel.
        channel: usize,
        /// Index among the channel's references.
        reference: usize,
        /// What is wrong: [`ModelError::NotFinite`].
        source: ModelError,
    },

    /// A start that is no picture.
    #[error(
        "the start holds {value} at place {place} of [copies, height, width, 3]; expected finite numbers"
    )]
    StartNotFinite {
        /// Where.
        place: usize,
        /// NaN or an infinity.
        value: f32,
    },

    /// A setting that cannot be used.
    #[error("{setting} is {value}; expected {expected}")]
    Setting {
        /// The setting's name, as its field is called.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What would have been accepted.
        expected: &'static str,
    },

    /// Start images, offsets or a checkpoint of the wrong shape.
    #[error("{tensor} has {found} values, expected {expected}")]
    Length {
        /// What was given.
        tensor: &'static str,
        /// How many values it must have.
        expected: usize,
        /// How many it has.
        found: usize,
    },

    /// The caller stopped the measurement of the references.
    #[error("stopped before all references were measured")]
    Stopped,

    /// The optimisation diverged.
    #[error("the loss of unit {tap}:{channel} is not finite at step {step}: {}", remedy(*step))]
    Diverged {
        /// The layer of the unit.
        tap: String,
        /// Its channel.
        channel: usize,
        /// The step, from 0.
        step: usize,
    },

    /// The bytes are not a checkpoint that this version reads.
    #[error("not a checkpoint of this run: {reason}; remove it to start over")]
    Checkpoint {
        /// What is wrong with it.
        reason: String,
    },
}

/// What may help against a loss that is no number.
fn remedy(step: usize) -> &'static str {
    match step {
        // Nothing has moved yet, so that the learning rate is not to blame.
        0 => "the start or a weight of the loss is too large",
        _ => "try a lower learning rate",
    }
}
