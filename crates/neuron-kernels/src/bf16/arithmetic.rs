/// How products of bf16 numbers are added up: with the numbers and their order it decides every bit of a sum.
///
/// Each fused multiply-add and each addition is rounded to nearest, ties to even. Every machine can compute either
/// arithmetic, with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bf16Arithmetic {
    /// Of each 32 products, those at even places and those at odd places are each a chain of fused multiply-adds from 0;
    /// the two sums are added to one another, and then to the value.
    Tiles,
    /// Each pair of products goes into the value by two fused multiply-adds: the second one's first, then the first one's.
    Pairs,
}

impl Bf16Arithmetic {
    /// The instruction that computes it, to be written beside results: it never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiles => "tdpbf16ps",
            Self::Pairs => "vdpbf16ps",
        }
    }
}
