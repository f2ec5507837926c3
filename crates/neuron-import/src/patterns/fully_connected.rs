//! A product with a matrix and a bias that is added: a fully connected layer.

use super::{Uses, either};
use crate::program::{Binary, Operand, Operator, Program};

/// The addition at an index as the layer that it ends.
pub(super) fn joined(program: &Program, uses: &Uses, index: usize) -> Option<(Operator, Vec<Operand>)> {
    let node = &program.nodes[index];
    if node.operator != Operator::Binary(Binary::Add) {
        return None;
    }
    let rank =
        |operand: Operand| program.parameters.get(&operand.value()?).map(|parameter| parameter.shape.len());
    either(&node.inputs).find_map(|(sum, bias)| {
        let product = uses.only(program, sum)?;
        let (Operator::MatMul, [x, weight]) = (&product.operator, &product.inputs[..]) else { return None };
        if rank(*weight) != Some(2) || rank(bias) != Some(1) {
            return None;
        }
        let layer = Operator::Gemm { alpha: 1.0, beta: 1.0, transpose: [false; 2] };
        Some((layer, vec![*x, *weight, bias]))
    })
}
