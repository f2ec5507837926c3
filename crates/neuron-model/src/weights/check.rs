//! Are these the weights of that network?

use std::collections::BTreeSet;
use std::fmt;

use super::Weights;
use crate::ModelError;

/// Torch counts the batches that a batch norm was trained on; inference never looks, and many exports drop it.
const COUNTER: &str = "num_batches_tracked";

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
            Self::NotFloat { tensor, found } => write!(f, "not floating-point: {tensor} is {found}"),
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
        write!(f, "\nname the architecture these weights belong to, or fetch or convert those of this one")
    }
}

/// Checks that the weights hold the expected tensors, each in its shape, and nothing else.
///
/// `num_batches_tracked` may be there or not.
///
/// # Errors
/// [`ModelError::WrongWeights`] with every disagreement at once.
pub fn check(weights: &Weights, expected: &[(String, Vec<usize>)]) -> Result<(), ModelError> {
    let expected = || expected.iter().filter(|(name, _)| !is_counter(name));
    let known: BTreeSet<&str> = expected().map(|(name, _)| name.as_str()).collect();
    let unexpected = weights.names().filter(|name| !known.contains(name) && !is_counter(name));
    let list: Vec<_> = expected()
        .filter_map(|(name, shape)| compare(weights, name, shape))
        .chain(unexpected.filter_map(|name| {
            let found = weights.tensor(name)?.shape.clone();
            Some(WeightsProblem::Unexpected { tensor: name.into(), found })
        }))
        .collect();
    if list.is_empty() {
        Ok(())
    } else {
        Err(ModelError::WrongWeights { problems: WeightsProblems { list } })
    }
}

/// What is wrong with one expected tensor, if anything.
fn compare(weights: &Weights, name: &str, expected: &[usize]) -> Option<WeightsProblem> {
    let tensor = name.to_string();
    match (weights.tensor(name), weights.kind_of_left_out(name)) {
        (Some(found), _) if found.shape == expected => None,
        (Some(found), _) => {
            Some(WeightsProblem::Shape { tensor, expected: expected.into(), found: found.shape.clone() })
        }
        (None, Some(kind)) => Some(WeightsProblem::NotFloat { tensor, found: kind.into() }),
        (None, None) => Some(WeightsProblem::Missing { tensor, expected: expected.into() }),
    }
}

fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some(COUNTER)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::weights::WeightTensor;

    fn weights(tensors: &[(&str, &[usize])]) -> Weights {
        let tensor = |shape: &[usize]| WeightTensor::new(shape, vec![0.0; shape.iter().product()]);
        let tensors = tensors.iter().map(|(name, shape)| ((*name).to_string(), tensor(shape)));
        Weights::from_tensors(tensors, BTreeMap::new())
    }

    fn expected(tensors: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
        tensors.iter().map(|(name, shape)| ((*name).to_string(), shape.to_vec())).collect()
    }

    #[test]
    fn the_counter_may_be_absent_or_present() {
        let full = expected(&[("bn1.weight", &[4]), ("bn1.num_batches_tracked", &[])]);
        check(&weights(&[("bn1.weight", &[4])]), &full).unwrap();
        let bare = expected(&[("bn1.weight", &[4])]);
        check(&weights(&[("bn1.weight", &[4]), ("bn1.num_batches_tracked", &[])]), &bare).unwrap();
    }

    #[test]
    fn every_problem_is_in_one_error() {
        let held = weights(&[("conv1.weight", &[8, 3, 7, 7]), ("head.bias", &[5]), ("fc.weight", &[10, 8])]);
        let wanted =
            expected(&[("conv1.weight", &[8, 3, 3, 3]), ("bn1.weight", &[8]), ("fc.weight", &[10, 8])]);
        let message = check(&held, &wanted).unwrap_err().to_string();
        assert_eq!(
            message,
            "these are not the weights of this network: 3 tensors do not fit\n  \
             missing: bn1.weight [8]\n  \
             shape: conv1.weight is [8, 3, 7, 7], expected [8, 3, 3, 3]\n  \
             unexpected: head.bias [5]\n\
             name the architecture these weights belong to, or fetch or convert those of this one"
        );
    }

    #[test]
    fn a_long_list_is_counted_in_the_message_and_complete_in_the_value() {
        let names: Vec<String> = (0..40).map(|i| format!("layer.{i:02}.weight")).collect();
        let wanted: Vec<_> = names.into_iter().map(|name| (name, vec![1])).collect();
        let error = check(&weights(&[]), &wanted).unwrap_err();
        assert!(error.to_string().contains("\n  ... and 28 more of this kind"));
        let ModelError::WrongWeights { problems } = error else { panic!("{error}") };
        assert_eq!(problems.list.len(), 40);
    }
}
