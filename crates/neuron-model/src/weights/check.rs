//! Are these the weights of that network?

use std::collections::BTreeSet;

use super::tensors::Weights;
use crate::error::{ModelError, WeightsProblem, WeightsProblems};

/// What lies beside a module's parameters: the batches that torch trained a batch norm on, the operations and parameters
/// that thop found, and what Swin transformers know of the places in a window. Inference never looks, and many exports
/// drop them.
const COUNTERS: [&str; 5] =
    ["num_batches_tracked", "total_ops", "total_params", "relative_position_index", "relative_coords_table"];

/// Checks that the weights hold the expected tensors, each in its shape, and nothing else.
///
/// Counters (`num_batches_tracked`, and what thop counts) may be there or not.
///
/// # Errors
/// [`ModelError::WrongWeights`] with every disagreement at once.
pub fn check(weights: &Weights, expected: &[(String, Vec<usize>)]) -> Result<(), ModelError> {
    let unexpected = unexpected(weights, expected);
    let problems: Vec<_> = problems(weights, expected).chain(unexpected).collect();
    wrong_unless_empty(problems)
}

/// As [`check`](check()), for a network with modules: the names of tensors that are not inside of them are handed back, as those of a loss, a metric or another head do.
///
/// A tensor of a module that the network has (`layer1.0.se.fc1.weight`, `relu.weight`) would change what it computes:
/// the weights are another network's.
///
/// # Errors
/// [`ModelError::WrongWeights`] with every disagreement at once.
pub(crate) fn check_modules(
    weights: &Weights,
    expected: &[(String, Vec<usize>)],
    is_inside: impl Fn(&str) -> bool,
) -> Result<Vec<String>, ModelError> {
    let (inside, beside): (Vec<_>, Vec<_>) =
        unexpected(weights, expected).partition(|problem| match problem {
            WeightsProblem::Unexpected { tensor, .. } => is_inside(tensor),
            _ => true,
        });
    let list = problems(weights, expected).chain(inside).collect();
    wrong_unless_empty(list)?;
    let name = |problem| match problem {
        WeightsProblem::Unexpected { tensor, .. } => Some(tensor),
        _ => None,
    };
    Ok(beside.into_iter().filter_map(name).collect())
}

/// The outermost module of what has this name.
pub(crate) fn outermost(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn wrong_unless_empty(list: Vec<WeightsProblem>) -> Result<(), ModelError> {
    if list.is_empty() {
        return Ok(());
    }
    Err(ModelError::WrongWeights { problems: WeightsProblems { list, fits: Vec::new() } })
}

/// What is wrong with the expected tensors.
fn problems<'a>(
    weights: &'a Weights,
    expected: &'a [(String, Vec<usize>)],
) -> impl Iterator<Item = WeightsProblem> + 'a {
    let expected = expected.iter().filter(|(name, _)| !is_counter(name));
    expected.filter_map(|(name, shape)| compare(weights, name, shape))
}

/// The tensors that are not expected, by name.
fn unexpected<'a>(
    weights: &'a Weights,
    expected: &'a [(String, Vec<usize>)],
) -> impl Iterator<Item = WeightsProblem> + 'a {
    let known: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let unknown = weights.iter().filter(move |(name, _)| !known.contains(name) && !is_counter(name));
    unknown
        .map(|(name, tensor)| WeightsProblem::Unexpected { tensor: name.into(), found: tensor.shape.clone() })
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
    name.rsplit('.').next().is_some_and(|last| COUNTERS.contains(&last))
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
        for counter in ["bn1.num_batches_tracked", "bn1.total_ops", "total_params"] {
            check(&weights(&[("bn1.weight", &[4]), (counter, &[])]), &bare).unwrap();
        }
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
