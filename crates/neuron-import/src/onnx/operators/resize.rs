//! Larger and smaller maps.
//!
//! ONNX has many ways to say where the places of the new map lie on the old one; PyTorch has two for each kind. Files of
//! other origin may say the same in other words, and those are accepted where they are the same.

use super::{Call, Mapped, Refusal, Work};
use crate::program::{Operand, Operator, Resize, ResizeKind, Sizes};

pub(super) fn map(call: &Call, work: &mut Work) -> Option<Result<Mapped, Refusal>> {
    Some(match call.operator {
        "Resize" => resize(call, work),
        "Upsample" => upsample(call, work),
        _ => return None,
    })
}

fn resize(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    if !matches!(call.attributes.ints("axes")?, None | Some([2, 3] | [-2, -1] | [0, 1, 2, 3])) {
        return Err(Refusal::because("of axes other than height and width"));
    }
    if call.attributes.text("keep_aspect_ratio_policy", "stretch")? != "stretch" {
        return Err(Refusal::because("that keeps the aspect ratio"));
    }
    let given = |at| match call.optional(at) {
        Operand::Nothing => Ok(None),
        input if work.is_empty(input) => Ok(None),
        input => maps(work.sizes(input)?).map(Some),
    };
    let (scales, sizes) = if call.version < 11 { (given(1)?, None) } else { (given(2)?, given(3)?) };
    if scales.is_some() == sizes.is_some() {
        return Err(Refusal::damaged("it has not either scales or sizes"));
    }
    let antialias = call.attributes.flag("antialias", false)?;
    let (kind, align_corners) = kind(call, scales.as_ref(), antialias)?;
    Ok((Operator::Resize(Resize { kind, sizes, scales, align_corners, antialias }), vec![x]))
}

/// The last version, 9, places as version 10 of `Resize` does.
fn upsample(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    let scales = if call.version < 9 {
        let scales = call.attributes.floats("scales")?.ok_or_else(|| Refusal::damaged("it has no scales"))?;
        Sizes::List(scales.iter().map(|scale| Operand::Float(super::decimal(*scale))).collect())
    } else {
        work.sizes(call.input(1)?)?
    };
    let scales = maps(scales)?;
    let (kind, align_corners) = kind(call, Some(&scales), false)?;
    let resize = Resize { kind, sizes: None, scales: Some(scales), align_corners, antialias: false };
    Ok((Operator::Resize(resize), vec![x]))
}

/// Height and width alone, where numbers for all four axes are known.
fn maps(sizes: Sizes) -> Result<Sizes, Refusal> {
    match sizes {
        Sizes::List(sizes) => match sizes[..] {
            [Operand::Float(images), Operand::Float(channels), ..] if sizes.len() == 4 => {
                if [images, channels] != [1.0, 1.0] {
                    return Err(Refusal::because("of channels"));
                }
                Ok(Sizes::List(sizes[2..].to_vec()))
            }
            [_, _, height, width] => Ok(Sizes::List(vec![height, width])),
            [_, _] => Ok(Sizes::List(sizes)),
            _ => Err(Refusal::because(format!("of {} axes", sizes.len()))),
        },
        tensor @ Sizes::Tensor(_) => Ok(tensor),
    }
}

/// What is made between places, and whether corners lie on corners.
fn kind(call: &Call, scales: Option<&Sizes>, antialias: bool) -> Result<(ResizeKind, bool), Refusal> {
    // Before version 11, nothing was said, and this was meant.
    let default = if call.version < 11 { "asymmetric" } else { "half_pixel" };
    let placed = call.attributes.text("coordinate_transformation_mode", default)?;
    let centres = ["half_pixel", "pytorch_half_pixel"].contains(&placed);
    let corners = placed == "align_corners";
    let elsewhere = || Refusal::because(format!("with coordinate_transformation_mode {placed:?}"));
    match call.attributes.text("mode", "nearest")? {
        "nearest" => {
            let default = if call.version < 11 { "floor" } else { "round_prefer_floor" };
            let rounded = call.attributes.text("nearest_mode", default)?;
            let whole = whole(scales);
            // From centre to centre, the nearest place is never half-way, and it is that of a whole step's start.
            let same = (placed == "asymmetric" && (rounded == "floor" || whole == Some(1)))
                || (centres && rounded.starts_with("round_prefer_") && whole.is_some());
            if !same {
                return Err(Refusal::because(format!(
                    "with coordinate_transformation_mode {placed:?} and nearest_mode {rounded:?}"
                )));
            }
            Ok((ResizeKind::Nearest, false))
        }
        "linear" | "bilinear" if centres || corners => Ok((ResizeKind::Linear, corners)),
        "cubic" if centres || corners => {
            let slope = call.attributes.float("cubic_coeff_a", -0.75)?;
            let expected = if antialias { -0.5 } else { -0.75 };
            if slope != expected || (!antialias && call.attributes.flag("exclude_outside", false)?) {
                return Err(Refusal::because(format!("with cubic_coeff_a {slope} or exclude_outside")));
            }
            Ok((ResizeKind::Cubic, corners))
        }
        "linear" | "bilinear" | "cubic" => Err(elsewhere()),
        other => Err(Refusal::because(format!("with mode {other:?}"))),
    }
}

/// The largest scale, if all are known and whole.
fn whole(scales: Option<&Sizes>) -> Option<i64> {
    let Some(Sizes::List(scales)) = scales else { return None };
    let scale = |operand: &Operand| match operand {
        Operand::Float(scale) if *scale >= 1.0 && scale.fract() == 0.0 => Some(*scale as i64),
        _ => None,
    };
    scales.iter().map(scale).collect::<Option<Vec<_>>>()?.into_iter().max()
}
