//! `--start`: where pictures begin and how they move.

use std::path::Path;

use anyhow::{Context, bail};
use neuron_data::Preprocessing;
use neuron_fvis::Start;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use super::flags::Args;
use crate::global::Global;
use crate::input;

/// A start of many large pictures, with room to spare.
const MOST_BYTES: u64 = 4 << 30;

/// A start that was read, with the hash of its file.
#[derive(Default)]
pub(super) struct Read {
    pub(super) start: Start,
    pub(super) sha256: Option<String>,
}

/// Reads the start that the flags name; the default is to start at random.
pub(super) fn read(args: &Args, global: &Global, preprocessing: &Preprocessing) -> anyhow::Result<Read> {
    let Some(path) = args.start.file() else { return Ok(Read::default()) };
    let bytes =
        input::read(path, MOST_BYTES).with_context(|| format!("cannot read the start {}", path.display()))?;
    let start = if path.extension().is_some_and(|extension| extension == "safetensors") {
        tensors(&bytes, args, preprocessing.crop)
            .with_context(|| format!("{} is not a valid start", path.display()))?
    } else {
        picture(path, args, global, preprocessing)?
    };
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Read { start, sha256: Some(sha256) })
}

/// Every copy starts from the picture.
fn picture(
    path: &Path,
    args: &Args,
    global: &Global,
    preprocessing: &Preprocessing,
) -> anyhow::Result<Start> {
    let values = preprocessing.load(path, &global.limits())?;
    Ok(Start { pictures: Some(values.repeat(args.copies.get())), ..Start::default() })
}

/// `init` `[bs, 3, H, W]` and perhaps `offsets` `[steps, 2]`.
fn tensors(bytes: &[u8], args: &Args, side: usize) -> anyhow::Result<Start> {
    let file = SafeTensors::deserialize(bytes).context("it is not a safetensors file")?;
    let init = file.tensor("init").context("it has no tensor `init`")?;
    let copies = args.copies.get();
    let expected = [copies, 3, side, side];
    if init.dtype() != Dtype::F32 || init.shape() != expected {
        bail!(
            "`init` is {:?} {:?}, expected F32 {expected:?} (--copies, --resolution)",
            init.dtype(),
            init.shape()
        );
    }
    let planes: Vec<f32> = numbers(init.data(), f32::from_le_bytes);
    let offsets = match file.tensor("offsets") {
        Err(_) => Vec::new(),
        Ok(offsets) => {
            let values: Vec<i64> = match offsets.dtype() {
                Dtype::I32 => numbers(offsets.data(), |bytes| i64::from(i32::from_le_bytes(bytes))),
                Dtype::I64 => numbers(offsets.data(), i64::from_le_bytes),
                other => bail!("`offsets` is {other:?}, expected I32 or I64"),
            };
            if offsets.shape().len() != 2 || offsets.shape()[1] != 2 {
                bail!("`offsets` has shape {:?}, expected [steps, 2]", offsets.shape());
            }
            let side = side as i64;
            // Rolling by whole sides changes nothing.
            values
                .chunks_exact(2)
                .map(|step| ((step[0] % side) as isize, (step[1] % side) as isize))
                .collect()
        }
    };
    Ok(Start { pictures: Some(channels_last(&planes, side * side)), offsets, ..Start::default() })
}

fn numbers<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|bytes| number(*bytes)).collect()
}

/// `[copies, 3, positions]` as `[copies, positions, 3]`.
fn channels_last(planes: &[f32], positions: usize) -> Vec<f32> {
    let pixels = |copy| (0..3 * positions).map(move |at| (copy, at % 3 * positions + at / 3));
    let copies = planes.chunks_exact(3 * positions);
    copies.flat_map(pixels).map(|(copy, at): (&[f32], usize)| copy[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let planes = [1.0, 2.0, 11.0, 12.0, 21.0, 22.0, 5.0, 6.0, 15.0, 16.0, 25.0, 26.0];
        let pixels = channels_last(&planes, 2);
        assert_eq!(pixels, [1.0, 11.0, 21.0, 2.0, 12.0, 22.0, 5.0, 15.0, 25.0, 6.0, 16.0, 26.0]);
    }
}
