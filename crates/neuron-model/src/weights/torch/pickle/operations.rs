//! The operations that make plain data and move it about.

use super::{Machine, op};
use crate::error::TorchError;
use crate::weights::torch::value::Value;

impl<'a> Machine<'a> {
    /// Carries out one operation.
    pub(super) fn step(&mut self, opcode: u8) -> Result<(), TorchError> {
        match opcode {
            op::PROTO => self.byte().map(|_version| ()),
            op::FRAME => self.array::<8>().map(|_length| ()),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => self.discard(),
            op::POP_MARK => self.pop_to_mark().map(|_dropped| ()),
            op::DUP => self.top().map(|id| self.stack.push(id)),
            op::EMPTY_TUPLE | op::TUPLE | op::TUPLE1..=op::TUPLE3 => self.tuple(opcode),
            op::EMPTY_LIST | op::EMPTY_SET => self.push(Value::List(Vec::new())),
            op::FROZENSET => self.pop_to_mark().and_then(|items| self.push(Value::List(items))),
            op::EMPTY_DICT => self.push(Value::Dict(Vec::new())),
            op::APPEND => self.pop().and_then(|item| self.append(&[item])),
            op::APPENDS | op::ADDITEMS => self.pop_to_mark().and_then(|items| self.append(&items)),
            op::SETITEM => self.pop_many(2).and_then(|pair| self.set_items(&pair)),
            op::SETITEMS => self.pop_to_mark().and_then(|items| self.set_items(&items)),
            op::BINGET | op::LONG_BINGET => self.recall(opcode),
            op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.remember(opcode),
            op::GLOBAL | op::STACK_GLOBAL => self.global(opcode),
            op::REDUCE | op::NEWOBJ | op::NEWOBJ_EX => self.reduce(opcode),
            op::INST | op::OBJ => self.instance(opcode),
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
            op::LONG1 | op::LONG4 => self.long(opcode)?,
            op::BINFLOAT => {
                self.array::<8>()?;
                Value::Real
            }
            op::BINSTRING | op::BINUNICODE | op::BINBYTES => {
                let length = self.word()? as usize;
                self.text(length)?
            }
            op::SHORT_BINSTRING | op::SHORT_BINUNICODE | op::SHORT_BINBYTES => {
                let length = self.byte()?.into();
                self.text(length)?
            }
            op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => {
                let length = self.long_length()?;
                self.text(length)?
            }
            _ => return Err(TorchError::UnknownOpcode { opcode, offset: self.at - 1 }),
        };
        self.push(value)
    }

    /// A text, or bytes that are none.
    fn text(&mut self, length: usize) -> Result<Value<'a>, TorchError> {
        Ok(std::str::from_utf8(self.take(length)?).map_or(Value::Bytes, Value::Text))
    }

    /// A little-endian integer in two's complement that says its own length; nothing here needs a very long one.
    fn long(&mut self, opcode: u8) -> Result<Value<'a>, TorchError> {
        let length = if opcode == op::LONG1 { usize::from(self.byte()?) } else { self.word()? as usize };
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|&high| high >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        let Some(low) = wide.get_mut(..length) else { return Ok(Value::Real) };
        low.copy_from_slice(bytes);
        Ok(Value::Int(i128::from_le_bytes(wide)))
    }

    /// Drops the top of the stack, which may be a mark.
    fn discard(&mut self) -> Result<(), TorchError> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(|_dropped| ())
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

    fn append(&mut self, items: &[super::Id]) -> Result<(), TorchError> {
        let list = self.top()?;
        match &mut self.values[list.0 as usize] {
            Value::List(list) => list.extend(items),
            // A list of somebody's own: no tensor is looked for in it.
            Value::Object(_) => {}
            _ => return Err(self.malformed("something is appended to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[super::Id]) -> Result<(), TorchError> {
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(self.malformed("a key lacks its value"));
        };
        let dict = self.top()?;
        let pairs = pairs.iter().map(|&[key, value]| (key, value));
        match &mut self.values[dict.0 as usize] {
            Value::Dict(entries) => entries.extend(pairs),
            Value::Object(object) => object.entries.extend(pairs),
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
}
