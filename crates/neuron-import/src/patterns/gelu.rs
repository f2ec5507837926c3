//! `x / 2 * (1 + erf(x / sqrt(2)))`: GELU, where the format has no operator for it.

use super::{Uses, either, number};
use crate::program::{Binary, Operand, Operator, Program, Unary};

/// The product at an index as the GELU that it ends.
pub(super) fn joined(program: &Program, uses: &Uses, index: usize) -> Option<(Operator, Vec<Operand>)> {
    let product = |operand: Operand| {
        let node = uses.only(program, operand)?;
        (node.operator == Operator::Binary(Binary::Mul)).then_some(&node.inputs[..])
    };
    let node = &program.nodes[index];
    if node.operator != Operator::Binary(Binary::Mul) {
        return None;
    }
    let half = |inputs: &[Operand]| {
        either(inputs).find(|(_, factor)| number(program, *factor) == Some(0.5)).map(|(x, _)| x)
    };
    // The half may be taken of the argument, or of the product.
    let of_product = || {
        let inner = product(half(&node.inputs)?)?;
        either(inner).find_map(|(x, sum)| (erf_of(program, uses, sum)? == x).then_some(x))
    };
    let of_argument = || {
        either(&node.inputs).find_map(|(halved, sum)| {
            let x = half(product(halved)?)?;
            (erf_of(program, uses, sum)? == x).then_some(x)
        })
    };
    let x = of_product().or_else(of_argument)?;
    Some((Operator::Unary(Unary::Gelu), vec![x]))
}

/// The `x` of `1 + erf(x / sqrt(2))`.
fn erf_of(program: &Program, uses: &Uses, sum: Operand) -> Option<Operand> {
    let sum = uses.only(program, sum).filter(|sum| sum.operator == Operator::Binary(Binary::Add))?;
    let (erf, _) = either(&sum.inputs).find(|(_, one)| number(program, *one) == Some(1.0))?;
    let erf = uses.only(program, erf).filter(|erf| erf.operator == Operator::Unary(Unary::Erf))?;
    let scaled = uses.only(program, *erf.inputs.first()?)?;
    let close = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-4;
    let root = std::f64::consts::SQRT_2;
    match (&scaled.operator, &scaled.inputs[..]) {
        (Operator::Binary(Binary::Div), [x, by]) if close(number(program, *by)?, root) => Some(*x),
        (Operator::Binary(Binary::Mul), inputs) => either(inputs)
            .find(|(_, by)| number(program, *by).is_some_and(|by| close(by, root.recip())))
            .map(|(x, _)| x),
        _ => None,
    }
}
