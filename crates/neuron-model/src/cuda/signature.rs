//! What kernels take, as their source says: `OF(length)` behind a pointer is how many values the kernel touches there, as
//! a product of the numbers that it gets; `MAYBE(length)` that there may be none. A quotient is rounded up: a loop of
//! `count` values over items of `len` touches `count / len` items.

use super::argument::Argument;
use super::element::Element;
use super::memory::Kind;

/// A kernel of some source, and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) name: String,
    /// Without the first, which is the count.
    pub(crate) parameters: Vec<Parameter>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// Values in memory.
    Pointer { pointee: Pointee, length: Length, optional: bool },
    /// A number of things.
    Whole,
    /// A factor or a summand.
    Real,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pointee {
    /// The element of maps for which the source is compiled.
    Map,
    Of(Kind),
}

/// How many values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Number(usize),
    /// What the kernel gets as the parameter of this index, counted with the count.
    Parameter(usize),
    Product(Box<Self>, Box<Self>),
    /// Rounded up.
    Quotient(Box<Self>, Box<Self>),
}

impl Signature {
    /// Those of all kernels of a source.
    ///
    /// # Panics
    /// If the source is not written as this module says.
    pub(crate) fn all(source: &str) -> Vec<Self> {
        source.split("\nKERNEL ").skip(1).map(Self::parse).collect()
    }

    /// From the name on.
    fn parse(text: &str) -> Self {
        let (name, rest) = text.split_once('(').expect("a kernel has parameters");
        let (parameters, _) = rest.split_once(") {").expect("a kernel has a body");
        let parameters: Vec<&str> = parameters.split(',').map(str::trim).collect();
        assert_eq!(parameters[0], "whole count", "the first parameter of {name}");
        let names: Vec<&str> = parameters.iter().map(|parameter| name_of(parameter)).collect();
        let parameters = parameters[1..].iter().map(|text| Parameter::parse(text, &names));
        Self { name: name.to_owned(), parameters: parameters.collect() }
    }

    /// # Panics
    /// If these are not such arguments as the kernel takes: in another number, of another type, or memory of fewer values
    /// than it touches when it writes `count` of them.
    pub(crate) fn check(&self, element: Element, count: usize, arguments: &[Argument<'_>]) {
        let name = &self.name;
        assert_eq!(self.parameters.len(), arguments.len(), "the number of arguments of {name}");
        let numbers: Vec<Option<usize>> = std::iter::once(Some(count))
            .chain(arguments.iter().map(|argument| match argument {
                Argument::Whole(number) => usize::try_from(*number).ok(),
                Argument::Memory(_) | Argument::Nothing | Argument::Real(_) => None,
            }))
            .collect();
        for (at, (parameter, argument)) in self.parameters.iter().zip(arguments).enumerate() {
            match (parameter, argument) {
                (Parameter::Pointer { pointee, length, .. }, Argument::Memory(view)) => {
                    let (kind, len) = (pointee.kind(element), length.with(&numbers));
                    assert!(
                        view.kind() == kind && view.len() >= len,
                        "argument {at} of {name} is {len} values of {kind:?}, not {view:?}"
                    );
                }
                (Parameter::Pointer { optional: true, .. }, Argument::Nothing)
                | (Parameter::Whole, Argument::Whole(_))
                | (Parameter::Real, Argument::Real(_)) => {}
                _ => panic!("argument {at} of {name} is a {parameter:?}, not {argument:?}"),
            }
        }
    }
}

fn name_of(parameter: &str) -> &str {
    let declared = parameter.split([' ', '*']).take_while(|word| !is_length(word));
    declared.filter(|word| !word.is_empty()).last().expect("a parameter has a name")
}

fn is_length(word: &str) -> bool {
    word.starts_with("OF(") || word.starts_with("MAYBE(")
}

impl Parameter {
    fn parse(text: &str, names: &[&str]) -> Self {
        let Some((pointee, rest)) = text.split_once('*') else {
            return match text.split_once(' ') {
                Some(("whole", _)) => Self::Whole,
                Some(("float", _)) => Self::Real,
                _ => panic!("{text} is none of the types that arguments have"),
            };
        };
        let (_, length) =
            rest.split_once(' ').unwrap_or_else(|| panic!("{text} does not say how long it is"));
        let optional = length.starts_with("MAYBE");
        let length = length.strip_prefix("OF").or(length.strip_prefix("MAYBE"));
        let length = length.unwrap_or_else(|| panic!("{text} does not say how long it is"));
        Self::Pointer { pointee: Pointee::parse(pointee), length: Length::parse(length, names), optional }
    }
}

impl Pointee {
    fn parse(text: &str) -> Self {
        Self::Of(match text.trim().trim_start_matches("const ") {
            "Map" => return Self::Map,
            "float" => Kind::F32,
            "double" => Kind::F64,
            "whole" => Kind::I64,
            "unsigned" => Kind::U32,
            "unsigned char" => Kind::U8,
            "unsigned long long" => Kind::U64,
            other => panic!("{other} is none of the types that memory holds"),
        })
    }

