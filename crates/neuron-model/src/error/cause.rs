use std::fmt;

/// Why a network's values are not finite, as far as its weights tell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The weights hold what no sum survives.
    Weight {
        /// The tensor.
        tensor: String,
        /// The first such value in it: NaN, infinite, or a variance below 0.
        value: f32,
    },
    /// All weights are numbers: a sum grows beyond what f32 can hold.
    Overflow,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight { tensor, value } => {
                write!(f, "the weights hold {value} in {tensor}: fetch or convert them again")
            }
            Self::Overflow => f.write_str(
                "all weights are finite, so a sum overflows on the way: are these the weights of this \
                 architecture, and did their training converge?",
            ),
        }
    }
}
