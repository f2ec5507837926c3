use std::fmt;
use std::str::FromStr;

/// How a GPU multiplies; the CPU engine computes in f32.
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

/// A text that names no precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected f32, tf32 or bf16")]
pub struct ParsePrecisionError;

impl FromStr for Precision {
    type Err = ParsePrecisionError;

    fn from_str(text: &str) -> Result<Self, ParsePrecisionError> {
        match text {
            "f32" => Ok(Self::F32),
            "tf32" => Ok(Self::Tf32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(ParsePrecisionError),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        })
    }
}
