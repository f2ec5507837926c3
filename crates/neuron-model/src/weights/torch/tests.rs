//! Checkpoints assembled byte by byte: what torch writes, and what it never would.

use std::io::{Cursor, Write};

use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;
use crate::Weights;
use crate::weights::{Choice, from_bytes};

/// A pickle under construction.
#[derive(Clone, Default)]
struct Assembler(Vec<u8>);

impl Assembler {
    fn new() -> Self {
        Self(vec![0x80, 2])
    }

    fn op(mut self, opcode: u8) -> Self {
        self.0.push(opcode);
        self
    }

    fn text(mut self, text: &str) -> Self {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    fn int(mut self, value: i32) -> Self {
        self.0.push(b'J');
        self.0.extend(value.to_le_bytes());
        self
    }

    fn ints(self, values: &[i32]) -> Self {
        values.iter().fold(self.op(b'('), |pickle, &value| pickle.int(value)).op(b't')
    }

    fn global(mut self, module: &str, name: &str) -> Self {
        self.0.extend(format!("c{module}\n{name}\n").as_bytes());
        self
    }

    /// A call of `_rebuild_tensor_v2` on the storage `key`.
    fn tensor(self, storage: &Storage, offset: i32, shape: &[i32], strides: &[i32]) -> Self {
        let Storage { class, key, count } = *storage;
        let reference = self
            .global("torch._utils", "_rebuild_tensor_v2")
            .op(b'(')
            .op(b'(')
            .text("storage")
            .global("torch", class)
            .text(key)
            .text("cpu")
            .int(count);
        let view = reference.op(b't').op(b'Q').int(offset).ints(shape).ints(strides).op(0x89);
        view.global("collections", "OrderedDict").op(b')').op(b'R').op(b't').op(b'R')
    }

    fn stop(self) -> Vec<u8> {
        self.op(b'.').0
    }
}

#[derive(Clone, Copy)]
struct Storage {
    class: &'static str,
    key: &'static str,
    count: i32,
}

const FLOATS: Storage = Storage { class: "FloatStorage", key: "0", count: 6 };

fn six_floats() -> Vec<u8> {
    [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `{name: tensor}` with one tensor of `FLOATS`.
fn one_tensor(name: &str, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let pickle = Assembler::new().op(b'}').op(b'(').text(name);
    pickle.tensor(&FLOATS, offset, shape, strides).op(b'u').stop()
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, data) in entries {
        archive.start_file(*name, stored).unwrap();
        archive.write_all(data).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// As [`zip_of`], with entries that seem to be packed by a method that nobody knows.
fn packed_zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = zip_of(entries);
    for (start, method_at) in [(&b"PK\x03\x04"[..], 8), (b"PK\x01\x02", 10)] {
        let found: Vec<usize> = (0..file.len()).filter(|&at| file[at..].starts_with(start)).collect();
        found.iter().for_each(|at| file[at + method_at] = 97);
    }
    file
}

/// An archive byte for byte as torch writes it: data at multiples of 64 bytes, the rest filled by an extra field
/// `FB`, and the longer end record (zip64) beside the ordinary one, although nothing needs it.
fn torch_zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut list) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let begin = file.len();
        let hash = crc32(data);
        let (name_length, size) = ((name.len() as u16).to_le_bytes(), (data.len() as u32).to_le_bytes());
        let about = [&[0, 0, 0, 0, 0, 0, 0, 0][..], &hash.to_le_bytes(), &size, &size, &name_length].concat();
        let padding = (64 - (begin + 30 + name.len() + 4) % 64) % 64;
        let extra = [&b"FB"[..], &(padding as u16).to_le_bytes(), &vec![b'Z'; padding]].concat();
        let extra_length = (extra.len() as u16).to_le_bytes();
        file.extend([&b"PK\x03\x04\0\0"[..], &about, &extra_length, name.as_bytes(), &extra, data].concat());
        let place = (begin as u32).to_le_bytes();
        // No extra field, no comment, the first disk, no attributes.
        list.extend([&b"PK\x01\x02\0\0\0\0"[..], &about, &[0; 12], &place, name.as_bytes()].concat());
    }
    let (at, count) = (file.len() as u64, entries.len() as u64);
    let (list_size, long_end) = (list.len() as u64, at + list.len() as u64);
    file.extend(list);
    let counts = [count, count, list_size, at].map(u64::to_le_bytes).concat();
    file.extend([&b"PK\x06\x06"[..], &44u64.to_le_bytes(), &[45, 0, 45, 0], &[0; 8], &counts].concat());
    file.extend([&b"PK\x06\x07\0\0\0\0"[..], &long_end.to_le_bytes(), &1u32.to_le_bytes()].concat());
    let short = (count as u16).to_le_bytes();
    let sizes = [(list_size as u32).to_le_bytes(), (at as u32).to_le_bytes()].concat();
    file.extend([&b"PK\x05\x06\0\0\0\0"[..], &short, &short, &sizes, &[0, 0]].concat());
    file
}

