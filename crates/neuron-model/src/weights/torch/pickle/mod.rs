//! Python's pickle language, read without running anything.
//!
//! A pickle is a program for a small stack machine. This machine makes plain data, and knows the few names in
//! [`Global`] that tensors are made with. Whatever else a pickle asks for (an `argparse.Namespace`, a number of
//! numpy's, a path) becomes an [`Object`](super::value::Object): its class's name and what was hung on it. There is
//! nothing here that could run code. Operations: Python's `Lib/pickletools.py`, protocols 2 to 5.

mod calls;
mod opcode;
mod operations;

use std::collections::HashMap;

use self::opcode as op;
use super::value::{Global, Id, Value};
use crate::error::TorchError;

/// The values one pickle may make: a ResNet-152 needs some ten thousand, its optimiser and a log of its training more.
const MAX_VALUES: usize = 1 << 21;

/// A pickle that was read to its end.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// The outermost object.
    pub(super) root: Id,
    /// Bytes the pickle took.
    pub(super) length: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle that `bytes` begins with.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, TorchError> {
        let mut machine = Machine { bytes, ..Machine::default() };
        loop {
            match machine.byte()? {
                op::STOP => {
                    let root = machine.pop()?;
                    return Ok(Self { root, length: machine.at, values: machine.values });
                }
                opcode => machine.step(opcode)?,
            }
        }
    }

    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    pub(super) fn values(&self) -> &[Value<'a>] {
        &self.values
    }

    /// The entries of a dictionary, or of an object that is one too (an `OrderedDict` of somebody's own).
    pub(super) fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(entries) => Some(entries),
            Value::Object(object) if !object.entries.is_empty() => Some(&object.entries),
            _ => None,
        }
    }

    /// What the dictionary holds under a name.
    pub(super) fn entry(&self, dictionary: Id, name: &str) -> Option<Id> {
        let is = |key: Id| matches!(*self.get(key), Value::Text(text) if text == name);
        self.entries(dictionary)?.iter().rev().find(|&&(key, _)| is(key)).map(|&(_, value)| value)
    }
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack where an operation began that takes everything since.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// None, the booleans and all numbers with a point, each held once: a log of a training may hold millions.
    constants: [Option<Id>; 4],
    /// Entries of dictionaries that were copied from lists: the one way in which few bytes could make many.
    copied: usize,
}

/// The bytes of the program.
impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], TorchError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(TorchError::Truncated)?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TorchError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, TorchError> {
        self.array().map(|[byte]| byte)
    }

    fn word(&mut self) -> Result<u32, TorchError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A length in eight bytes.
    fn long_length(&mut self) -> Result<usize, TorchError> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|_| TorchError::Truncated)
    }

    fn line(&mut self) -> Result<&'a str, TorchError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(TorchError::Truncated)?;
        let line = self.take(length)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| self.malformed("the name of a Python object is no text"))
    }

    fn malformed(&self, problem: &'static str) -> TorchError {
        TorchError::Malformed { problem, offset: self.at }
    }
}

/// The stack.
impl<'a> Machine<'a> {
    /// Adds a value to the list of all.
    fn add(&mut self, value: Value<'a>) -> Result<Id, TorchError> {
        if self.values.len() == MAX_VALUES {
            return Err(too_many());
        }
        let id = Id(self.values.len() as u32);
        self.values.push(value);
        Ok(id)
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), TorchError> {
        let constant = match value {
            Value::None => Some(0),
            Value::Bool(truth) => Some(1 + usize::from(truth)),
            Value::Real => Some(3),
            _ => None,
        };
        let known = constant.and_then(|constant| self.constants[constant]);
        let id = known.map_or_else(|| self.add(value), Ok)?;
        if let Some(constant) = constant {
            self.constants[constant] = Some(id);
        }
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, TorchError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.malformed("an operation lacks its operand"));
        }
        self.stack.pop().ok_or_else(|| self.malformed("an operation lacks its operand"))
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, TorchError> {
        let mut ids = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        ids.reverse();
        Ok(ids)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, TorchError> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("an operation lacks its mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&self) -> Result<Id, TorchError> {
        self.stack.last().copied().ok_or_else(|| self.malformed("an operation lacks its operand"))
    }

    fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }
}

fn too_many() -> TorchError {
    TorchError::TooMany { things: "objects", limit: MAX_VALUES }
}
