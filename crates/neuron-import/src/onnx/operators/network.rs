//! Layers: convolutions, products of matrices, pools, attention.

use super::shapes::as_matrix;
use super::{Call, Mapped, Refusal, Work, lengths};
use crate::program::{Operand, Operator, Padding, PoolKind};

pub(super) fn map(call: &Call, work: &mut Work) -> Option<Result<Mapped, Refusal>> {
    let average = PoolKind::Average { counts_padding: true };
    Some(match call.operator {
        "Conv" => convolution(call, work),
        "ConvTranspose" => transposed_convolution(call),
        "LogSoftmax" => log_softmax(call, work),
        "Gemm" => gemm(call, work),
        "MatMul" => call.inputs(2, 2).map(|inputs| (Operator::MatMul, inputs)),
        "Einsum" => einsum(call),
        "AveragePool" => average_pool(call),
        "MaxPool" => pool(call, PoolKind::Max),
        "GlobalAveragePool" => global_pool(call, work, average),
        "GlobalMaxPool" => global_pool(call, work, PoolKind::Max),
        "Softmax" => softmax(call, work),
        "Attention" => attention(call, work),
        _ => return None,
    })
}

/// How windows lie on a map.
struct Windows {
    stride: Vec<usize>,
    dilation: Vec<usize>,
    padding: Padding,
}

impl Windows {
    fn of(call: &Call, axes: usize) -> Result<Self, Refusal> {
        let list = |name: &str, count: usize, default: usize| match call.attributes.ints(name)? {
            Some(values) if values.len() == count => lengths(name, values),
            Some(values) => Err(Refusal::damaged(format!("it has {} {name} for {axes} axes", values.len()))),
            None => Ok(vec![default; count]),
        };
        let (stride, dilation) = (list("strides", axes, 1)?, list("dilations", axes, 1)?);
        if stride.contains(&0) || dilation.contains(&0) {
            return Err(Refusal::damaged("its strides or dilations are 0"));
        }
        let padding = match call.attributes.text("auto_pad", "NOTSET")? {
            "NOTSET" | "" => {
                let pads = list("pads", 2 * axes, 0)?;
                Padding::Explicit { before: pads[..axes].to_vec(), after: pads[axes..].to_vec() }
            }
            "VALID" => Padding::both(vec![0; axes]),
            "SAME_UPPER" => Padding::Same { odd_comes_first: false },
            "SAME_LOWER" => Padding::Same { odd_comes_first: true },
            other => return Err(Refusal::because(format!("with auto_pad {other:?}"))),
        };
        Ok(Self { stride, dilation, padding })
    }
}

fn convolution(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let inputs = call.inputs(2, 3)?;
    let spelled = ["kernel_shape", "strides", "dilations"]
        .into_iter()
        .find_map(|name| call.attributes.ints(name).transpose())
        .transpose()?;
    let axes = match spelled {
        Some(values) => values.len(),
        None => work.rank(inputs[1]).map_or(2, |rank| rank.saturating_sub(2)),
    };
    if !(1..=3).contains(&axes) {
        return Err(Refusal::because(format!("over {axes} axes")));
    }
    let groups = lengths("group", &[call.attributes.int("group", 1)?])?[0];
    if groups == 0 {
        return Err(Refusal::damaged("it has no groups"));
    }
    let Windows { stride, dilation, padding } = Windows::of(call, axes)?;
    Ok((Operator::Convolution { stride, padding, dilation, groups }, inputs))
}

/// Plain layers are recognised by their bias, which has a length for every result; the others stay general.
fn transposed_convolution(call: &Call) -> Result<Mapped, Refusal> {
    let inputs = call.inputs(2, 3)?;
    if call.attributes.ints("output_shape")?.is_some() {
        return Err(Refusal::because("with a shape of its own"));
    }
    let Windows { stride, dilation, padding } = Windows::of(call, 2)?;
    let Padding::Explicit { before, after } = padding else {
        return Err(Refusal::because("with auto_pad"));
    };
    let mut output_padding = match call.attributes.ints("output_padding")? {
        Some(values) => lengths("output_padding", values)?,
        None => vec![0; 2],
    };
    // Less padding after than before is more output.
    for ((more, before), after) in output_padding.iter_mut().zip(&before).zip(&after) {
        *more =
            (*more + before).checked_sub(*after).ok_or_else(|| Refusal::because("with uneven padding"))?;
    }
    let groups = lengths("group", &[call.attributes.int("group", 1)?])?[0];
    let padding = before;
    Ok((Operator::TransposedConvolution { stride, padding, output_padding, dilation, groups }, inputs))
}

