use std::fmt;

/// At most this many problems of one kind are spelled out in the message; all are in [`WeightsProblems::list`].
const SPELLED_OUT: usize = 12;

/// One disagreement between weights and network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightsProblem {
    /// The network needs a tensor that the weights do not hold.
    Missing {
        /// Its name.
        tensor: String,
        /// The shape the network needs.
        expected: Vec<usize>,
    },
    /// The entry is there but holds no floating-point numbers.
    NotFloat {
        /// Its name.
        tensor: String,
        /// What it is instead.
        found: String,
    },
    /// The tensor has another shape.
    Shape {
        /// Its name.
        tensor: String,
        /// The shape the network needs.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// The weights hold a tensor that the network does not know.
    Unexpected {
        /// Its name.
        tensor: String,
        /// The shape it has.
        found: Vec<usize>,
    },
}

impl fmt::Display for WeightsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { tensor, expected } => write!(f, "missing: {tensor} {expected:?}"),
            Self::NotFloat { tensor, found } => {
                write!(f, "type: {tensor} is {found}, expected float32, float64, float16 or bfloat16")
            }
            Self::Shape { tensor, expected, found } => {
                write!(f, "shape: {tensor} is {found:?}, expected {expected:?}")
            }
            Self::Unexpected { tensor, found } => write!(f, "unexpected: {tensor} {found:?}"),
        }
    }
}

/// Every disagreement between weights and network; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsProblems {
    /// All of them: in the network's order, then the unexpected ones by name.
    pub list: Vec<WeightsProblem>,
    /// Networks whose weights these are instead.
    pub fits: Vec<&'static str>,
}

impl fmt::Display for WeightsProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len();
        let tensors = if count == 1 { "tensor does" } else { "tensors do" };
        write!(f, "these are not the weights of this network: {count} {tensors} not fit")?;
        type Kind = fn(&WeightsProblem) -> bool;
        let kinds: [Kind; 4] = [
            |p| matches!(p, WeightsProblem::Missing { .. }),
            |p| matches!(p, WeightsProblem::NotFloat { .. }),
            |p| matches!(p, WeightsProblem::Shape { .. }),
            |p| matches!(p, WeightsProblem::Unexpected { .. }),
        ];
        for kind in kinds {
            let mut of_kind = self.list.iter().filter(|p| kind(p));
            for problem in of_kind.by_ref().take(SPELLED_OUT) {
                write!(f, "\n  {problem}")?;
            }
            let more = of_kind.count();
            if more > 0 {
                write!(f, "\n  ... and {more} more of this kind")?;
            }
        }
        if self.fits.is_empty() {
            write!(
                f,
                "\nname the architecture these weights belong to, or fetch or convert those of this one"
            )
        } else {
            let fits = self.fits.join(" or ");
            write!(
                f,
                "\nthey are weights of {fits}: name that architecture, or fetch or convert those of this one"
            )
        }
    }
}
