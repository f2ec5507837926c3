//! Parts of tensors, by their places.

use super::{Call, Mapped, Refusal, Work};
use crate::program::{Operand, Operator, PadMode};

/// Exporters write ends of ranges as far away as this where they mean the end of the axis.
const FAR: i64 = i32::MAX as i64;

pub(super) fn map(call: &Call, work: &mut Work) -> Option<Result<Mapped, Refusal>> {
    Some(match call.operator {
        "Gather" => gather(call, work),
        "GatherND" => gather_nd(call, work),
        "Slice" => slice(call, work),
        "Pad" => pad(call, work),
        "ScatterND" => scatter_nd(call),
        "ScatterElements" => scatter_elements(call),
        "Trilu" => triangle(call, work),
        "CumSum" => running_sum(call, work),
        _ => return None,
    })
}

/// One place, if the index has no axes; the axis goes away then.
fn gather(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.attributes.int("axis", 0)?;
    if work.rank(indices) == Some(0) {
        return Ok((Operator::Select { axis, index: work.literal(indices)? }, vec![x]));
    }
    Ok((Operator::Gather { axis }, vec![x, indices]))
}

/// The indices' last axis has the places in the first axes, one for each.
fn gather_nd(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    if call.attributes.int("batch_dims", 0)? != 0 {
        return Err(Refusal::because("with batch_dims"));
    }
    let axes = work.shape(indices).and_then(|shape| *shape.last()?);
    let axes = axes.ok_or_else(|| Refusal::because("with indices of unknown length"))?;
    if !(1..=8).contains(&axes) {
        return Err(Refusal::because(format!("along {axes} axes")));
    }
    let mut table =
        |at: usize| work.step(Operator::Select { axis: -1, index: Operand::Int(at as i64) }, [indices]);
    let tables: Vec<_> = (0..axes).map(&mut table).collect();
    if axes == 1 && work.rank(indices).is_some_and(|rank| rank > 1) {
        return Ok((Operator::Gather { axis: 0 }, vec![x, tables[0]]));
    }
    Ok((Operator::Index, [x].into_iter().chain(tables).collect()))
}

/// Ranges that the file spells out become one operator for each axis.
fn slice(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    let known = if call.version < 10 {
        let list = |name| call.attributes.ints(name).map(|values| values.map(<[i64]>::to_vec));
        let ends = (list("starts")?, list("ends")?);
        let (Some(starts), Some(ends)) = ends else {
            return Err(Refusal::damaged("it has no starts or ends"));
        };
        Some((starts, ends, list("axes")?, None))
    } else {
        let (starts, ends) = (work.integers(call.input(1)?)?, work.integers(call.input(2)?)?);
        let (axes, steps) = (call.optional(3), call.optional(4));
        let (known_axes, known_steps) = (work.integers(axes)?, work.integers(steps)?);
        let spelled = (axes == Operand::Nothing || known_axes.is_some())
            && (steps == Operand::Nothing || known_steps.is_some());
        starts.zip(ends).filter(|_| spelled).map(|(starts, ends)| (starts, ends, known_axes, known_steps))
    };
    let Some((starts, ends, axes, steps)) = known else {
        return Ok((Operator::Slices, call.inputs(3, 5)?));
    };
    let count = starts.len();
    let axes = axes.unwrap_or_else(|| (0..count as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; count]);
    if [ends.len(), axes.len(), steps.len()] != [count; 3] {
        return Err(Refusal::damaged("it has not as many starts as ends, axes and steps"));
    }
    let mut last = (Operator::Identity, vec![x]);
    for at in 0..count {
        let range = range(axes[at], starts[at], ends[at], steps[at])?;
        last = match last {
            (Operator::Identity, inputs) => (range, inputs),
            (before, inputs) => (range, vec![work.step(before, inputs)]),
        };
    }
    Ok(last)
}

fn range(axis: i64, start: i64, end: i64, step: i64) -> Result<Operator, Refusal> {
    match step {
        0 => Err(Refusal::damaged("its step is 0")),
        -1 if (start == -1 || start >= FAR) && end <= -FAR => Ok(Operator::Flip { axes: vec![axis] }),
        ..0 => Err(Refusal::because("with a step backwards")),
        _ => {
            let [start, end, step] = [start, end, step].map(Operand::Int);
            Ok(Operator::Slice { axis, start, end, step })
        }
    }
}

fn pad(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    let mode = match call.attributes.text("mode", "constant")? {
        "constant" => PadMode::Constant,
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        other => return Err(Refusal::because(format!("with mode {other:?}"))),
    };
    let amounts = work.moved(call, "pads", 1, 11)?.ok_or_else(|| Refusal::damaged("it has no pads"))?;
    let value = if call.version < 11 {
        Operand::Float(call.attributes.float("value", 0.0)?)
    } else {
        match work.literal(call.optional(2))? {
            Operand::Nothing => Operand::Float(0.0),
            value => value,
        }
    };
    let axes = match call.optional(3) {
        Operand::Nothing => None,
        axes => Some(work.sizes(axes)?),
    };
    Ok((Operator::PadAll { amounts, axes, mode }, vec![x, value]))
}

fn scatter_nd(call: &Call) -> Result<Mapped, Refusal> {
    match call.attributes.text("reduction", "none")? {
        "none" => Ok((Operator::ScatterNd, call.inputs(3, 3)?)),
        other => Err(Refusal::because(format!("with reduction {other:?}"))),
    }
}

fn scatter_elements(call: &Call) -> Result<Mapped, Refusal> {
    let axis = call.attributes.int("axis", 0)?;
    match call.attributes.text("reduction", "none")? {
        "none" => Ok((Operator::ScatterElements { axis }, call.inputs(3, 3)?)),
        other => Err(Refusal::because(format!("with reduction {other:?}"))),
    }
}

fn triangle(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let diagonal = match call.optional(1) {
        Operand::Nothing => 0,
        diagonal => {
            work.integer(diagonal)?.ok_or_else(|| Refusal::because("with a diagonal that is computed"))?
        }
    };
    let upper = call.attributes.flag("upper", true)?;
    Ok((Operator::Triangle { upper, diagonal }, call.inputs(1, 1)?))
}

fn running_sum(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    if call.attributes.flag("exclusive", false)? || call.attributes.flag("reverse", false)? {
        return Err(Refusal::because("that is exclusive or in reverse"));
    }
    let axis = work.integer(call.input(1)?)?;
    let axis = axis.ok_or_else(|| Refusal::because("along an axis that is computed"))?;
    Ok((Operator::Cumsum { axis }, call.inputs(1, 1)?))
}
