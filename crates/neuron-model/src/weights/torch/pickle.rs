//! The part of Python's pickle language that torch writes, and nothing else.
//!
//! A pickle is a program for a small stack machine. This machine knows the operations that make plain data and the
//! few names in [`Global`]; whatever else a pickle asks for is an error that names it. There is nothing here that
//! could run code. Operations: Python's `Lib/pickletools.py`, protocols 2 to 5.

use std::collections::HashMap;

use super::TorchError;
use super::value::{Global, Id, Storage, Value, View};

/// The values one pickle may make: a ResNet-152 needs some ten thousand.
const MAX_VALUES: usize = 1 << 20;

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
}

/// Codes of the operations.
mod op {
    pub(super) const PROTO: u8 = 0x80;
    pub(super) const FRAME: u8 = 0x95;
    pub(super) const STOP: u8 = b'.';
    pub(super) const MARK: u8 = b'(';

    pub(super) const NONE: u8 = b'N';
    pub(super) const NEWTRUE: u8 = 0x88;
    pub(super) const NEWFALSE: u8 = 0x89;
    pub(super) const BININT: u8 = b'J';
    pub(super) const BININT1: u8 = b'K';
    pub(super) const BININT2: u8 = b'M';
    pub(super) const LONG1: u8 = 0x8a;
    pub(super) const BINFLOAT: u8 = b'G';
    pub(super) const BINSTRING: u8 = b'T';
    pub(super) const SHORT_BINSTRING: u8 = b'U';
    pub(super) const BINUNICODE: u8 = b'X';
    pub(super) const SHORT_BINUNICODE: u8 = 0x8c;

    pub(super) const EMPTY_TUPLE: u8 = b')';
    pub(super) const TUPLE: u8 = b't';
    pub(super) const TUPLE1: u8 = 0x85;
    pub(super) const TUPLE2: u8 = 0x86;
    pub(super) const TUPLE3: u8 = 0x87;
    pub(super) const EMPTY_LIST: u8 = b']';
    pub(super) const APPEND: u8 = b'a';
    pub(super) const APPENDS: u8 = b'e';
    pub(super) const EMPTY_DICT: u8 = b'}';
    pub(super) const SETITEM: u8 = b's';
    pub(super) const SETITEMS: u8 = b'u';

    pub(super) const BINGET: u8 = b'h';
    pub(super) const LONG_BINGET: u8 = b'j';
    pub(super) const BINPUT: u8 = b'q';
    pub(super) const LONG_BINPUT: u8 = b'r';
    pub(super) const MEMOIZE: u8 = 0x94;

    pub(super) const GLOBAL: u8 = b'c';
    pub(super) const STACK_GLOBAL: u8 = 0x93;
    pub(super) const REDUCE: u8 = b'R';
    pub(super) const NEWOBJ: u8 = 0x81;
    pub(super) const BUILD: u8 = b'b';
    pub(super) const BINPERSID: u8 = b'Q';
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

    fn text(&mut self, length: usize) -> Result<&'a str, TorchError> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed("a text is not UTF-8"))
    }

    fn line(&mut self) -> Result<&'a str, TorchError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(TorchError::Truncated)?;
        let line = self.text(length)?;
        self.at += 1;
        Ok(line)
    }

    fn malformed(&self, problem: &'static str) -> TorchError {
        TorchError::Malformed { problem, offset: self.at }
    }
}

/// The stack.
impl<'a> Machine<'a> {
    fn push(&mut self, value: Value<'a>) -> Result<(), TorchError> {
        if self.values.len() == MAX_VALUES {
            return Err(too_many());
        }
        let id = Id(self.values.len() as u32);
        self.values.push(value);
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

/// The operations.
impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8) -> Result<(), TorchError> {
        match opcode {
            op::PROTO => self.byte().map(|_version| ()),
            op::FRAME => self.array::<8>().map(|_length| ()),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::EMPTY_TUPLE | op::TUPLE | op::TUPLE1..=op::TUPLE3 => self.tuple(opcode),
            op::EMPTY_LIST => self.push(Value::List(Vec::new())),
            op::EMPTY_DICT => self.push(Value::Dict(Vec::new())),
            op::APPEND => self.pop().and_then(|item| self.append(&[item])),
            op::APPENDS => self.pop_to_mark().and_then(|items| self.append(&items)),
            op::SETITEM => self.pop_many(2).and_then(|pair| self.set_items(&pair)),
            op::SETITEMS => self.pop_to_mark().and_then(|items| self.set_items(&items)),
            op::BINGET | op::LONG_BINGET => self.recall(opcode),
            op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.remember(opcode),
            op::GLOBAL | op::STACK_GLOBAL => self.global(opcode),
            op::REDUCE | op::NEWOBJ => self.reduce(),
            op::BUILD => self.build(),
            op::BINPERSID => self.storage(),
            _ => self.literal(opcode),
        }
    }

