//! A file as a network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use neuron_model::Weights;
use sha2::{Digest, Sha256};

use crate::error::ImportError;
use crate::imported::{Format, Imported};
use crate::program::Program;
use crate::translate::{self, Translation};
use crate::{grey, onnx, patterns, pt2, stored};

/// Whether a name is that of an exported network, by its ending: `.pt2`, `.onnx` or `.neuron`.
pub fn is_exported(name: &Path) -> bool {
    let ending = name.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    matches!(ending.as_deref(), Some("pt2" | "onnx" | "neuron"))
}

/// Opens an exported network, whatever its name.
///
/// What cannot be run of it is listed by [`Imported::missing`]; taps below that work. Nothing of the file is executed, and what it
/// says of sizes is checked before memory is asked for. Weights are read one after the other and held once, as f32.
///
/// # Errors
/// [`ImportError`] if it is no network, damaged, or nothing of it can be run.
pub fn open(path: &Path) -> Result<Imported, ImportError> {
    let failed = |source| ImportError::Read { path: path.into(), source };
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let mut beginning = Vec::new();
    let mut file = File::open(path).map_err(failed)?;
    file.by_ref().take(BEGINNING).read_to_end(&mut beginning).map_err(failed)?;
    if beginning.starts_with(ZIP) {
        return imported(pt2::read(path)?, Format::Pt2, path);
    }
    if let Some(stored) = stored::read(&beginning, path)? {
        return Ok(stored);
    }
    if onnx::recognise(&beginning) {
        return imported(onnx::read(path)?, Format::Onnx, path);
    }
    let what = "it is neither a torch.export archive (.pt2) nor ONNX; export the network with torch.export.save or \
                torch.onnx.export";
    Err(ImportError::NotANetwork { path: path.into(), what: what.to_owned() })
}

/// How much of a file is looked at to know its format.
const BEGINNING: u64 = 1 << 10;
const ZIP: &[u8] = b"PK";
/// No network takes larger images.
const LARGEST_SIDE: usize = 1 << 16;

fn imported(mut program: Program, format: Format, path: &Path) -> Result<Imported, ImportError> {
    if program.image.1.iter().any(|size| !(1..=LARGEST_SIDE).contains(size)) {
        let what = format!("it takes a tensor of {:?}", program.image.1);
        return Err(ImportError::Damaged { path: path.into(), what });
    }
    let size = match program.image.1[..] {
        [_, 1 | 3, height, width] => [height, width],
        [_, height, width, channels @ (1 | 3)] => {
            let what = format!(
                "it takes images of {height} x {width} pixels with the channels last; export it with [1, {channels}, height, \
                 width]"
            );
            return Err(ImportError::Unsupported { path: path.into(), what });
        }
        ref other => {
            let what = format!(
                "it takes a tensor of {other:?}, and images are [1, 3, height, width], or [1, 1, height, width] if they are grey"
            );
            return Err(ImportError::Unsupported { path: path.into(), what });
        }
    };
    let is_of_grey = grey::in_colours(&mut program)?;
    patterns::simplify(&mut program);
    let translated = translate::translate(&program, elements(&program, format, path));
    let Translation { graph, tensors, missing, .. } =
        translated.map_err(|source| ImportError::Graph { path: path.into(), source })?;
    if graph.taps().next().is_none() {
        return Err(ImportError::Nothing { path: path.into(), missing });
    }
    if let Some((name, _)) = graph
        .expected_tensors()
        .iter()
        .find(|(name, shape)| tensors.get(name).is_none_or(|tensor| tensor.shape != *shape))
    {
        return Err(ImportError::Damaged {
            path: path.into(),
            what: format!("its weights do not fit {name}"),
        });
    }
    let metadata = if is_of_grey { Weights::luminance_metadata() } else { BTreeMap::new() };
    let weights = Weights::from_file(tensors, metadata, path, hash(path)?);
    Ok(Imported { graph, weights, missing, size, format })
}

/// Elements of all weights that a file holds.
fn elements(program: &Program, format: Format, path: &Path) -> usize {
    let elements = |shape: &[usize]| shape.iter().fold(1, |count: usize, size| count.saturating_mul(*size));
    let said = program.parameters.values().map(|parameter| elements(&parameter.shape));
    let said = said.fold(0, usize::saturating_add);
    // Of an archive, what is not there is only missed when it is read.
    let held = std::fs::metadata(path).map_or(0, |about| about.len());
    if format == Format::Pt2 { said.min(usize::try_from(held).unwrap_or(usize::MAX)) } else { said }
}

/// The SHA-256 of a file's bytes in lower-case hex.
fn hash(path: &Path) -> Result<String, ImportError> {
    let read = || -> io::Result<String> {
        let (mut hash, mut file) = (Sha256::new(), File::open(path)?);
        let mut block = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut block)?;
            if count == 0 {
                break;
            }
            hash.update(&block[..count]);
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    };
    read().map_err(|source| ImportError::Read { path: path.into(), source })
}
