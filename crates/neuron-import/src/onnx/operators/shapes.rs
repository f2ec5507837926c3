//! Changes of shape.

use super::{Call, Mapped, Refusal, Work};
use crate::program::{Operand, Operator, Sizes};

pub(super) fn map(call: &Call, work: &mut Work) -> Option<Result<Mapped, Refusal>> {
    Some(match call.operator {
        "Identity" => call.inputs(1, 1).map(|inputs| (Operator::Identity, inputs)),
        "Dropout" => dropout(call, work),
        "Reshape" => reshape(call, work),
        "Flatten" => flatten(call, work),
        "Transpose" => transpose(call),
        "Squeeze" => squeeze(call, work),
        "Unsqueeze" => unsqueeze(call, work),
        "Expand" => expand(call, work),
        "Tile" => tile(call, work),
        "Shape" => shape(call),
        "Concat" => concat(call),
        "Split" => split(call, work),
        "DepthToSpace" => depth_to_space(call, work),
        "SpaceToDepth" => space_to_depth(call, work),
        _ => return None,
    })
}

fn dropout(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    if !matches!(work.integer(call.optional(2))?, None | Some(0)) {
        return Err(Refusal::because("in training mode (was model.eval() called before the export?)"));
    }
    Ok((Operator::Identity, call.inputs(1, 1)?))
}

fn reshape(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let copies_zero = !call.attributes.flag("allowzero", false)?;
    let sizes = work.sizes(call.input(1)?)?;
    Ok((Operator::Reshape { sizes, copies_zero }, call.inputs(1, 1)?))
}

fn flatten(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    as_matrix(work, call.input(0)?, call.attributes.int("axis", 1)?)
}

/// The axes before `axis` as one, and those from it on.
pub(super) fn as_matrix(work: &mut Work, x: Operand, axis: i64) -> Result<Mapped, Refusal> {
    let rank = work.rank(x).map(|rank| rank as i64);
    let axis = match rank {
        Some(rank) if axis < 0 => axis.saturating_add(rank),
        _ => axis,
    };
    if rank.is_some_and(|rank| !(0..rank).contains(&axis)) || axis == i64::MIN {
        return Err(Refusal::because(format!("with axis {axis}")));
    }
    let first_axes = |work: &mut Work, last| work.step(Operator::Flatten { first: 0, last }, [x]);
    Ok(match axis {
        0 => {
            let all = first_axes(work, -1);
            (Operator::Unsqueeze { axes: Sizes::known([0]) }, vec![all])
        }
        1 => (Operator::Flatten { first: 1, last: -1 }, vec![x]),
        _ => {
            let rows = first_axes(work, axis - 1);
            (Operator::Flatten { first: 1, last: -1 }, vec![rows])
        }
    })
}

fn transpose(call: &Call) -> Result<Mapped, Refusal> {
    let axes = call.attributes.ints("perm")?.unwrap_or_default().to_vec();
    Ok((Operator::Permute { axes }, call.inputs(1, 1)?))
}

fn squeeze(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    Ok((Operator::Squeeze { axes: work.moved(call, "axes", 1, 13)? }, call.inputs(1, 1)?))
}

fn unsqueeze(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let axes = work.moved(call, "axes", 1, 13)?.ok_or_else(|| Refusal::damaged("it has no axes"))?;
    Ok((Operator::Unsqueeze { axes }, call.inputs(1, 1)?))
}

/// ONNX broadcasts, so that a size of 1 keeps an axis; that is -1 here, except for axes that are new.
fn expand(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    let sizes = match (work.sizes(call.input(1)?)?, work.rank(x)) {
        (Sizes::List(mut sizes), Some(rank)) => {
            // As many sizes as axes at least: shapes are aligned at their ends.
            while sizes.len() < rank {
                sizes.insert(0, Operand::Int(1));
            }
            let new = sizes.len() - rank;
            sizes[new..]
                .iter_mut()
                .filter(|size| **size == Operand::Int(1))
                .for_each(|size| *size = Operand::Int(-1));
            Sizes::List(sizes)
        }
        (sizes, _) => sizes,
    };
    Ok((Operator::Expand { sizes }, vec![x]))
}

fn tile(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    Ok((Operator::Tile { times: work.sizes(call.input(1)?)? }, call.inputs(1, 1)?))
}

fn shape(call: &Call) -> Result<Mapped, Refusal> {
    let (start, end) = (call.attributes.int("start", 0)?, call.attributes.optional_int("end")?);
    Ok((Operator::Shape { start, end }, call.inputs(1, 1)?))
}

fn concat(call: &Call) -> Result<Mapped, Refusal> {
    let axis = call.attributes.optional_int("axis")?.ok_or_else(|| Refusal::damaged("it has no axis"))?;
    let count = call.inputs.len().max(1);
    Ok((Operator::Concat { axis }, call.inputs(count, count)?))
}

fn split(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let axis = call.attributes.int("axis", 0)?;
    let operator = match (work.moved(call, "split", 1, 13)?, call.attributes.optional_int("num_outputs")?) {
        (None, Some(parts)) if parts == call.outputs as i64 => Operator::Chunk { axis, parts: call.outputs },
        (None, Some(parts)) => {
            return Err(Refusal::damaged(format!("it has {} outputs, not {parts}", call.outputs)));
        }
        (sizes, _) => Operator::SplitSizes { axis, sizes },
    };
    Ok((operator, call.inputs(1, 1)?))
}

fn block(call: &Call) -> Result<usize, Refusal> {
    let factor = call.attributes.int("blocksize", 0)?;
    let factor = usize::try_from(factor).ok().filter(|factor| (1..1 << 16).contains(factor));
    factor.ok_or_else(|| Refusal::damaged("it has no blocksize"))
}

/// Channels are `c r^2` in PyTorch, and in the mode `CRD`; in the mode `DCR` they are `r^2 c`.
fn depth_to_space(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let (x, factor) = (call.input(0)?, block(call)?);
    match call.attributes.text("mode", "DCR")? {
        "CRD" => Ok((Operator::PixelShuffle { factor }, vec![x])),
        "DCR" => {
            let (operator, inputs) = blocks(work, x, [(factor * factor) as i64, -1]);
            let x = work.step(operator, inputs);
            Ok((Operator::PixelShuffle { factor }, vec![x]))
        }
        other => Err(Refusal::because(format!("with mode {other:?}"))),
    }
}

fn space_to_depth(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let (x, factor) = (call.input(0)?, block(call)?);
    let x = work.step(Operator::PixelUnshuffle { factor }, [x]);
    Ok(blocks(work, x, [-1, (factor * factor) as i64]))
}

/// The channels as two axes of these sizes, which then change places.
fn blocks(work: &mut Work, x: Operand, sizes: [i64; 2]) -> Mapped {
    let x = work.step(Operator::Unflatten { axis: 1, sizes: Sizes::known(sizes) }, [x]);
    let x = work.step(Operator::Transpose { axes: [1, 2] }, [x]);
    (Operator::Flatten { first: 1, last: 2 }, vec![x])
}
