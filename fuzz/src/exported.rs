//! Exported networks around a description of their operators, sound whatever that says.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Bytes of each file of weights.
const BLOB_BYTES: usize = 2048;

/// Small numbers.
fn floats() -> Vec<u8> {
    let values = (0..BLOB_BYTES / 4).map(|at| (at % 13) as f32 / 8.0 - 0.7);
    values.flat_map(f32::to_le_bytes).collect()
}

/// Places in small tables.
fn wholes(count: usize) -> impl Iterator<Item = i64> {
    (0..count).map(|at| (at % 3) as i64)
}

/// An archive of `torch.export`: its graph, and the list of its weights. These lie in `weight_0` to `weight_7`, whole numbers in
/// the last two.
pub(crate) fn archive(graph: &[u8], weights: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, data: &[u8]| {
        archive.start_file(name, stored).expect("an archive in memory can be written");
        archive.write_all(data).expect("an archive in memory can be written");
    };
    add("net/archive_version", b"0");
    add("net/models/model.json", graph);
    add("net/data/weights/model_weights_config.json", weights);
    let (floats, wholes): (Vec<u8>, Vec<u8>) =
        (floats(), wholes(BLOB_BYTES / 8).flat_map(i64::to_le_bytes).collect());
    for index in 0..8 {
        add(&format!("net/data/weights/weight_{index}"), if index < 6 { &floats } else { &wholes });
    }
    archive.finish().expect("an archive in memory can be written").into_inner()
}

/// A safetensors file with a graph and its weights of these shapes.
pub(crate) fn safetensors(graph: &str, tensors: &[(String, Vec<usize>)]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), json!({"graph": graph, "exported_size": "16,16"}));
    let (mut data, floats) = (Vec::new(), floats());
    for (name, shape) in tensors {
        let start = data.len();
        data.extend(floats.iter().cycle().take(4 * shape.iter().product::<usize>()));
        let tensor = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(name.clone(), tensor);
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// An ONNX file of a description of its graph as JSON: `opset`, `inputs` and `outputs` with their shapes, `weights` with their
/// shapes or their whole numbers, and `nodes` with `op`, `in`, `out` and settings. `None` if it is no such description.
pub(crate) fn onnx(description: &Value) -> Option<Vec<u8>> {
    let mut opset = Message::default();
    opset.number(2, description.get("opset").and_then(Value::as_i64).unwrap_or(17));
    let mut model = Message::default();
    model.number(1, 8);
    model.message(7, &graph(description)?);
    model.message(8, &opset);
    Some(model.0)
}

fn graph(description: &Value) -> Option<Message> {
    let mut graph = Message::default();
    for node in description.get("nodes")?.as_array()? {
        graph.message(1, &self::node(node)?);
    }
    for (name, weight) in description.get("weights").and_then(Value::as_object).into_iter().flatten() {
        graph.message(5, &tensor(name, weight)?);
    }
    for (field, key) in [(11, "inputs"), (12, "outputs")] {
        for (name, shape) in description.get(key).and_then(Value::as_object).into_iter().flatten() {
            graph.message(field, &declared(name, shape));
        }
    }
    Some(graph)
}

fn node(description: &Value) -> Option<Message> {
    let mut node = Message::default();
    for (key, value) in description.as_object()? {
        match (key.as_str(), value) {
            ("in", Value::Array(names)) => names.iter().for_each(|name| node.value(1, name)),
            ("out", Value::Array(names)) => names.iter().for_each(|name| node.value(2, name)),
            ("op", Value::String(name)) => node.text(4, name),
            ("name", Value::String(name)) => node.text(3, name),
            (name, value) => node.message(5, &attribute(name, value)?),
        }
    }
    Some(node)
}

fn attribute(name: &str, value: &Value) -> Option<Message> {
    let mut attribute = Message::default();
    attribute.text(1, name);
    let kind = match value {
        Value::Number(number) => match number.as_i64() {
            Some(number) => {
                attribute.number(3, number);
                2
            }
            None => {
                attribute.float(2, number.as_f64()? as f32);
                1
            }
        },
        Value::String(text) => {
            attribute.text(4, text);
            3
        }
        Value::Array(values) if values.iter().all(Value::is_i64) => {
            values.iter().for_each(|value| attribute.value(8, value));
            7
        }
        Value::Array(values) => {
            values.iter().filter_map(Value::as_f64).for_each(|value| attribute.float(7, value as f32));
            6
        }
        Value::Object(branch) if branch.contains_key("nodes") => {
            attribute.message(6, &graph(value)?);
            5
        }
        Value::Object(_) => {
            attribute.message(5, &tensor("", value)?);
            4
        }
        _ => return None,
    };
    attribute.number(20, kind);
    Some(attribute)
}

/// `{"shape": [..], "wholes": [..]}`, or of small numbers without any.
fn tensor(name: &str, description: &Value) -> Option<Message> {
    let list = |key: &str| description.get(key).and_then(Value::as_array);
    let shape: Vec<i64> = list("shape").into_iter().flatten().filter_map(Value::as_i64).collect();
    let mut tensor = Message::default();
    shape.iter().for_each(|size| tensor.number(1, *size));
    tensor.text(8, name);
    match list("wholes") {
        Some(wholes) => {
            tensor.number(2, 7);
            wholes.iter().for_each(|value| tensor.value(7, value));
        }
        None => {
            let count = shape
                .iter()
                .try_fold(1, |count: usize, size| count.checked_mul(usize::try_from(*size).ok()?))?;
            tensor.number(2, 1);
            tensor.bytes(9, floats().get(..count.checked_mul(4)?)?);
        }
    }
    Some(tensor)
}

/// A tensor of floats of a shape, in which texts are free sizes.
fn declared(name: &str, shape: &Value) -> Message {
    let [mut sizes, mut tensor, mut kind, mut value] = [const { Message(Vec::new()) }; 4];
    for size in shape.as_array().into_iter().flatten() {
        let mut dimension = Message::default();
        match size {
            Value::String(text) => dimension.text(2, text),
            size => dimension.value(1, size),
        }
        sizes.message(1, &dimension);
    }
    tensor.number(1, 1);
    tensor.message(2, &sizes);
    kind.message(1, &tensor);
    value.text(1, name);
    value.message(2, &kind);
    value
}

/// A protobuf message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 128 {
            self.0.push(value as u8 | 128);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: i64) {
        self.varint(field << 3);
        self.varint(value as u64);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// A text or a whole number; nothing else has a place in a list.
    fn value(&mut self, field: u64, value: &Value) {
        match value {
            Value::String(text) => self.text(field, text),
            value => value.as_i64().into_iter().for_each(|number| self.number(field, number)),
        }
    }
}
