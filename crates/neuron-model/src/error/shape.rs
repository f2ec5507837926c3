/// Why an operation has no output for some inputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A window does not fit even once.
    #[error("a window does not fit even once")]
    TooSmall,
    /// Its output has more values than any network needs.
    #[error("its output would have {channels} channels of {height} x {width} positions, which is too large")]
    TooLarge {
        /// Channels of the output.
        channels: usize,
        /// Height of the output.
        height: usize,
        /// Width of the output.
        width: usize,
    },
    /// It has another number of inputs.
    #[error("it has {found} inputs instead of {expected}")]
    Arity {
        /// How many it reads.
        expected: usize,
        /// How many it was given.
        found: usize,
    },
    /// A pool has windows that cannot be pooled.
    #[error("its windows cannot be pooled")]
    Pool {
        /// Why not.
        source: Box<neuron_kernels::UnsupportedPool>,
    },
    /// A convolution whose windows hang over the border.
    #[error("its windows hang over the border (`ceil_mode`), and only those of pools can")]
    CeilMode,
    /// Inputs that must be of one shape are not.
    #[error("its inputs are of different shapes")]
    Different,
    /// Channels that cannot be split into equal groups.
    #[error("its input has {channels} channels, which do not split into {groups} groups")]
    Groups {
        /// How many groups.
        groups: usize,
        /// How many channels it was given.
        channels: usize,
    },
    /// Its input has another number of positions beside the grid than it knows what to do with.
    #[error("its input has {extra} positions outside of the grid")]
    Extra {
        /// How many it was given.
        extra: usize,
    },
    /// A table of positions is for another grid.
    #[error("its table is for {} x {} positions instead of {} x {}", expected[0], expected[1], found[0], found[1])]
    Grid {
        /// Height and width of the table.
        expected: [usize; 2],
        /// Height and width of the input.
        found: [usize; 2],
    },
    /// A grid that cannot be shared out evenly.
    #[error("its {height} x {width} positions do not split into {side} x {side} equal parts")]
    Windows {
        /// Parts along each axis.
        side: usize,
        /// Height of the input.
        height: usize,
        /// Width of the input.
        width: usize,
    },
    /// Values in another order, some of which are not there, or too few.
    #[error("its steps lead out of its input, or are not as many as its values")]
    Steps,
    /// The input has another number of channels.
    #[error("its input has {found} channels instead of {expected}")]
    Channels {
        /// How many it reads.
        expected: usize,
        /// How many it was given.
        found: usize,
    },
}
