//! What decides the bits of a result beside its inputs.

use std::fmt;
use std::str::FromStr;

/// How precisely a device multiplies; the CPU engine computes in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Products and sums in f32.
    #[default]
    F32,
    /// Convolutions may round their factors to 10 bits of mantissa (TF32); sums stay f32.
    Tf32,
    /// Passes that keep nothing for a backward pass store maps and weights in 16 bits (bfloat16, 7 bits of mantissa); sums
    /// stay f32. The other passes, backward ones too, are those of [`Precision::Tf32`].
    Bf16,
}

impl Precision {
    /// Every precision.
    const ALL: [Self; 3] = [Self::F32, Self::Tf32, Self::Bf16];

    /// By which it is typed, and by which results remember it: a name never changes.
    const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}

/// Whose arithmetic a result is of.
///
/// Equal inputs have equal results where this is equal. It is written as `cpu f32` or `cuda tf32`; its default is that of
/// results which do not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arithmetic {
    /// What computes.
    pub engine: Engine,
    /// How precisely it multiplies.
    pub precision: Precision,
}

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The CPU, whose results have the same bits everywhere.
    #[default]
    Cpu,
    /// GPUs, by cuDNN.
    Cuda,
}

/// A text that names no precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParsePrecisionError;

impl FromStr for Precision {
    type Err = ParsePrecisionError;

    fn from_str(text: &str) -> Result<Self, ParsePrecisionError> {
        Self::ALL.into_iter().find(|known| known.name() == text).ok_or(ParsePrecisionError)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ParsePrecisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [others @ .., last] = Precision::ALL.map(Precision::name);
        write!(f, "expected {} or {last}", others.join(", "))
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match self.engine {
            Engine::Cpu => "cpu",
            Engine::Cuda => "cuda",
        };
        write!(f, "{engine} {}", self.precision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_parse_as_they_print() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        let error = "f16".parse::<Precision>().unwrap_err();
        assert_eq!(error.to_string(), "expected f32, tf32 or bf16");
    }

    /// Checkpoints and manifests hold these words.
    #[test]
    fn written_names_stay() {
        assert_eq!(Arithmetic::default().to_string(), "cpu f32");
        let on_gpu =
            Precision::ALL.map(|precision| Arithmetic { engine: Engine::Cuda, precision }.to_string());
        assert_eq!(on_gpu, ["cuda f32", "cuda tf32", "cuda bf16"]);
    }
}
