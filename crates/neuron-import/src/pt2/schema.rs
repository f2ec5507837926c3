//! The JSON of `torch.export`, as far as it is read here (schema version 8).

use serde::Deserialize;
use serde_json::Value;

/// `models/model.json`
#[derive(Deserialize)]
pub(super) struct ExportedProgram {
    pub(super) graph_module: GraphModule,
}

#[derive(Deserialize)]
pub(super) struct GraphModule {
    pub(super) graph: Graph,
    pub(super) signature: Signature,
}

#[derive(Deserialize)]
pub(super) struct Graph {
    #[serde(default)]
    pub(super) inputs: Vec<Argument>,
    #[serde(default)]
    pub(super) outputs: Vec<Argument>,
    pub(super) nodes: Vec<Node>,
    #[serde(default)]
    tensor_values: std::collections::BTreeMap<String, TensorMeta>,
}

impl Graph {
    /// The shape that a tensor had when the network was exported.
    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensor_values.get(name)?.sizes.iter().map(Size::hint).collect()
    }
}

#[derive(Deserialize)]
pub(super) struct Signature {
    pub(super) input_specs: Vec<InputSpec>,
}

/// A value by its name.
#[derive(Deserialize)]
pub(super) struct TensorName {
    pub(super) name: String,
}

/// What an input of the graph is.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum InputSpec {
    /// A parameter or a buffer.
    Parameter {
        arg: TensorName,
        name: String,
    },
    /// A tensor that the network's code holds.
    Constant {
        arg: TensorName,
        name: String,
    },
    /// What the user hands in.
    UserInput {
        arg: Argument,
    },
    Other {
        kind: String,
    },
}

impl TryFrom<Value> for InputSpec {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let Value::Object(fields) = value else { return Err("an input that is no object".to_owned()) };
        let (kind, spec) = fields.into_iter().next().ok_or("an input without a kind")?;
        let text = |key: &str| -> Result<String, String> {
            let text = spec.get(key).and_then(Value::as_str);
            text.map(str::to_owned).ok_or_else(|| format!("a {kind} without {key}"))
        };
        let arg = || -> Result<TensorName, String> {
            let arg = spec.get("arg").cloned().unwrap_or_default();
            serde_json::from_value(arg).map_err(|error| format!("a {kind}: {error}"))
        };
        Ok(match kind.as_str() {
            "parameter" => Self::Parameter { arg: arg()?, name: text("parameter_name")? },
            "buffer" => Self::Parameter { arg: arg()?, name: text("buffer_name")? },
            "tensor_constant" => Self::Constant { arg: arg()?, name: text("tensor_constant_name")? },
            "user_input" => {
                let arg = spec.get("arg").cloned().unwrap_or_default();
                Self::UserInput { arg: serde_json::from_value(arg).map_err(|error| error.to_string())? }
            }
            "constant_input" => Self::UserInput { arg: Argument::Other },
            _ => Self::Other { kind },
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Node {
    pub(super) target: String,
    #[serde(default)]
    name: Option<String>,
    pub(super) inputs: Vec<NamedArgument>,
    pub(super) outputs: Vec<Argument>,
    #[serde(default)]
    pub(super) metadata: std::collections::BTreeMap<String, Value>,
}

impl Node {
    /// Its name, or that of what it makes.
    pub(super) fn name(&self) -> &str {
        let made = || self.outputs.iter().flat_map(Argument::names).next();
        self.name.as_deref().filter(|name| !name.is_empty()).or_else(made).unwrap_or(&self.target)
    }
}

#[derive(Deserialize)]
pub(super) struct NamedArgument {
    #[serde(default)]
    pub(super) name: String,
    pub(super) arg: Argument,
}

/// What an operator is given, or gives.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum Argument {
    None,
    Tensor(TensorName),
    Tensors(Vec<TensorName>),
    OptionalTensors(Vec<Option<TensorName>>),
    Int(i64),
    Ints(Vec<i64>),
    Float(f64),
    Floats(Vec<f64>),
    Bool(bool),
    Text(String),
    SymInt(Symbolic),
    SymInts(Vec<Symbolic>),
    Element(u64),
    Graph(Box<Graph>),
    Other,
}

/// A number that is known, or another operator's result.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Symbolic {
    AsInt(i64),
    AsName(String),
}

impl Argument {
    /// The names of the values that it is.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let names: Vec<&str> = match self {
            Self::Tensor(tensor) => vec![&tensor.name],
            Self::Tensors(tensors) => tensors.iter().map(|tensor| tensor.name.as_str()).collect(),
            Self::SymInt(Symbolic::AsName(name)) => vec![name],
            _ => Vec::new(),
        };
        names.into_iter()
    }
}