    fn literal(&mut self, opcode: u8) -> Result<(), TorchError> {
        let value = match opcode {
            op::NONE => Value::None,
            op::NEWTRUE => Value::Bool(true),
            op::NEWFALSE => Value::Bool(false),
            op::BININT => Value::Int(i32::from_le_bytes(self.array()?).into()),
            op::BININT1 => Value::Int(self.byte()?.into()),
            op::BININT2 => Value::Int(u16::from_le_bytes(self.array()?).into()),
            op::LONG1 => Value::Int(self.long()?),
            op::BINFLOAT => {
                self.array::<8>()?;
                Value::Real
            }
            op::BINSTRING | op::BINUNICODE => {
                let length = self.word()? as usize;
                Value::Text(self.text(length)?)
            }
            op::SHORT_BINSTRING | op::SHORT_BINUNICODE => {
                let length = self.byte()?.into();
                Value::Text(self.text(length)?)
            }
            _ => return Err(TorchError::UnknownOpcode { opcode, offset: self.at - 1 }),
        };
        self.push(value)
    }

    /// A little-endian integer in two's complement that says its own length.
    fn long(&mut self) -> Result<i128, TorchError> {
        let length = usize::from(self.byte()?);
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|&high| high >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide.get_mut(..length)
            .ok_or_else(|| self.malformed("an integer is too large"))?
            .copy_from_slice(bytes);
        Ok(i128::from_le_bytes(wide))
    }

    fn tuple(&mut self, opcode: u8) -> Result<(), TorchError> {
        let items = match opcode {
            op::TUPLE => self.pop_to_mark()?,
            op::TUPLE1 => self.pop_many(1)?,
            op::TUPLE2 => self.pop_many(2)?,
            op::TUPLE3 => self.pop_many(3)?,
            _ => Vec::new(),
        };
        self.push(Value::Tuple(items))
    }