fn log_softmax(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let inputs = call.inputs(1, 1)?;
    let axis = call.attributes.int("axis", if call.version < 13 { 1 } else { -1 })?;
    let is_last = axis == -1 || work.rank(inputs[0]).is_some_and(|rank| axis == rank as i64 - 1);
    if call.version < 13 && !is_last {
        return Err(Refusal::because("over several axes"));
    }
    Ok((Operator::LogSoftmax { axis: if is_last { -1 } else { axis } }, inputs))
}

fn gemm(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let inputs = call.inputs(2, 3)?;
    let (alpha, beta) = (call.attributes.float("alpha", 1.0)?, call.attributes.float("beta", 1.0)?);
    let transpose = [call.attributes.flag("transA", false)?, call.attributes.flag("transB", false)?];
    let matrix = work.parameter(inputs[1]).filter(|weight| weight.shape.len() == 2);
    let bias = work.parameter(inputs[2]);
    let fits = |rows| bias.is_some_and(|bias| bias.shape == [rows]) || inputs[2] == Operand::Nothing;
    if alpha == 1.0
        && beta == 1.0
        && transpose == [false, true]
        && matrix.is_some_and(|weight| fits(weight.shape[0]))
    {
        return Ok((Operator::Linear, inputs));
    }
    Ok((Operator::Gemm { alpha, beta, transpose }, inputs))
}

fn einsum(call: &Call) -> Result<Mapped, Refusal> {
    let equation = call.attributes.text("equation", "")?.to_owned();
    Ok((Operator::Einsum { equation }, call.inputs(call.inputs.len(), call.inputs.len())?))
}

fn average_pool(call: &Call) -> Result<Mapped, Refusal> {
    let counts_padding = call.attributes.flag("count_include_pad", false)?;
    pool(call, PoolKind::Average { counts_padding })
}

/// Over the last two axes; a pool over one axis leaves the axis before as it is, with windows of 1.
fn pool(call: &Call, kind: PoolKind) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    let kernel = call.attributes.ints("kernel_shape")?;
    let kernel = kernel.ok_or_else(|| Refusal::damaged("it has no kernel_shape"))?;
    let mut kernel = lengths("kernel_shape", kernel)?;
    if !(1..=2).contains(&kernel.len()) {
        return Err(Refusal::because(format!("over {} axes", kernel.len())));
    }
    if kernel.contains(&0) {
        return Err(Refusal::damaged("its kernel_shape is 0"));
    }
    let Windows { mut stride, mut dilation, mut padding } = Windows::of(call, kernel.len())?;
    if kernel.len() == 1 {
        for list in [&mut kernel, &mut stride, &mut dilation] {
            list.insert(0, 1);
        }
        if let Padding::Explicit { before, after } = &mut padding {
            before.insert(0, 0);
            after.insert(0, 0);
        }
    }
    let ceil = call.attributes.flag("ceil_mode", false)?;
    Ok((Operator::Pool { kind, kernel, stride, padding, dilation, ceil }, vec![x]))
}

/// Over all axes after the first two: two of them, if the file does not say.
fn global_pool(call: &Call, work: &Work, kind: PoolKind) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    let axes = work.rank(x).map_or(2, |rank| rank.saturating_sub(2));
    if !(1..=3).contains(&axes) {
        return Err(Refusal::because(format!("over {axes} axes")));
    }
    Ok((Operator::AdaptivePool { kind, sizes: vec![Some(1); axes] }, vec![x]))
}

/// Before version 13, over all axes from `axis` on as if they were one.
fn softmax(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    let axis = call.attributes.int("axis", if call.version < 13 { 1 } else { -1 })?;
    let rank = work.rank(x).map(|rank| rank as i64);
    let last = axis == -1 || rank.is_some_and(|rank| axis == rank - 1);
    if last || call.version >= 13 {
        return Ok((Operator::Softmax { axis: if last { -1 } else { axis } }, vec![x]));
    }
    let (operator, inputs) = as_matrix(work, x, axis)?;
    let rows = work.step(operator, inputs);
    let rows = work.step(Operator::Softmax { axis: -1 }, [rows]);
    Ok((Operator::ReshapeAs, vec![rows, x]))
}

fn attention(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let mut inputs = call.inputs(3, 4)?;
    if (4..call.inputs.len()).any(|at| call.optional(at) != Operand::Nothing) {
        return Err(Refusal::because("with a cache"));
    }
    if call.attributes.has("q_num_heads") || work.rank(inputs[0]).is_some_and(|rank| rank != 4) {
        return Err(Refusal::because("whose heads are not an axis"));
    }
    if call.attributes.float("softcap", 0.0)? != 0.0 {
        return Err(Refusal::because("with softcap"));
    }
    if work.is_empty(inputs[3]) {
        inputs[3] = Operand::Nothing;
    }
    let causal = call.attributes.flag("is_causal", false)?;
    let factor = call.attributes.optional_float("scale")?;
    Ok((Operator::Attention { factor, causal }, inputs))
}