impl TryFrom<Value> for Argument {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let Value::Object(fields) = value else { return Ok(Self::Other) };
        let Some((kind, value)) = fields.into_iter().next() else { return Ok(Self::Other) };
        fn read<T: serde::de::DeserializeOwned>(kind: &str, value: Value) -> Result<T, String> {
            serde_json::from_value(value).map_err(|error| format!("{kind}: {error}"))
        }
        Ok(match kind.as_str() {
            "as_none" => Self::None,
            "as_tensor" => Self::Tensor(read(&kind, value)?),
            "as_tensors" => Self::Tensors(read(&kind, value)?),
            "as_optional_tensor" => match optional(value)? {
                None => Self::None,
                Some(tensor) => Self::Tensor(tensor),
            },
            "as_optional_tensors" => {
                let list: Vec<Value> = read(&kind, value)?;
                Self::OptionalTensors(list.into_iter().map(optional).collect::<Result<_, _>>()?)
            }
            "as_int" => Self::Int(read(&kind, value)?),
            "as_ints" => Self::Ints(read(&kind, value)?),
            "as_float" => Self::Float(float(&value)?),
            "as_floats" => {
                let list: Vec<Value> = read(&kind, value)?;
                Self::Floats(list.iter().map(float).collect::<Result<_, _>>()?)
            }
            "as_bool" => Self::Bool(read(&kind, value)?),
            "as_string" => Self::Text(read(&kind, value)?),
            "as_sym_int" => Self::SymInt(read(&kind, value)?),
            "as_sym_ints" => Self::SymInts(read(&kind, value)?),
            "as_scalar_type" => Self::Element(read(&kind, value)?),
            "as_graph" => {
                let graph = value.get("graph").cloned().unwrap_or_default();
                Self::Graph(Box::new(read(&kind, graph)?))
            }
            _ => Self::Other,
        })
    }
}

/// `{"as_tensor": {..}}` or `{"as_none": true}`
fn optional(value: Value) -> Result<Option<TensorName>, String> {
    match Argument::try_from(value)? {
        Argument::Tensor(tensor) => Ok(Some(tensor)),
        _ => Ok(None),
    }
}

/// A number, of which JSON cannot spell every one.
fn float(value: &Value) -> Result<f64, String> {
    let named = |text: &str| match text {
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => None,
    };
    let number = value.as_f64().or_else(|| named(value.as_str()?));
    number.ok_or_else(|| format!("{value} is no number"))
}

/// Of a value, or of weights.
#[derive(Deserialize)]
pub(super) struct TensorMeta {
    pub(super) dtype: u64,
    pub(super) sizes: Vec<Size>,
    #[serde(default)]
    pub(super) strides: Vec<Size>,
    #[serde(default)]
    pub(super) storage_offset: Option<Size>,
}

/// A size, which may be free.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Size {
    AsInt(u64),
    AsExpr(Expression),
    #[serde(other)]
    Other,
}

/// A free size, and what it was when the network was exported.
#[derive(Deserialize)]
pub(super) struct Expression {
    #[serde(default)]
    hint: Option<Box<Size>>,
}

impl Size {
    /// What it is, or was when the network was exported.
    pub(super) fn hint(&self) -> Option<usize> {
        match self {
            Self::AsInt(size) => usize::try_from(*size).ok(),
            Self::AsExpr(expression) => expression.hint.as_deref()?.hint(),
            Self::Other => None,
        }
    }
}