    fn append(&mut self, items: &[Id]) -> Result<(), TorchError> {
        let list = self.top()?;
        match &mut self.values[list.0 as usize] {
            Value::List(list) => list.extend(items),
            _ => return Err(self.malformed("something is appended to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), TorchError> {
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(self.malformed("a key lacks its value"));
        };
        let dict = self.top()?;
        match &mut self.values[dict.0 as usize] {
            Value::Dict(entries) => entries.extend(pairs.iter().map(|&[key, value]| (key, value))),
            _ => return Err(self.malformed("an entry is set in what is no dictionary")),
        }
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), TorchError> {
        let key = if opcode == op::BINGET { self.byte()?.into() } else { self.word()? };
        let id = *self.memo.get(&key).ok_or_else(|| self.malformed("it recalls what it never stored"))?;
        self.stack.push(id);
        Ok(())
    }

    fn remember(&mut self, opcode: u8) -> Result<(), TorchError> {
        let key = match opcode {
            op::BINPUT => self.byte()?.into(),
            op::LONG_BINPUT => self.word()?,
            _ => self.memo.len() as u32,
        };
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<(), TorchError> {
        let (module, name) = if opcode == op::GLOBAL {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.value(module), self.value(name)) {
                (&Value::Text(module), &Value::Text(name)) => (module, name),
                _ => return Err(self.malformed("the name of a Python object is no text")),
            }
        };
        let known = Global::from_name(module, name);
        let global = known.ok_or_else(|| TorchError::UnknownGlobal { global: printable(module, name) })?;
        self.push(Value::Global(global))
    }

    /// What Python would do by calling something; here the arguments are put into the value the call would make.
    fn reduce(&mut self) -> Result<(), TorchError> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = self.value(arguments) else {
            return Err(self.malformed("arguments are no tuple"));
        };
        let Value::Global(global) = *self.value(callable) else {
            return Err(self.malformed("something is called that cannot be"));
        };
        match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Global::OrderedDict, &[pairs]) => self.dict_of_pairs(pairs),
            (Global::Size, &[size]) | (Global::RebuildParameter, &[size, ..]) => {
                self.stack.push(size);
                Ok(())
            }
            (Global::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                let offset = self.count(offset)?;
                self.push(Value::Tensor(View { storage, offset, shape, strides }))
            }
            _ => Err(self.malformed("a call has the wrong arguments")),
        }
    }

    /// `OrderedDict([[key, value], ...])`, as Python 2 wrote it.
    fn dict_of_pairs(&mut self, pairs: Id) -> Result<(), TorchError> {
        let (Value::List(pairs) | Value::Tuple(pairs)) = self.value(pairs) else {
            return Err(self.malformed("a dictionary is made of what is no list"));
        };
        let pair = |&id: &Id| match self.value(id) {
            Value::List(pair) | Value::Tuple(pair) => match pair.as_slice() {
                &[key, value] => Ok((key, value)),
                _ => Err(self.malformed("a key lacks its value")),
            },
            _ => Err(self.malformed("a key lacks its value")),
        };
        let copied = self.copied + pairs.len();
        if copied > MAX_VALUES {
            return Err(too_many());
        }
        let entries = pairs.iter().map(pair).collect::<Result<_, _>>()?;
        self.copied = copied;
        self.push(Value::Dict(entries))
    }

    /// Attributes of an object. torch hangs version numbers on a state_dict (`_metadata`), which no tensor needs.
    fn build(&mut self) -> Result<(), TorchError> {
        let _attributes = self.pop()?;
        match self.value(self.top()?) {
            Value::Dict(_) => Ok(()),
            _ => Err(self.malformed("attributes are set on what is no dictionary")),
        }
    }

    /// `("storage", type, key, device, count)`, in legacy files followed by `None` or `(view key, offset, count)`.
    fn storage(&mut self) -> Result<(), TorchError> {
        let id = self.pop()?;
        let Value::Tuple(parts) = self.value(id) else {
            return Err(self.malformed("a reference to data is no tuple"));
        };
        let &[tag, element, key, _device, _count, ref view @ ..] = parts.as_slice() else {
            return Err(self.malformed("a reference to data is too short"));
        };
        let (Value::Text("storage"), &Value::Global(Global::Storage(element)), &Value::Text(key)) =
            (self.value(tag), self.value(element), self.value(key))
        else {
            return Err(self.malformed("a reference to data is not one to a storage"));
        };
        let offset = match view.first().map(|&view| self.value(view)) {
            None | Some(Value::None) => 0,
            Some(Value::Tuple(view)) => match view.as_slice() {
                &[_key, offset, _count] => self.count(offset)?,
                _ => return Err(self.malformed("the view of a storage lacks its offset")),
            },
            Some(_) => return Err(self.malformed("the view of a storage is no tuple")),
        };
        self.push(Value::Storage(Storage { element, key, offset }))
    }

    fn count(&self, id: Id) -> Result<usize, TorchError> {
        let &Value::Int(count) = self.value(id) else {
            return Err(self.malformed("a count is no integer"));
        };
        usize::try_from(count).map_err(|_| self.malformed("a count is negative or too large"))
    }
}

fn too_many() -> TorchError {
    TorchError::TooMany { things: "objects", limit: MAX_VALUES }
}

/// A Python name fit for a message: its control characters are escaped, its length is bounded.
fn printable(module: &str, name: &str) -> String {
    const MAX_CHARS: usize = 120;
    let full = format!("{module}.{name}");
    let mut shown: String = full.chars().take(MAX_CHARS).flat_map(char::escape_debug).collect();
    if full.chars().nth(MAX_CHARS).is_some() {
        shown.push_str("...");
    }
    shown
}