/// CRC-32 (IEEE 802.3), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}

/// A folder's files as `zip -r` packs them.
fn deflated(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let packed = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    archive.add_directory("net/", SimpleFileOptions::default()).unwrap();
    for (name, data) in entries {
        archive.start_file(*name, packed).unwrap();
        archive.write_all(data).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_checkpoint_that_was_unpacked_and_packed_again_opens() {
    let pickle = one_tensor("w", 0, &[6], &[1]);
    let file =
        deflated(&[("net/data.pkl", &pickle), ("net/byteorder", b"little"), ("net/data/0", &six_floats())]);
    assert_eq!(&*open(&file).unwrap().tensor("w").unwrap().data, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert!(matches!(torch_error(&packed_zip(&[("net/data.pkl", &pickle)])), TorchError::Compressed { .. }));
}

#[test]
fn what_unpacks_to_far_more_than_a_checkpoint_is_refused() {
    let zeros = vec![0; 65 << 20];
    let file = deflated(&[("net/data.pkl", &one_tensor("w", 0, &[6], &[1])), ("net/data/0", &zeros)]);
    assert!(matches!(torch_error(&file), TorchError::Unpacked { .. }));
    // The same, with a length of six floats: what there is more is never unpacked.
    let mut lying = file.clone();
    let length = (zeros.len() as u32).to_le_bytes();
    for at in (0..lying.len() - 4).filter(|&at| file[at..at + 4] == length) {
        lying[at..at + 4].copy_from_slice(&24u32.to_le_bytes());
    }
    assert_ne!(lying, file);
    assert!(matches!(torch_error(&lying), TorchError::DamagedEntry { .. } | TorchError::Zip { .. }));
}

#[test]
fn every_length_of_the_files_name_opens() {
    let pickle = one_tensor("w", 0, &[6], &[1]);
    for length in 1..=64 {
        let stem = "s".repeat(length);
        let name = |end: &str| format!("{stem}/{end}");
        let (objects, order, data) = (name("data.pkl"), name("byteorder"), name("data/0"));
        let entries = [(objects.as_str(), &pickle[..]), (&order, b"little"), (&data, &six_floats())];
        let file = torch_zip(&entries);
        let weights = open(&file).unwrap_or_else(|error| panic!("a stem of {length} letters: {error:?}"));
        assert_eq!(&*weights.tensor("w").unwrap().data, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}

fn zip_checkpoint(pickle: &[u8]) -> Vec<u8> {
    zip_of(&[("net/data.pkl", pickle), ("net/byteorder", b"little"), ("net/data/0", &six_floats())])
}

/// A legacy file: three pickles of preamble, the objects, the keys, the data.
fn legacy_checkpoint(pickle: &[u8]) -> Vec<u8> {
    let magic = [&[0x80, 2, 0x8a, 10][..], b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", b"."].concat();
    let version = Assembler::new().int(1001).stop();
    let system = Assembler::new().op(b'}').text("little_endian").op(0x88).op(b's').stop();
    let keys = Assembler::new().op(b']').text("0").op(b'a').stop();
    [magic, version, system, pickle.to_vec(), keys, 6u64.to_le_bytes().to_vec(), six_floats()].concat()
}

fn open(bytes: &[u8]) -> Result<Weights, ModelError> {
    assert!(recognise(bytes));
    Weights::from_bytes(bytes, "w.pth".as_ref())
}

fn names(weights: &Weights) -> Vec<&str> {
    weights.names().collect()
}

fn left_out(weights: &Weights) -> Vec<(&str, &str)> {
    weights.left_out().collect()
}

fn torch_error(bytes: &[u8]) -> TorchError {
    match open(bytes).unwrap_err() {
        ModelError::Torch { source, .. } => source,
        other => panic!("{other}"),
    }
}

/// The problem that a damaged pickle in a sound archive is reported with.
fn problem(pickle: Assembler) -> &'static str {
    match torch_error(&zip_checkpoint(&pickle.stop())) {
        TorchError::Malformed { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn both_forms_hold_the_same_tensor() {
    let pickle = one_tensor("fc.weight", 0, &[2, 3], &[3, 1]);
    for file in [zip_checkpoint(&pickle), legacy_checkpoint(&pickle)] {
        let weights = open(&file).unwrap();
        assert_eq!(names(&weights), ["fc.weight"]);
        let tensor = weights.tensor("fc.weight").unwrap();
        assert_eq!(
            (tensor.shape.as_slice(), &*tensor.data),
            (&[2, 3][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..])
        );
    }
}

#[test]
fn strided_views_are_put_in_order() {
    let data = |offset, shape: &[i32], strides: &[i32]| {
        let weights = open(&zip_checkpoint(&one_tensor("w", offset, shape, strides))).unwrap();
        weights.tensor("w").unwrap().data.to_vec()
    };
    assert_eq!(data(0, &[3, 2], &[1, 3]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(data(1, &[2], &[4]), [1.0, 5.0]);
    assert_eq!(data(5, &[], &[]), [5.0]);
    assert_eq!(data(2, &[2, 2], &[0, 1]), [2.0, 3.0, 2.0, 3.0]);
    assert_eq!(data(3, &[1, 2], &[99, 1]), [3.0, 4.0], "the stride of an axis of one is never used");
    assert!(data(0, &[0, 4], &[4, 1]).is_empty());
}

#[test]
fn wrappers_and_prefixes_are_taken_off() {
    let wrapped = |key: &str, name: &str| {
        let pickle = Assembler::new().op(b'}').op(b'(').text("epoch").int(3).text(key).op(b'}').op(b'(');
        let pickle = pickle.text(name).tensor(&FLOATS, 0, &[6], &[1]).op(b'u').op(b'u').stop();
        open(&zip_checkpoint(&pickle)).unwrap()
    };
    for (key, name) in
        [("state_dict", "module.fc.bias"), ("model", "fc.bias"), ("net", "_orig_mod.module.fc.bias")]
    {
        let weights = wrapped(key, name);
        assert_eq!(names(&weights), ["fc.bias"]);
        assert!(left_out(&weights).is_empty(), "what lies beside the state_dict is none of its entries");
    }
}

#[test]
fn a_prefix_that_only_some_names_have_belongs_to_them() {
    let pickle = Assembler::new().op(b'}').op(b'(');
    let pickle = pickle.text("module.a").tensor(&FLOATS, 0, &[6], &[1]);
    let pickle = pickle.text("b").tensor(&FLOATS, 0, &[6], &[1]).op(b'u').stop();
    assert_eq!(names(&open(&zip_checkpoint(&pickle)).unwrap()), ["b", "module.a"]);
}

#[test]
fn parameters_attributes_and_the_dictionaries_of_python_2_are_understood() {
    let parameter = |pickle: Assembler| {
        let pickle = pickle.global("torch._utils", "_rebuild_parameter").op(b'(');
        pickle.tensor(&FLOATS, 0, &[6], &[1]).op(0x88).op(b'}').op(b't').op(b'R')
    };
    let pairs = Assembler::new().global("collections", "OrderedDict").op(b']').op(b']').text("w").op(b'a');
    let dict = parameter(pairs).op(b'a').op(b'a').op(0x85).op(b'R');
    let with_attributes = dict.op(b'}').text("_metadata").op(b'N').op(b's').op(b'b').stop();
    assert_eq!(open(&zip_checkpoint(&with_attributes)).unwrap().tensor("w").unwrap().shape, [6]);
}

#[test]
fn what_is_no_float_tensor_is_listed() {
    let counter = Storage { class: "LongStorage", key: "0", count: 3 };
    let pickle = Assembler::new().op(b'}').op(b'(').text("n").tensor(&counter, 0, &[], &[]);
    let pickle = pickle.text("epoch").int(7).text("w").tensor(&FLOATS, 0, &[6], &[1]).op(b'u').stop();
    let weights = open(&zip_checkpoint(&pickle)).unwrap();
    assert_eq!(left_out(&weights), [("epoch", "an integer"), ("n", "a tensor of I64")]);
}

#[test]
fn doubles_are_rounded() {
    let doubles = Storage { class: "DoubleStorage", key: "0", count: 3 };
    let pickle = Assembler::new().op(b'}').text("w").tensor(&doubles, 1, &[2], &[1]).op(b's').stop();
    // Six floats as three doubles.
    let bits =
        |low: f32, high: f32| f64::from_bits((u64::from(high.to_bits()) << 32) | u64::from(low.to_bits()));
    let expected = [bits(2.0, 3.0) as f32, bits(4.0, 5.0) as f32];
    assert_eq!(&*open(&zip_checkpoint(&pickle)).unwrap().tensor("w").unwrap().data, expected);
}

/// An object as pickle makes most of them: a class called with nothing, its attributes set.
fn namespace(pickle: Assembler) -> Assembler {
    pickle.global("argparse", "Namespace").op(b')').op(0x81).op(b'}').text("lr").int(1).op(b's').op(b'b')
}

#[test]
fn objects_that_no_tensor_needs_are_passed_over() {
    let number = |pickle: Assembler| {
        let dtype = pickle.global("numpy._core.multiarray", "scalar").global("numpy", "dtype");
        let dtype =
            dtype.text("f8").op(0x89).op(0x88).op(0x87).op(b'R').op(b'(').int(3).text("<").op(b't').op(b'b');
        dtype.global("_codecs", "encode").text("x").text("latin1").op(0x86).op(b'R').op(0x86).op(b'R')
    };
    let path = |pickle: Assembler| {
        pickle.global("pathlib", "PosixPath").op(b'(').text("/").text("x").op(b't').op(b'R')
    };
    let lambda = |pickle: Assembler| pickle.global("__main__", "<lambda>");
    let set = |pickle: Assembler| pickle.global("__builtin__", "set").op(b']').op(0x85).op(b'R');
    let moment = |pickle: Assembler| {
        let mut pickle = pickle.global("datetime", "datetime").op(b'C');
        pickle.0.extend([4, 0xff, 0xfe, 0, 0x80]);
        pickle.op(0x85).op(b'R')
    };
    let old_style = |pickle: Assembler| pickle.op(b'(').global("a", "Old").int(1).op(b'o').op(b'(').int(1);
    let old_style = |pickle: Assembler| {
        let mut pickle = old_style(pickle);
        pickle.0.extend(b"ib\nOlder\n");
        pickle.op(0x86)
    };
    let by_name = |pickle: Assembler| {
        pickle.global("a", "New").op(b')').op(b'}').op(0x92).op(0x8f).op(b'(').int(1).op(0x90).op(b'0')
    };
    let huge = |pickle: Assembler| {
        let mut pickle = pickle.op(0x8a);
        pickle.0.extend([20; 21]);
        pickle
    };
    let objects: [&dyn Fn(Assembler) -> Assembler; 9] =
        [&namespace, &number, &path, &lambda, &set, &moment, &old_style, &by_name, &huge];
    for (index, object) in objects.into_iter().enumerate() {
        let pickle = Assembler::new().op(b'}').op(b'(').text("args");
        let pickle = object(pickle).text("model").op(b'}').text("fc.weight");
        let pickle = pickle.tensor(&FLOATS, 0, &[2, 3], &[3, 1]).op(b's').op(b'u').stop();
        for file in [zip_checkpoint(&pickle), legacy_checkpoint(&pickle)] {
            let weights = open(&file).unwrap_or_else(|error| panic!("object {index}: {error:?}"));
            assert_eq!(names(&weights), ["fc.weight"], "object {index}");
        }
    }
}

#[test]
fn an_object_among_the_tensors_is_left_out_by_its_name() {
    let pickle = Assembler::new().op(b'}').op(b'(').text("w").tensor(&FLOATS, 0, &[6], &[1]).text("args");
    let weights = open(&zip_checkpoint(&namespace(pickle).op(b'u').stop())).unwrap();
    assert_eq!(left_out(&weights), [("args", "a Python object, argparse.Namespace")]);
}

#[test]
fn a_dictionary_of_somebodys_own_is_one() {
    let own = |pickle: Assembler| pickle.global("my", "StateDict").op(b')').op(b'R').op(b'(').text("w");
    let whole = own(Assembler::new()).tensor(&FLOATS, 0, &[6], &[1]).op(b'u').stop();
    let inner =
        own(Assembler::new().op(b'}').text("net")).tensor(&FLOATS, 0, &[6], &[1]).op(b'u').op(b's').stop();
    for pickle in [whole, inner] {
        assert_eq!(names(&open(&zip_checkpoint(&pickle)).unwrap()), ["w"]);
    }
}

#[test]
fn networks_in_lists_and_tuples_are_found_and_named() {
    let network = |pickle: Assembler| pickle.op(b'}').text("w").tensor(&FLOATS, 0, &[6], &[1]).op(b's');
    let new = Assembler::new;
    let cases = [
        (network(new()).int(3).op(0x86), "[0]"),
        (network(new().op(b']').op(b'(').op(b'}')).op(b'e'), "[1]"),
        (network(new().op(b'}').text("model").op(b']')).op(b'a').op(b's'), "model[0]"),
        (network(new().int(7).op(b'}').text("model").op(b']')).op(b'a').op(b's').op(0x86), "[1].model[0]"),
    ];
    for (pickle, place) in cases {
        for file in [zip_checkpoint(&pickle.clone().stop()), legacy_checkpoint(&pickle.clone().stop())] {
            let weights = open(&file).unwrap();
            assert_eq!((names(&weights), weights.origin().dictionary.as_str()), (vec!["w"], place));
        }
    }
}

#[test]
fn of_two_in_a_list_a_key_takes_one() {
    let network = |pickle: Assembler| pickle.op(b'}').text("w").tensor(&FLOATS, 0, &[6], &[1]).op(b's');
    let two = network(network(Assembler::new().op(b'}').text("model").op(b']').op(b'(')));
    let file = zip_checkpoint(&two.op(b'e').op(b's').stop());
    for (key, place) in [("[1]", "model[1]"), ("model[1]", "model[1]"), ("model", "model[0]")] {
        let choice = Choice { key: Some(key), ..Choice::default() };
        let weights = from_bytes(&file, "w.pth".as_ref(), &choice).unwrap();
        assert_eq!(weights.origin().dictionary, place, "{key}");
    }
}

#[test]
fn a_list_of_names_and_tensors_is_a_dictionary() {
    let pair = Assembler::new().op(b']').text("w").tensor(&FLOATS, 0, &[6], &[1]).op(0x86).op(b'a');
    assert_eq!(names(&open(&zip_checkpoint(&pair.stop())).unwrap()), ["w"]);
}

#[test]
fn a_long_log_beside_a_network_does_not_hide_it() {
    let log = Assembler::new().op(b'}').op(b'(').text("log").op(b']').op(b'(');
    let log = (0..5000).fold(log, |pickle, _| pickle.op(b']')).op(b'e');
    let model = log.text("model").op(b'}').text("net").op(b'}').text("w").tensor(&FLOATS, 0, &[6], &[1]);
    let weights = open(&zip_checkpoint(&model.op(b's').op(b's').op(b'u').stop())).unwrap();
    assert_eq!(weights.origin().dictionary, "model.net");
}

#[test]
fn a_tensor_with_attributes_is_a_tensor() {
    let pickle =
        Assembler::new().op(b'}').text("w").global("torch._tensor", "_rebuild_from_type_v2").op(b'(');
    let pickle = pickle.global("torch._utils", "_rebuild_tensor_v2").global("torch", "Tensor").op(b'(');
    let pickle = pickle.op(b'(').text("storage").global("torch", "FloatStorage").text("0").text("cpu").int(6);
    let pickle = pickle.op(b't').op(b'Q').int(0).ints(&[6]).ints(&[1]).op(0x89).op(b'N').op(b't');
    let pickle = pickle.op(b'}').op(b't').op(b'R').op(b's').stop();
    assert_eq!(open(&zip_checkpoint(&pickle)).unwrap().tensor("w").unwrap().shape, [6]);
}

/// A `torch.nn.Module` as pickle sees it, around nothing.
fn module(pickle: Assembler) -> Assembler {
    let state = pickle.global("torchvision.models.resnet", "ResNet").op(b')').op(0x81).op(b'}').op(b'(');
    state.text("_parameters").op(b'}').text("_modules").op(b'}').op(b'u').op(b'b')
}

#[test]
fn a_whole_module_is_named_and_the_way_out_told() {
    let alone = module(Assembler::new()).stop();
    let beside = module(Assembler::new().op(b'}').op(b'(').text("model"));
    let beside = beside.text("mean").tensor(&FLOATS, 0, &[6], &[1]).op(b'u').stop();
    for pickle in [alone, beside] {
        let error = torch_error(&zip_checkpoint(&pickle));
        assert!(matches!(error, TorchError::WholeModule { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("torchvision.models.resnet.ResNet"), "{message}");
        assert!(message.contains("torch.save(model.state_dict(), file)"), "{message}");
    }
    // Legacy files keep the source of the class beside it.
    let class = Assembler::new()
        .op(b'(')
        .text("module")
        .global("my", "Net")
        .text("net.py")
        .text("class")
        .op(b't')
        .op(b'Q');
    let state = class.op(b')').op(0x81).op(b'}').op(b'(').text("_parameters").op(b'}').text("w");
    let state = state.tensor(&FLOATS, 0, &[6], &[1]).op(b's').text("_modules").op(b'}').op(b'u').op(b'b');
    let error = torch_error(&legacy_checkpoint(&state.stop()));
    assert!(matches!(error, TorchError::WholeModule { ref class } if class == "my.Net"), "{error}");
}

#[test]
fn what_holds_no_network_is_told_by_what_it_is() {
    let optimizer = Assembler::new().op(b'}').op(b'(').text("state").op(b'}').int(0);
    let optimizer =
        optimizer.tensor(&FLOATS, 0, &[6], &[1]).op(b's').text("param_groups").op(b']').op(b'u').stop();
    assert!(matches!(torch_error(&zip_checkpoint(&optimizer)), TorchError::OptimizerOnly));
    for (entry, what) in [("model.weights.h5", "Keras"), ("arr_0.npy", "NumPy"), ("a/net.pth", "unpack")] {
        let message = torch_error(&zip_of(&[(entry, b"x")])).to_string();
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn numbers_of_another_kind_are_named_and_how_to_save_them_told() {
    let array = |pickle: Assembler| {
        let pickle = pickle.global("numpy._core.multiarray", "_reconstruct").global("numpy", "ndarray");
        pickle.int(0).op(0x85).text("b").op(0x87).op(b'R').op(b'(').int(1).ints(&[6]).op(b't').op(b'b')
    };
    let eight_bits = |pickle: Assembler| {
        let pickle = pickle.global("torch._utils", "_rebuild_tensor_v3").op(b'(').op(b'(').text("storage");
        let pickle = pickle.global("torch.storage", "UntypedStorage").text("0").text("cpu").int(24).op(b't');
        let pickle = pickle.op(b'Q').int(0).ints(&[6]).ints(&[1]).op(0x89);
        let pickle = pickle.global("collections", "OrderedDict").op(b')').op(b'R');
        pickle.global("torch", "float8_e4m3fn").op(b't').op(b'R')
    };
    let kinds: [(&dyn Fn(Assembler) -> Assembler, &str); 2] =
        [(&array, "w is an array of NumPy"), (&eight_bits, "w is a tensor of torch.float8_e4m3fn")];
    for (numbers, said) in kinds {
        let plain = numbers(Assembler::new().op(b'}').text("w")).op(b's');
        let inner = numbers(Assembler::new().op(b'}').text("model").op(b'}').text("w")).op(b's').op(b's');
        for pickle in [plain, inner] {
            let message = torch_error(&zip_checkpoint(&pickle.stop())).to_string();
            assert!(
                message.contains(said) && message.contains("torch.as_tensor(value).float()"),
                "{message}"
            );
        }
        let mixed = Assembler::new().op(b'}').op(b'(').text("v").tensor(&FLOATS, 0, &[6], &[1]).text("w");
        let weights = open(&zip_checkpoint(&numbers(mixed).op(b'u').stop())).unwrap();
        assert_eq!((names(&weights), left_out(&weights).len()), (vec!["v"], 1));
    }
}

#[test]
fn programs_are_known_before_their_packed_entries_are_met() {
    let none = &b"\x80\x02N."[..];
    // torch.jit.save packs code and puts it before the constants; torch 1.0 had none.
    let script =
        [("net/data.pkl", none), ("net/code/__torch__.py", b"x"), ("net/constants.pkl", b"\x80\x02).")];
    for entries in [&script[..], &script[..2], &[script[0], script[2]]] {
        for file in [zip_of(entries), packed_zip(entries)] {
            assert!(matches!(torch_error(&file), TorchError::TorchScript), "{entries:?}");
        }
    }
    let numbers = ("net/data/weights/weight_0", &b"0123"[..]);
    let new = [numbers, ("net/data/sample_inputs/model.pt", none), ("net/archive_format", b"pt2")];
    let old = [("serialized_state_dict.pt", none), ("serialized_exported_program.json", b"{}")];
    for entries in [&new[..], &old] {
        assert!(matches!(torch_error(&packed_zip(entries)), TorchError::Exported), "{entries:?}");
    }
}

#[test]
fn a_name_that_runs_something_is_refused_and_shown_without_its_control_characters() {
    let pickle = Assembler::new().global("posix", "system\u{1b}[2J").text("id").op(0x85).op(b'R').stop();
    let TorchError::UnknownGlobal { global } = torch_error(&zip_checkpoint(&pickle)) else { panic!() };
    assert_eq!(global, "posix.system\\u{1b}[2J");
    let from_stack = Assembler::new().text("builtins").text("eval").op(0x93).stop();
    let TorchError::UnknownGlobal { global } = torch_error(&legacy_checkpoint(&from_stack)) else { panic!() };
    assert_eq!(global, "builtins.eval");
    let object = torch_error(&zip_checkpoint(&namespace(Assembler::new()).stop())).to_string();
    assert!(object.contains("a Python object, argparse.Namespace instead of a state_dict"), "{object}");
}

#[test]
fn operations_that_no_state_dict_needs_are_refused() {
    // EXT1 looks a name up, PERSID and INT are of a protocol that torch does not write.
    for opcode in [0x82, b'P', b'I'] {
        let error = torch_error(&zip_checkpoint(&Assembler::new().op(opcode).stop()));
        assert!(matches!(error, TorchError::UnknownOpcode { opcode: found, offset: 2 } if found == opcode));
    }
}

#[test]
fn a_tensor_beyond_its_storage_is_refused() {
    let huge = i32::MAX;
    for (offset, shape, strides) in [
        (0, &[7][..], &[1][..]),
        (6, &[1], &[1]),
        (0, &[2], &[6]),
        (-1, &[1], &[1]),
        (0, &[2], &[-1]),
        (0, &[2], &[1, 1]),
        (0, &[huge, huge, huge], &[huge, huge, huge]),
        (0, &[1; 65], &[1; 65]),
    ] {
        let error = torch_error(&zip_checkpoint(&one_tensor("w", offset, shape, strides)));
        let clean = matches!(error, TorchError::OutOfStorage { .. } | TorchError::Malformed { .. });
        assert!(clean, "{offset} {shape:?} {strides:?}: {error}");
    }
}

#[test]
fn few_numbers_do_not_become_many() {
    let error = torch_error(&zip_checkpoint(&one_tensor("w", 0, &[1 << 30, 1 << 30], &[0, 0])));
    assert!(matches!(error, TorchError::Inflated { .. }), "{error}");
    let error = torch_error(&zip_checkpoint(&one_tensor("w", 0, &[1 << 20], &[0])));
    assert!(matches!(error, TorchError::Inflated { .. }), "{error}");
}

#[test]
fn endless_nests_and_cycles_end() {
    // One tuple in the other, half a million times: dropped without recursion.
    let nest = Assembler(vec![0x85; 1 << 19]);
    let pickle = [Assembler::new().op(b')').0, nest.0, vec![b'.']].concat();
    assert!(
        matches!(torch_error(&zip_checkpoint(&pickle)), TorchError::NotADictionary { found } if found == "a tuple")
    );

    // A dictionary that wraps itself.
    let cycle = Assembler::new().op(b'}').op(b'q').op(0).text("model").op(b'h').op(0).op(b's').stop();
    assert!(matches!(torch_error(&zip_checkpoint(&cycle)), TorchError::NoTensors { .. }));

    let many = [vec![0x80, 2], vec![b']'; (1 << 21) + 1], vec![b'.']].concat();
    assert!(matches!(torch_error(&zip_checkpoint(&many)), TorchError::TooMany { things: "objects", .. }));
}

#[test]
fn one_list_does_not_become_many_dictionaries() {
    let pairs = 1 << 10;
    let pair = Assembler::new()
        .global("collections", "OrderedDict")
        .op(b'q')
        .op(0)
        .int(1)
        .int(2)
        .op(0x86)
        .op(b'q')
        .op(1);
    let list = (0..pairs).fold(pair.op(b']').op(b'q').op(2).op(b'('), |list, _| list.op(b'h').op(1)).op(b'e');
    let dict = |pickle: Assembler| pickle.op(b'h').op(0).op(b'h').op(2).op(0x85).op(b'R');
    let few = (0..4).fold(list.clone(), |pickle, _| dict(pickle)).stop();
    assert!(matches!(torch_error(&zip_checkpoint(&few)), TorchError::NotADictionary { .. }));
    let many = (0..(1 << 12)).fold(list, |pickle, _| dict(pickle)).stop();
    assert!(matches!(torch_error(&zip_checkpoint(&many)), TorchError::TooMany { things: "objects", .. }));
}

#[test]
fn a_dictionary_by_number_is_no_state_dict() {
    let pickle = Assembler::new().op(b'}').int(0).tensor(&FLOATS, 0, &[6], &[1]).op(b's').stop();
    let error = torch_error(&zip_checkpoint(&pickle));
    assert_eq!(
        error.to_string(),
        "it holds a dictionary whose keys are no names instead of a state_dict; save the tensors alone: \
         torch.save(model.state_dict(), file)"
    );
}

#[test]
fn damaged_programs_say_what_is_wrong() {
    let new = Assembler::new;
    assert_eq!(problem(new().op(b'h').op(9)), "it recalls what it never stored");
    assert_eq!(problem(new().op(b't')), "an operation lacks its mark");
    assert_eq!(problem(new().int(1).op(b'(').op(0x85)), "an operation lacks its operand");
    assert_eq!(problem(new().op(b'}').op(b'(').int(1).op(b'u')), "a key lacks its value");
    assert_eq!(problem(new().int(1).int(2).op(b'a')), "something is appended to what is no list");
    assert_eq!(problem(new().int(1).op(b')').op(b'R')), "something is called that cannot be");
    assert_eq!(problem(new().int(1).op(b'Q')), "a reference to data is no tuple");
    assert_eq!(problem(new().int(1).op(b'}').op(b'b')), "attributes are set on what has none");
}

#[test]
fn a_state_dict_without_tensors_shows_what_it_holds() {
    let pickle = Assembler::new().op(b'}').op(b'(').text("net").op(b'}').text("epoch").int(1).op(b'u').stop();
    let TorchError::NoTensors { keys } = torch_error(&zip_checkpoint(&pickle)) else { panic!() };
    assert_eq!(keys, "epoch, net");
}

#[test]
fn archives_that_torch_did_not_write_are_refused() {
    let pickle = one_tensor("w", 0, &[6], &[1]);
    assert!(matches!(torch_error(&zip_of(&[("word/document.xml", b"x")])), TorchError::NoPickle { .. }));
    assert!(matches!(
        torch_error(&zip_of(&[("net/data.pkl", &pickle), ("net/byteorder", b"big")])),
        TorchError::BigEndian
    ));
    let TorchError::MissingStorage { tensor, storage } = torch_error(&zip_of(&[("net/data.pkl", &pickle)]))
    else {
        panic!()
    };
    assert_eq!((tensor.as_str(), storage.as_str()), ("w", "0"));
    assert!(matches!(torch_error(&Assembler::new().int(5).stop()), TorchError::NotTorch));
}

#[test]
fn a_flipped_bit_in_the_numbers_is_noticed() {
    let mut file = zip_checkpoint(&one_tensor("w", 0, &[6], &[1]));
    let five = 5.0f32.to_le_bytes();
    let at = file.windows(4).position(|bytes| bytes == five).unwrap();
    file[at] ^= 1;
    let TorchError::DamagedEntry { entry, .. } = torch_error(&file) else { panic!() };
    assert_eq!(entry, "net/data/0");
}

#[test]
fn a_legacy_file_that_promises_more_than_it_holds_is_truncated() {
    let file = legacy_checkpoint(&one_tensor("w", 0, &[6], &[1]));
    let mut endless = file.clone();
    let count_at = file.len() - 24 - 8;
    endless[count_at..count_at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(torch_error(&endless), TorchError::Truncated));
    for length in 2..file.len() {
        assert!(open(&file[..length]).is_err(), "the first {length} bytes");
    }
}
