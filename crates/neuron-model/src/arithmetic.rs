//! What decides the bits of a result beside its inputs.

use std::fmt;
use std::str::FromStr;

use neuron_kernels::Terms;

/// How precisely a device multiplies. Sums are f32 in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Products and sums in f32.
    #[default]
    F32,
    /// GPUs: convolutions may round their factors to 10 bits of mantissa (TF32).
    Tf32,
    /// Passes that keep nothing for a backward pass store maps and weights in 16 bits (bfloat16, 7 bits of mantissa). The
    /// other passes, backward ones too, are those of [`Precision::Tf32`] on GPUs, and of [`Precision::F32`] on the CPU.
    Bf16,
    /// The CPU with matrix instructions: such passes store maps and weights as sums of two bf16 numbers (15 bits of
    /// mantissa), and three products stand for one. The other passes, backward ones too, store maps in f32, and their
    /// convolutions split them where they read them: [`Algorithm::Bf16x3`](crate::Algorithm::Bf16x3).
    Bf16x3,
}

impl Precision {
    /// Every precision.
    const ALL: [Self; 4] = [Self::F32, Self::Tf32, Self::Bf16, Self::Bf16x3];

    /// How many bf16 numbers stand for a value on the CPU, in passes that keep nothing; `None`: it is an f32.
    pub(crate) fn terms(self) -> Option<Terms> {
        match self {
            Self::F32 | Self::Tf32 => None,
            Self::Bf16 => Some(Terms::One),
            Self::Bf16x3 => Some(Terms::Two),
        }
    }

    /// By which it is typed, and by which results remember it: a name never changes.
    const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::Bf16x3 => "bf16x3",
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
    /// The CPU, whose results have the same bits everywhere; products of bf16 numbers are added up as `tdpbf16ps` does.
    #[default]
    Cpu,
    /// The CPU, adding up products of bf16 numbers as `vdpbf16ps` does: other bits, and the same everywhere, too.
    CpuByPairs,
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
            Engine::CpuByPairs => "cpu-vdpbf16ps",
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
        assert_eq!(error.to_string(), "expected f32, tf32, bf16 or bf16x3");
    }

    /// Checkpoints and manifests hold these words.
    #[test]
    fn written_names_stay() {
        assert_eq!(Arithmetic::default().to_string(), "cpu f32");
        let named = |engine| Precision::ALL.map(|precision| Arithmetic { engine, precision }.to_string());
        assert_eq!(named(Engine::Cuda), ["cuda f32", "cuda tf32", "cuda bf16", "cuda bf16x3"]);
        let [.., pairs, pairs_of_two] = named(Engine::CpuByPairs);
        assert_eq!([pairs, pairs_of_two], ["cpu-vdpbf16ps bf16", "cpu-vdpbf16ps bf16x3"]);
        assert_eq!(named(Engine::Cpu), ["cpu f32", "cpu tf32", "cpu bf16", "cpu bf16x3"]);
    }
}
