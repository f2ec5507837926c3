//! What follows for a result from what is known of the inputs, where a file declares nothing (the TorchScript exporter
//! does not): its type, and its axes as far as they are certain.

use super::{Declared, Work};
use crate::program::{Binary, Element, Operand, Operator, Sizes};

/// The type and the shape of an operator's result.
pub(in super::super) fn result(operator: &Operator, inputs: &[Operand], work: &Work) -> Declared {
    Declared { element: element(operator, inputs, work), shape: shape(operator, inputs, work) }
}

fn element(operator: &Operator, inputs: &[Operand], work: &Work) -> Option<Element> {
    match operator {
        Operator::ToBool => Some(Element::Bool),
        Operator::ToInt | Operator::Shape { .. } | Operator::Size { .. } => Some(Element::I64),
        Operator::ToFloat | Operator::Eye { .. } => Some(Element::F32),
        Operator::Full { value: one, .. } | Operator::Range { start: one, .. } => match one {
            Operand::Int(_) => Some(Element::I64),
            Operand::Float(_) => Some(Element::F32),
            other => work.element(*other),
        },
        Operator::Binary(
            Binary::Equal
            | Binary::NotEqual
            | Binary::Less
            | Binary::LessEqual
            | Binary::Greater
            | Binary::GreaterEqual
            | Binary::And
            | Binary::Or,
        ) => Some(Element::Bool),
        Operator::Where => work.element(*inputs.get(1)?),
        Operator::Unknown { .. } => None,
        _ => work.element(*inputs.first()?),
    }
}

fn shape(operator: &Operator, inputs: &[Operand], work: &Work) -> Option<Vec<Option<usize>>> {
    let axes = |rank: usize| Some(vec![None; rank]);
    let first = || work.shape(*inputs.first()?);
    let largest = || {
        inputs.iter().map(|input| work.rank(*input)).try_fold(0, |most, rank| rank.map(|rank| most.max(rank)))
    };
    match operator {
        Operator::Identity
        | Operator::Unary(_)
        | Operator::Clamp
        | Operator::Softmax { .. }
        | Operator::BatchNorm { .. }
        | Operator::LayerNorm { .. }
        | Operator::RmsNorm { .. }
        | Operator::GroupNorm { .. }
        | Operator::Triangle { .. }
        | Operator::Cumsum { .. }
        | Operator::ToInt
        | Operator::ToFloat
        | Operator::ToBool => first(),
        Operator::Binary(_) | Operator::MatMul | Operator::Where => axes(largest()?),
        Operator::Convolution { .. }
        | Operator::Pool { .. }
        | Operator::AdaptivePool { .. }
        | Operator::Linear
        | Operator::Gemm { .. }
        | Operator::Concat { .. }
        | Operator::Permute { .. }
        | Operator::Reduce { keep: true, .. } => axes(first()?.len()),
        Operator::Reshape { sizes: Sizes::List(sizes), .. } => Some(sizes.iter().map(length).collect()),
        Operator::Unsqueeze { axes: Sizes::List(new) } => axes(first()?.len() + new.len()),
        Operator::Shape { .. } => axes(1),
        _ => None,
    }
}

/// A length that a file spells out; 0 and -1 stand for others.
fn length(size: &Operand) -> Option<usize> {
    match size {
        Operand::Int(size) => usize::try_from(*size).ok().filter(|size| *size > 0),
        _ => None,
    }
}