    fn kind(self, element: Element) -> Kind {
        match self {
            Self::Map => element.kind(),
            Self::Of(kind) => kind,
        }
    }
}

impl Length {
    fn parse(text: &str, names: &[&str]) -> Self {
        let mut words = Words { rest: text, names };
        let length = words.product();
        assert!(words.rest.trim().is_empty(), "{text} is no length");
        length
    }

    /// With the numbers that the kernel gets.
    fn with(&self, numbers: &[Option<usize>]) -> usize {
        match self {
            Self::Number(number) => *number,
            Self::Parameter(at) => {
                let number = numbers[*at].filter(|number| *number > 0);
                number.unwrap_or_else(|| panic!("parameter {at}, by which memory is measured, is above 0"))
            }
            Self::Product(left, right) => {
                let product = left.with(numbers).checked_mul(right.with(numbers));
                product.expect("no memory is so long")
            }
            Self::Quotient(left, right) => left.with(numbers).div_ceil(right.with(numbers)),
        }
    }
}

/// What is left of a length's text.
struct Words<'a> {
    rest: &'a str,
    names: &'a [&'a str],
}

impl Words<'_> {
    fn product(&mut self) -> Length {
        let mut left = self.factor();
        loop {
            let operation = match self.rest.trim_start().as_bytes().first() {
                Some(b'*') => Length::Product,
                Some(b'/') => Length::Quotient,
                _ => return left,
            };
            self.rest = &self.rest.trim_start()[1..];
            left = operation(Box::new(left), Box::new(self.factor()));
        }
    }

    fn factor(&mut self) -> Length {
        self.rest = self.rest.trim_start();
        if let Some(inside) = self.rest.strip_prefix('(') {
            self.rest = inside;
            let length = self.product();
            self.rest = self.rest.trim_start().strip_prefix(')').expect("a parenthesis is closed");
            return length;
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.parse() {
            Ok(number) => Length::Number(number),
            Err(_) => {
                let at = self.names.iter().position(|name| *name == word);
                Length::Parameter(at.unwrap_or_else(|| panic!("{word} is no parameter")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::memory::DeviceView;

    const SOURCE: &str = "
// Not a KERNEL.
KERNEL pool(whole count, const Map *input OF(count / (rows * 2) * height), unsigned char *argmax MAYBE(count),
            whole rows, whole height, float eps) {
}
";

    fn pool() -> Signature {
        Signature::all(SOURCE).swap_remove(0)
    }

    #[test]
    fn parameters_are_read_from_the_source() {
        let pool = pool();
        assert_eq!((&*pool.name, pool.parameters.len()), ("pool", 5));
        let Parameter::Pointer { pointee, length, optional } = &pool.parameters[0] else {
            panic!("{pool:?}");
        };
        assert_eq!((*pointee, *optional), (Pointee::Map, false));
        // 7 values are parts of 2 rows of 4.
        assert_eq!(length.with(&[Some(7), None, None, Some(2), Some(5), None]), 10);
        let argmax = &pool.parameters[1];
        let expected = Length::Parameter(0);
        assert_eq!(
            *argmax,
            Parameter::Pointer { pointee: Pointee::Of(Kind::U8), length: expected, optional: true }
        );
        assert_eq!(pool.parameters[2..], [Parameter::Whole, Parameter::Whole, Parameter::Real]);
    }

    #[test]
    fn memory_that_is_long_enough_passes() {
        let input = [0f32; 10];
        let arguments = |len| {
            let input = Argument::Memory(DeviceView::on_host(&input[..len], Kind::F32));
            [input, Argument::Nothing, Argument::Whole(2), Argument::Whole(5), Argument::Real(0.5)]
        };
        pool().check(Element::F32, 7, &arguments(10));
        assert!(std::panic::catch_unwind(|| pool().check(Element::F32, 7, &arguments(9))).is_err());
        assert!(std::panic::catch_unwind(|| pool().check(Element::F32, 9, &arguments(10))).is_err());
        assert!(std::panic::catch_unwind(|| pool().check(Element::Bf16, 7, &arguments(10))).is_err());
    }

    #[test]
    #[should_panic(expected = "argument 0 of pool")]
    fn nothing_is_no_memory_that_must_be_there() {
        let whole = Argument::Whole(2);
        let arguments = [Argument::Nothing, Argument::Nothing, whole, whole, Argument::Real(0.5)];
        pool().check(Element::F32, 7, &arguments);
    }
}
