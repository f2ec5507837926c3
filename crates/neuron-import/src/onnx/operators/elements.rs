//! Functions of every element.

use super::{Call, Mapped, Refusal, Work};
use crate::program::{Binary, Operand, Operator, Reduction, Sizes, Unary};

pub(super) fn map(call: &Call, work: &mut Work) -> Option<Result<Mapped, Refusal>> {
    if let Some(unary) = plain(call.operator) {
        return Some(call.inputs(1, 1).map(|inputs| (Operator::Unary(unary), inputs)));
    }
    if let Some(binary) = pairwise(call.operator) {
        return Some(call.inputs(2, 2).map(|inputs| (Operator::Binary(binary), inputs)));
    }
    Some(match call.operator {
        "LeakyRelu" => with(call, "alpha", 0.01, |slope| Unary::LeakyRelu { slope }),
        "Elu" => with(call, "alpha", 1.0, |alpha| Unary::Elu { alpha }),
        "Selu" => selu(call, work),
        "PRelu" => prelu(call, work),
        "HardSigmoid" => hard_sigmoid(call, work),
        "Gelu" => gelu(call),
        "Swish" => swish(call),
        "Clip" => clip(call, work),
        "Max" => folded(call, work, Binary::Max),
        "Min" => folded(call, work, Binary::Min),
        "Sum" => folded(call, work, Binary::Add),
        "Mean" => mean(call, work),
        "Mod" => remainder(call),
        "Where" => call.inputs(3, 3).map(|inputs| (Operator::Where, inputs)),
        "ReduceMean" => reduce(call, work, Reduction::Mean, 18),
        "ReduceSum" => reduce(call, work, Reduction::Sum, 13),
        "ReduceMax" => reduce(call, work, Reduction::Max, 18),
        "ReduceMin" => reduce(call, work, Reduction::Min, 18),
        "ReduceL2" => reduce(call, work, Reduction::Norm, 18),
        "ReduceL1" => reduce_each(call, work, Unary::Abs),
        "ReduceSumSquare" => reduce_each(call, work, Unary::Square),
        _ => return None,
    })
}

fn plain(operator: &str) -> Option<Unary> {
    Some(match operator {
        "Relu" => Unary::Relu,
        "Sigmoid" => Unary::Sigmoid,
        "HardSwish" => Unary::HardSwish,
        "Tanh" => Unary::Tanh,
        "Erf" => Unary::Erf,
        "Mish" => Unary::Mish,
        "Softplus" => Unary::Softplus,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Reciprocal" => Unary::Reciprocal,
        "Abs" => Unary::Abs,
        "Neg" => Unary::Neg,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Sign" => Unary::Sign,
        "Not" => Unary::Not,
        _ => return None,
    })
}

fn pairwise(operator: &str) -> Option<Binary> {
    Some(match operator {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => Binary::Pow,
        "Equal" => Binary::Equal,
        "Less" => Binary::Less,
        "LessOrEqual" => Binary::LessEqual,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterEqual,
        "And" => Binary::And,
        "Or" => Binary::Or,
        // Of truth values, which are all that it takes.
        "Xor" => Binary::NotEqual,
        _ => return None,
    })
}

fn with(call: &Call, name: &str, default: f64, unary: fn(f64) -> Unary) -> Result<Mapped, Refusal> {
    Ok((Operator::Unary(unary(call.attributes.float(name, default)?)), call.inputs(1, 1)?))
}

fn selu(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let alpha = call.attributes.float("alpha", 1.673_263_2)?;
    let gamma = call.attributes.float("gamma", 1.050_701)?;
    let curve = work.step(Operator::Unary(Unary::Elu { alpha }), call.inputs(1, 1)?);
    Ok((Operator::Binary(Binary::Mul), vec![curve, Operand::Float(gamma)]))
}

/// `max(x, 0) + slope min(x, 0)`
fn prelu(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let (x, slope) = (call.input(0)?, call.input(1)?);
    let zero = Operand::Float(0.0);
    let above = work.step(Operator::Unary(Unary::Relu), [x]);
    let below = work.step(Operator::Binary(Binary::Min), [x, zero]);
    let below = work.step(Operator::Binary(Binary::Mul), [below, slope]);
    Ok((Operator::Binary(Binary::Add), vec![above, below]))
}

