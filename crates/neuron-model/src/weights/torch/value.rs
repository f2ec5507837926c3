//! What a pickle can hold here: plain data, storages and tensors; never code.

use crate::weights::element::Float;

/// Index of a value of a pickle.
///
/// Values live in one list and refer to each other by index: cycles and nests of any depth, which a hostile pickle
/// may hold, then need neither reference counts nor recursion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) u32);

/// One value of a pickle.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i128),
    /// Nothing here needs its number.
    Real,
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// In the order of insertion; a later entry of the same key replaces an earlier one.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(View),
}

impl Value<'_> {
    /// What this is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Real => "a number",
            Self::Text(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Global(_) => "a Python class",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// A run of numbers in the file, which tensors are views of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Storage<'a> {
    pub(super) element: Element,
    pub(super) key: &'a str,
    /// Where the view begins that the storage itself is of another, in elements (legacy files only).
    pub(super) offset: usize,
}

/// A tensor: a strided view of a storage, in elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) storage: Id,
    pub(super) offset: usize,
    /// A tuple of integers.
    pub(super) shape: Id,
    /// A tuple of integers, as many as `shape` has.
    pub(super) strides: Id,
}

/// The type of a storage's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Float(Float),
    Double,
    Integer { name: &'static str, size_bytes: usize },
}

impl Element {
    pub(super) fn size_bytes(self) -> usize {
        match self {
            Self::Float(float) => float.size_bytes(),
            Self::Double => 8,
            Self::Integer { size_bytes, .. } => size_bytes,
        }
    }
}

/// Every Python name a checkpoint may use. None of them runs anything: each stands for a shape of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Size,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
}

impl Global {
    /// The meaning of a name, if it is one of the few that tensors need.
    pub(super) fn from_name(module: &str, name: &str) -> Option<Self> {
        let integer = |name, size_bytes| Self::Storage(Element::Integer { name, size_bytes });
        let float = |float| Self::Storage(Element::Float(float));
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Self::RebuildParameter
            }
            ("torch", "FloatStorage") => float(Float::F32),
            ("torch", "HalfStorage") => float(Float::F16),
            ("torch", "BFloat16Storage") => float(Float::Bf16),
            ("torch", "DoubleStorage") => Self::Storage(Element::Double),
            ("torch", "LongStorage") => integer("I64", 8),
            ("torch", "IntStorage") => integer("I32", 4),
            ("torch", "ShortStorage") => integer("I16", 2),
            ("torch", "CharStorage") => integer("I8", 1),
            ("torch", "ByteStorage") => integer("U8", 1),
            ("torch", "BoolStorage") => integer("BOOL", 1),
            _ => return None,
        })
    }
}
