//! Normalisations.

use super::{Call, Mapped, Refusal, Work};
use crate::program::{Operand, Operator};

pub(super) fn map(call: &Call, work: &mut Work) -> Option<Result<Mapped, Refusal>> {
    Some(match call.operator {
        "BatchNormalization" => batch(call),
        "LayerNormalization" => {
            layer(call, work, 3).map(|(axes, eps, inputs)| (Operator::LayerNorm { axes, eps }, inputs))
        }
        "RMSNormalization" => {
            layer(call, work, 2).map(|(axes, eps, inputs)| (Operator::RmsNorm { axes, eps }, inputs))
        }
        "InstanceNormalization" => instance(call, work),
        "GroupNormalization" => group(call, work),
        _ => return None,
    })
}

fn eps(call: &Call) -> Result<f64, Refusal> {
    call.attributes.float("epsilon", 1e-5)
}

fn batch(call: &Call) -> Result<Mapped, Refusal> {
    // Versions before 14 say that they train by more outputs.
    if call.attributes.flag("training_mode", false)? || call.outputs > 1 {
        return Err(Refusal::because("in training mode (was model.eval() called before the export?)"));
    }
    Ok((Operator::BatchNorm { eps: eps(call)? }, call.inputs(5, 5)?))
}

/// From an axis on to the last: how many that are, is known if it is counted from the end, and else by the shape of what
/// is normalised, or of the factors.
fn layer(call: &Call, work: &Work, inputs: usize) -> Result<(usize, f64, Vec<Operand>), Refusal> {
    let inputs = call.inputs(2, inputs)?;
    let axis = call.attributes.int("axis", -1)?;
    let axes = match usize::try_from(axis) {
        Err(_) => usize::try_from(axis.unsigned_abs()).ok(),
        Ok(axis) => match work.rank(inputs[0]) {
            Some(rank) => rank.checked_sub(axis),
            None => work.rank(inputs[1]),
        },
    };
    let axes = axes.filter(|axes| *axes > 0);
    Ok((axes.ok_or_else(|| Refusal::because(format!("with axis {axis}")))?, eps(call)?, inputs))
}

/// Every channel by itself: as many groups as there are channels.
fn instance(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let inputs = call.inputs(3, 3)?;
    let groups = channels(work, &inputs).ok_or_else(|| Refusal::because("of unknown channels"))?;
    Ok((Operator::GroupNorm { groups, eps: eps(call)? }, inputs))
}

/// Since version 21, with a factor for every channel; before, for every group, which PyTorch does not have.
fn group(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let inputs = call.inputs(3, 3)?;
    let groups = usize::try_from(call.attributes.int("num_groups", 0)?).ok().filter(|groups| *groups > 0);
    let groups = groups.ok_or_else(|| Refusal::damaged("it has no num_groups"))?;
    if call.version < 21 && work.shape(inputs[0]).and_then(|shape| *shape.get(1)?) != Some(groups) {
        return Err(Refusal::because("with a factor for every group; export with opset 21"));
    }
    Ok((Operator::GroupNorm { groups, eps: eps(call)? }, inputs))
}

fn channels(work: &Work, inputs: &[Operand]) -> Option<usize> {
    let factors = inputs[1..].iter().find_map(|factors| *work.shape(*factors)?.first()?);
    factors.or_else(|| *work.shape(inputs[0])?.get(1)?).filter(|channels| *channels > 0)
}