/// `clamp(alpha x + beta, 0, 1)`; PyTorch's has 1/6 and 1/2.
fn hard_sigmoid(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    let (alpha, beta) = (call.attributes.float("alpha", 0.2)?, call.attributes.float("beta", 0.5)?);
    if (alpha - 1.0 / 6.0).abs() < 1e-6 && beta == 0.5 {
        return Ok((Operator::Unary(Unary::HardSigmoid), vec![x]));
    }
    let product = work.step(Operator::Binary(Binary::Mul), [x, Operand::Float(alpha)]);
    let line = work.step(Operator::Binary(Binary::Add), [product, Operand::Float(beta)]);
    Ok((Operator::Clamp, vec![line, Operand::Float(0.0), Operand::Float(1.0)]))
}

fn gelu(call: &Call) -> Result<Mapped, Refusal> {
    let unary = match call.attributes.text("approximate", "none")? {
        "none" => Unary::Gelu,
        "tanh" => Unary::GeluTanh,
        other => return Err(Refusal::because(format!("with approximate {other:?}"))),
    };
    Ok((Operator::Unary(unary), call.inputs(1, 1)?))
}

fn swish(call: &Call) -> Result<Mapped, Refusal> {
    match call.attributes.float("alpha", 1.0)? {
        1.0 => Ok((Operator::Unary(Unary::Silu), call.inputs(1, 1)?)),
        alpha => Err(Refusal::because(format!("with alpha {alpha}"))),
    }
}

fn clip(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let attribute = |name| {
        Ok::<_, Refusal>(call.attributes.optional_float(name)?.map_or(Operand::Nothing, Operand::Float))
    };
    let [low, high] = if call.version < 11 {
        [attribute("min")?, attribute("max")?]
    } else {
        [work.literal(call.optional(1))?, work.literal(call.optional(2))?]
    };
    Ok((Operator::Clamp, vec![call.input(0)?, low, high]))
}

/// A function of two elements over any number of inputs.
fn folded(call: &Call, work: &mut Work, binary: Binary) -> Result<Mapped, Refusal> {
    let mut inputs = call.inputs(call.inputs.len().max(1), call.inputs.len().max(1))?;
    let last = inputs.pop().expect("one at least");
    let all = inputs.into_iter().reduce(|all, input| work.step(Operator::Binary(binary), [all, input]));
    Ok(match all {
        Some(all) => (Operator::Binary(binary), vec![all, last]),
        None => (Operator::Identity, vec![last]),
    })
}

fn mean(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let (operator, inputs) = folded(call, work, Binary::Add)?;
    let sum = work.step(operator, inputs);
    Ok((Operator::Binary(Binary::Div), vec![sum, Operand::Float(call.inputs.len() as f64)]))
}

fn remainder(call: &Call) -> Result<Mapped, Refusal> {
    if call.attributes.flag("fmod", false)? {
        return Err(Refusal::because("with fmod"));
    }
    Ok((Operator::Binary(Binary::Remainder), call.inputs(2, 2)?))
}

/// Along axes, which are an input since version `since`.
fn reduce(call: &Call, work: &Work, kind: Reduction, since: i64) -> Result<Mapped, Refusal> {
    let axes = work.moved(call, "axes", 1, since)?.unwrap_or(Sizes::List(Vec::new()));
    let x = call.input(0)?;
    let keep = call.attributes.flag("keepdims", true)?;
    if axes == Sizes::List(Vec::new()) && call.attributes.flag("noop_with_empty_axes", false)? {
        return Ok((Operator::Identity, vec![x]));
    }
    Ok((Operator::Reduce { kind, axes, keep }, vec![x]))
}

/// The sum of a function of the elements.
fn reduce_each(call: &Call, work: &mut Work, unary: Unary) -> Result<Mapped, Refusal> {
    let (sum, x) = reduce(call, work, Reduction::Sum, 18)?;
    let each = work.step(Operator::Unary(unary), x);
    Ok((sum, vec![each]))
}
