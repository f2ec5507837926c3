//! What a pickle can hold here: plain data, storages, tensors, and objects that nobody looks into; never code.

use std::fmt;

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
    /// Bytes that are no text; nothing here needs them.
    Bytes,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// In the order of insertion; a later entry of the same key replaces an earlier one.
    Dict(Vec<(Id, Id)>),
    /// A name that tensors are made with.
    Global(Global),
    /// Any other name.
    Class(Name<'a>),
    /// What calling such a name would make.
    Object(Box<Object<'a>>),
    Storage(Storage<'a>),
    Tensor(View),
}

impl Value<'_> {
    /// What this is, for messages.
    pub(super) fn kind(&self) -> String {
        let kind = match self {
            Self::None => "None",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Real => "a number",
            Self::Text(_) => "a text",
            Self::Bytes => "bytes",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Global(_) => "a Python class",
            Self::Class(name) => return format!("the Python class {name}"),
            Self::Object(object) if object.class.makes_array() => "an array of NumPy",
            Self::Object(object) => return format!("a Python object, {}", object.class),
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        };
        kind.to_owned()
    }
}

/// The name of a Python object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
}

impl Name<'_> {
    /// Whether the name has no use in a checkpoint but to run something on the machine that loads it.
    ///
    /// Nothing is ever run here, whatever the name. But whoever has such a file should hear of it.
    pub(super) fn runs_something(self) -> bool {
        let begins = |starts: &[&str]| starts.iter().any(|start| self.name.starts_with(start));
        match self.module {
            "os" | "posix" | "nt" => begins(&["system", "popen", "exec", "spawn", "posix_spawn", "fork"]),
            "builtins" | "__builtin__" => {
                ["eval", "exec", "execfile", "compile", "__import__"].contains(&self.name)
            }
            "subprocess" | "runpy" | "pty" | "commands" => true,
            _ => false,
        }
    }

    /// Whether calling it makes an array of NumPy.
    pub(super) fn makes_array(self) -> bool {
        self.module.starts_with("numpy.") && ["_reconstruct", "_frombuffer"].contains(&self.name)
    }
}

/// Fit for a message: control characters are escaped, the length is bounded.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_CHARS: usize = 120;
        let full = || self.module.chars().chain(['.']).chain(self.name.chars());
        for shown in full().take(MAX_CHARS).flat_map(char::escape_debug) {
            write!(f, "{shown}")?;
        }
        if full().nth(MAX_CHARS).is_some() { f.write_str("...") } else { Ok(()) }
    }
}

/// A Python object that no tensor needs.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) class: Name<'a>,
    /// What a dictionary of somebody's own holds.
    pub(super) entries: Vec<(Id, Id)>,
    pub(super) attributes: Option<Id>,
}

impl<'a> Object<'a> {
    pub(super) fn of(class: Name<'a>) -> Self {
        Self { class, entries: Vec::new(), attributes: None }
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
    /// Integers, and what else no network here reads.
    Other {
        name: &'static str,
        size_bytes: usize,
    },
}

impl Element {
    pub(super) fn size_bytes(self) -> usize {
        match self {
            Self::Float(float) => float.size_bytes(),
            Self::Other { size_bytes, .. } => size_bytes,
        }
    }
}

/// Every Python name that tensors are made with. None of them runs anything: each stands for a shape of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Size,
    RebuildTensor,
    /// A tensor of a type that has no storage of its own: eight-bit floating-point numbers and others.
    RebuildTensorOfType,
    RebuildParameter,
    /// A tensor on which somebody hung attributes.
    RebuildFromType,
    /// An object of the class that is its first argument.
    Reconstruct,
    Storage(Element),
}

impl Global {
    /// The meaning of a name, if it is one of the few that tensors need.
    pub(super) fn from_name(name: Name<'_>) -> Option<Self> {
        let other = |name, size_bytes| Self::Storage(Element::Other { name, size_bytes });
        let float = |float| Self::Storage(Element::Float(float));
        Some(match (name.module, name.name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("copyreg" | "copy_reg", "_reconstructor" | "__newobj__") => Self::Reconstruct,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::RebuildTensorOfType,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Self::RebuildParameter
            }
            ("torch._tensor", "_rebuild_from_type_v2") => Self::RebuildFromType,
            ("torch" | "torch.cuda", storage) => match storage {
                "FloatStorage" => float(Float::F32),
                "HalfStorage" => float(Float::F16),
                "BFloat16Storage" => float(Float::Bf16),
                "DoubleStorage" => float(Float::F64),
                "LongStorage" => other("I64", 8),
                "IntStorage" => other("I32", 4),
                "ShortStorage" => other("I16", 2),
                "CharStorage" => other("I8", 1),
                "ByteStorage" => other("U8", 1),
                "BoolStorage" => other("BOOL", 1),
                "ComplexFloatStorage" => other("C64", 8),
                "ComplexDoubleStorage" => other("C128", 16),
                "QInt8Storage" => other("QI8", 1),
                "QUInt8Storage" => other("QU8", 1),
                "QInt32Storage" => other("QI32", 4),
                _ => return None,
            },
            _ => return None,
        })
    }
}
