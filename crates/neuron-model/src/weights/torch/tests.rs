//! Checkpoints assembled byte by byte: what torch writes, and what it never would.

use std::io::{Cursor, Write};

use proptest::prelude::*;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

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

fn open(bytes: &[u8]) -> Result<Contents, ModelError> {
    assert!(recognise(bytes));
    read(bytes, "w.pth".as_ref())
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
        let contents = open(&file).unwrap();
        assert_eq!(contents.tensors.keys().collect::<Vec<_>>(), ["fc.weight"]);
        let tensor = &contents.tensors["fc.weight"];
        assert_eq!(
            (tensor.shape.as_slice(), &*tensor.data),
            (&[2, 3][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..])
        );
    }
}

#[test]
fn strided_views_are_put_in_order() {
    let data = |offset, shape: &[i32], strides: &[i32]| {
        open(&zip_checkpoint(&one_tensor("w", offset, shape, strides))).unwrap().tensors["w"].data.to_vec()
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
    for (key, name) in [("state_dict", "module.fc.bias"), ("model", "fc.bias")] {
        let contents = wrapped(key, name);
        assert_eq!(contents.tensors.keys().collect::<Vec<_>>(), ["fc.bias"]);
        assert!(contents.left_out.is_empty(), "what lies beside the state_dict is none of its entries");
    }
}

#[test]
fn a_prefix_that_only_some_names_have_belongs_to_them() {
    let pickle = Assembler::new().op(b'}').op(b'(');
    let pickle = pickle.text("module.a").tensor(&FLOATS, 0, &[6], &[1]);
    let pickle = pickle.text("b").tensor(&FLOATS, 0, &[6], &[1]).op(b'u').stop();
    let contents = open(&zip_checkpoint(&pickle)).unwrap();
    assert_eq!(contents.tensors.keys().collect::<Vec<_>>(), ["b", "module.a"]);
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
    assert_eq!(open(&zip_checkpoint(&with_attributes)).unwrap().tensors["w"].shape, [6]);
}

#[test]
fn what_is_no_float_tensor_is_listed() {
    let counter = Storage { class: "LongStorage", key: "0", count: 3 };
    let pickle = Assembler::new().op(b'}').op(b'(').text("n").tensor(&counter, 0, &[], &[]);
    let pickle = pickle.text("epoch").int(7).text("w").tensor(&FLOATS, 0, &[6], &[1]).op(b'u').stop();
    let left_out = open(&zip_checkpoint(&pickle)).unwrap().left_out;
    let left_out: Vec<_> = left_out.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    assert_eq!(left_out, [("epoch", "an integer"), ("n", "a tensor of I64")]);
}

#[test]
fn doubles_are_refused_by_name() {
    let doubles = Storage { class: "DoubleStorage", key: "0", count: 3 };
    let pickle = Assembler::new().op(b'}').text("w").tensor(&doubles, 0, &[3], &[1]).op(b's').stop();
    let message = open(&zip_checkpoint(&pickle)).unwrap_err().to_string();
    assert_eq!(message, "tensor w is stored as F64; save it as float32, float16 or bfloat16");
}

#[test]
fn an_unknown_name_is_refused_and_shown_without_its_control_characters() {
    let pickle = Assembler::new().global("os\u{1b}[2J", "system").text("id").op(0x85).op(b'R').stop();
    let TorchError::UnknownGlobal { global } = torch_error(&zip_checkpoint(&pickle)) else { panic!() };
    assert_eq!(global, "os\\u{1b}[2J.system");
    let from_stack = Assembler::new().text("builtins").text("eval").op(0x93).stop();
    let TorchError::UnknownGlobal { global } = torch_error(&legacy_checkpoint(&from_stack)) else { panic!() };
    assert_eq!(global, "builtins.eval");
}

#[test]
fn operations_that_no_state_dict_needs_are_refused() {
    // INST and OBJ make objects, EXT1 looks a name up, PERSID and POP are simply not written by torch.
    for opcode in [b'i', b'o', 0x82, b'P', b'0'] {
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
    assert!(matches!(torch_error(&zip_checkpoint(&pickle)), TorchError::NotADictionary { found: "a tuple" }));

    // A dictionary that wraps itself.
    let cycle = Assembler::new().op(b'}').op(b'q').op(0).text("model").op(b'h').op(0).op(b's').stop();
    assert!(matches!(torch_error(&zip_checkpoint(&cycle)), TorchError::NoTensors { .. }));

    let many = [vec![0x80, 2], vec![b']'; (1 << 20) + 1], vec![b'.']].concat();
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
    let many = (0..(1 << 11)).fold(list, |pickle, _| dict(pickle)).stop();
    assert!(matches!(torch_error(&zip_checkpoint(&many)), TorchError::TooMany { things: "objects", .. }));
}

#[test]
fn a_dictionary_by_number_is_no_state_dict() {
    let pickle = Assembler::new().op(b'}').int(0).tensor(&FLOATS, 0, &[6], &[1]).op(b's').stop();
    let error = torch_error(&zip_checkpoint(&pickle));
    assert_eq!(error.to_string(), "it holds a dictionary whose keys are no names instead of a state_dict");
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
    assert_eq!(problem(new().op(b'X').op(2).op(0).op(0).op(0).op(0xff).op(0xff)), "a text is not UTF-8");
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
    assert!(matches!(torch_error(&zip_of(&[("word/document.xml", b"x")])), TorchError::NoPickle));
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

proptest! {
    /// Whatever the bytes say, reading them ends, and ends in a value or an error.
    #[test]
    fn mutated_files_never_panic(
        legacy in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let pickle = one_tensor("fc.weight", 0, &[2, 3], &[3, 1]);
        let mut pickled = pickle.clone();
        for (at, byte) in &changes {
            let at = at.index(pickled.len());
            pickled[at] = *byte;
        }
        let file = if legacy { legacy_checkpoint(&pickled) } else { zip_checkpoint(&pickled) };
        let _ = open(&file);

        let mut file = if legacy { legacy_checkpoint(&pickle) } else { zip_checkpoint(&pickle) };
        for (at, byte) in &changes {
            let at = at.index(file.len() - 4) + 4;
            file[at] = *byte;
        }
        let _ = open(&file);
    }
}
