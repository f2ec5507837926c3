//! Functions of elements.

use super::{Constant, Kind, Result, text};
use crate::program::{Binary, Unary};

/// A function of every element.
pub(crate) fn unary(function: Unary, x: &Constant) -> Result<Constant> {
    let kind = match function {
        Unary::Neg | Unary::Abs | Unary::Sign | Unary::Square | Unary::Relu => x.kind,
        Unary::Not => Kind::Bool,
        Unary::BitNot if x.kind == Kind::Bool => return unary(Unary::Not, x),
        Unary::BitNot if x.kind == Kind::Int => x.kind,
        Unary::BitNot => return Err("bits of numbers with a fraction".to_owned()),
        _ => Kind::Float,
    };
    let values = x.values()?.into_iter().map(|value| function.of(value)).collect();
    Constant::new(values, x.shape(), kind)
}

/// Depth and factor of SELU (Klambauer et al., NeurIPS 2017).
pub(crate) const SELU: (f64, f64) = (1.673_263_242_354_377_2, 1.050_700_987_355_480_5);

impl Unary {
    /// Its value.
    pub(crate) fn of(self, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match self {
            Self::Relu => x.max(0.0),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu { slope } => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
            Self::Elu { alpha } => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Selu => SELU.1 * if x < 0.0 { SELU.0 * x.exp_m1() } else { x },
            Self::Gelu => 0.5 * x * (1.0 + candle_core::cpu::erf::erf_f64(x / std::f64::consts::SQRT_2)),
            Self::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Silu => x * sigmoid(x),
            Self::Mish => x * x.exp().ln_1p().tanh(),
            Self::Softplus => x.exp().ln_1p(),
            Self::Sigmoid => sigmoid(x),
            Self::HardSigmoid => (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Tanh => x.tanh(),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::ReciprocalSqrt => x.sqrt().recip(),
            Self::Reciprocal => x.recip(),
            Self::Square => x * x,
            Self::Abs => x.abs(),
            Self::Neg => -x,
            Self::Erf => candle_core::cpu::erf::erf_f64(x),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Sign => {
                if x == 0.0 {
                    0.0
                } else {
                    x.signum()
                }
            }
            Self::Not => f64::from(u8::from(x == 0.0)),
            // Of a whole number.
            Self::BitNot => -x - 1.0,
        }
    }
}

impl Binary {
    fn of(self, a: f64, b: f64) -> f64 {
        let truth = |is: bool| f64::from(u8::from(is));
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::FloorDiv => (a / b).floor(),
            Self::Remainder => a - (a / b).floor() * b,
            Self::Pow => a.powf(b),
            Self::Max => a.max(b),
            Self::Min => a.min(b),
            Self::Equal => truth(a == b),
            Self::NotEqual => truth(a != b),
            Self::Less => truth(a < b),
            Self::LessEqual => truth(a <= b),
            Self::Greater => truth(a > b),
            Self::GreaterEqual => truth(a >= b),
            Self::And => truth(a != 0.0 && b != 0.0),
            Self::Or => truth(a != 0.0 || b != 0.0),
            // Of whole numbers.
            Self::BitAnd => (a as i64 & b as i64) as f64,
            Self::BitOr => (a as i64 | b as i64) as f64,
        }
    }

    fn kind(self, a: Kind, b: Kind) -> Kind {
        match self {
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessEqual
            | Self::Greater
            | Self::GreaterEqual => Kind::Bool,
            Self::And | Self::Or => Kind::Bool,
            // Truth values are whole numbers of one bit.
            Self::BitAnd | Self::BitOr if a == Kind::Bool && b == Kind::Bool => Kind::Bool,
            Self::Div => Kind::Float,
            _ if a == Kind::Float || b == Kind::Float => Kind::Float,
            _ => Kind::Int,
        }
    }
}

/// A function of two tensors, of which axes of size 1 are repeated. Quotients of whole numbers are whole with `truncates`.
pub(crate) fn binary(function: Binary, a: &Constant, b: &Constant, truncates: bool) -> Result<Constant> {
    let are_whole = a.kind != Kind::Float && b.kind != Kind::Float;
    if matches!(function, Binary::BitAnd | Binary::BitOr) && !are_whole {
        return Err("bits of numbers with a fraction".to_owned());
    }
    let shape = a.tensor.shape().broadcast_shape_binary_op(b.tensor.shape(), "elements").map_err(text)?;
    super::within(shape.dims())?;
    let values = |of: &Constant| -> Result<Vec<f64>> {
        if of.shape() == shape.dims() { of.values() } else { of.expanded(shape.dims())?.values() }
    };
    let whole = truncates && function == Binary::Div && are_whole;
    let quotient = |value: f64| if whole { value.trunc() } else { value };
    let values = values(a)?.into_iter().zip(values(b)?).map(|(a, b)| quotient(function.of(a, b)));
    let kind = if whole { Kind::Int } else { function.kind(a.kind, b.kind) };
    Constant::new(values.collect(), shape.dims(), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_whole_numbers() {
        let of = |value: f64, kind| Constant::scalar(value, kind);
        let both = |function, a: &Constant, b: &Constant| {
            binary(function, a, b, false).map(|x| (x.single(), x.kind))
        };
        let (five, four) = (of(5.0, Kind::Int), of(4.0, Kind::Int));
        assert_eq!(both(Binary::BitAnd, &five, &four), Ok((Some(4.0), Kind::Int)));
        assert_eq!(both(Binary::BitOr, &five, &of(-2.0, Kind::Int)), Ok((Some(-1.0), Kind::Int)));
        let (yes, no) = (of(1.0, Kind::Bool), of(0.0, Kind::Bool));
        assert_eq!(both(Binary::BitAnd, &yes, &no), Ok((Some(0.0), Kind::Bool)));
        assert!(both(Binary::BitOr, &five, &of(0.5, Kind::Float)).is_err());
        let not = |x: &Constant| unary(Unary::BitNot, x).map(|x| (x.single(), x.kind));
        assert_eq!(not(&five), Ok((Some(-6.0), Kind::Int)));
        assert_eq!(not(&yes), Ok((Some(0.0), Kind::Bool)));
        assert!(not(&of(0.5, Kind::Float)).is_err());
    }
}
