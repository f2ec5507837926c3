//! Where a pickle names a Python object or calls one: the value that the call would make, or an opaque one.

use super::{Global, Id, MAX_VALUES, Machine, op, too_many};
use crate::error::TorchError;
use crate::weights::torch::value::{Name, Object, Storage, Value, View};

impl<'a> Machine<'a> {
    pub(super) fn global(&mut self, opcode: u8) -> Result<(), TorchError> {
        let (module, name) = if opcode == op::GLOBAL {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.value(module), self.value(name)) {
                (&Value::Text(module), &Value::Text(name)) => (module, name),
                _ => return Err(self.malformed("the name of a Python object is no text")),
            }
        };
        let name = Name { module, name };
        if name.runs_something() {
            return Err(TorchError::UnknownGlobal { global: name.to_string() });
        }
        self.push(Global::from_name(name).map_or(Value::Class(name), Value::Global))
    }

    /// What Python would do by calling something; here the arguments are put into the value the call would make.
    pub(super) fn reduce(&mut self, opcode: u8) -> Result<(), TorchError> {
        if opcode == op::NEWOBJ_EX {
            let _by_name = self.pop()?;
        }
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let made = self.call(callable, arguments)?;
        self.stack.push(made);
        Ok(())
    }

    /// An object of an old-style class: the class (by its name, or first after the mark) and its arguments.
    pub(super) fn instance(&mut self, opcode: u8) -> Result<(), TorchError> {
        let named = if opcode == op::INST {
            self.global(op::GLOBAL)?;
            Some(self.pop()?)
        } else {
            None
        };
        let operands = self.pop_to_mark()?;
        let class = named.or(operands.first().copied());
        let class = class.ok_or_else(|| self.malformed("an operation lacks its operand"))?;
        let Value::Class(name) = *self.value(class) else {
            return Err(self.malformed("something is called that cannot be"));
        };
        self.push(Value::Object(Box::new(Object::of(name))))
    }

    fn call(&mut self, callable: Id, arguments: Id) -> Result<Id, TorchError> {
        let Value::Tuple(arguments) = self.value(arguments) else {
            return Err(self.malformed("arguments are no tuple"));
        };
        let global = match *self.value(callable) {
            Value::Global(global) => global,
            Value::Class(name) => return self.object(name),
            Value::Object(ref object) => return self.object(object.class),
            _ => return Err(self.malformed("something is called that cannot be")),
        };
        match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.add(Value::Dict(Vec::new())),
            (Global::OrderedDict, &[pairs]) => self.dict_of_pairs(pairs),
            (Global::Size, &[size]) | (Global::RebuildParameter, &[size, ..]) => Ok(size),
            (Global::Reconstruct, &[class, ..]) => match *self.value(class) {
                Value::Class(name) => self.object(name),
                _ => Err(self.malformed("something is called that cannot be")),
            },
            (Global::RebuildFromType, &[function, _class, arguments, ..]) => {
                // Only a function that is known: none of them leads back here.
                match self.value(function) {
                    Value::Global(Global::RebuildTensor | Global::RebuildParameter) => {
                        self.call(function, arguments)
                    }
                    _ => self.object(Name { module: "torch", name: "Tensor" }),
                }
            }
            (Global::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                let offset = self.count(offset)?;
                self.add(Value::Tensor(View { storage, offset, shape, strides }))
            }
            // Nothing here reads such a type: the tensor's numbers become an object of the type's name.
            (Global::RebuildTensorOfType, &[_, offset, shape, strides, _, _, element, ..]) => {
                let offset = self.count(offset)?;
                let &Value::Class(name) = self.value(element) else {
                    return Err(self.malformed("the type of a tensor has no name"));
                };
                let storage = self.object(name)?;
                self.add(Value::Tensor(View { storage, offset, shape, strides }))
            }
            _ => Err(self.malformed("a call has the wrong arguments")),
        }
    }

    fn object(&mut self, class: Name<'a>) -> Result<Id, TorchError> {
        self.add(Value::Object(Box::new(Object::of(class))))
    }

    /// `OrderedDict([[key, value], ...])`, as Python 2 wrote it.
    fn dict_of_pairs(&mut self, pairs: Id) -> Result<Id, TorchError> {
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
        self.add(Value::Dict(entries))
    }

    /// Attributes of an object. torch hangs version numbers on a state_dict (`_metadata`), which no tensor needs.
    pub(super) fn build(&mut self) -> Result<(), TorchError> {
        let attributes = self.pop()?;
        let object = self.top()?;
        match &mut self.values[object.0 as usize] {
            Value::Object(object) => object.attributes = Some(attributes),
            Value::Dict(_) | Value::Tensor(_) | Value::Class(_) => {}
            _ => return Err(self.malformed("attributes are set on what has none")),
        }
        Ok(())
    }

    /// `("storage", type, key, device, count)`, in legacy files followed by `None` or `(view key, offset, count)`;
    /// in legacy files also `("module", class, file, source)`, the class of a module with its source.
    pub(super) fn storage(&mut self) -> Result<(), TorchError> {
        let id = self.pop()?;
        let Value::Tuple(parts) = self.value(id) else {
            return Err(self.malformed("a reference to data is no tuple"));
        };
        if let &[tag, class, ..] = parts.as_slice()
            && let Value::Text("module") = self.value(tag)
        {
            self.stack.push(class);
            return Ok(());
        }
        let &[tag, element, key, _device, _count, ref view @ ..] = parts.as_slice() else {
            return Err(self.malformed("a reference to data is too short"));
        };
        let (Value::Text("storage"), &Value::Text(key)) = (self.value(tag), self.value(key)) else {
            return Err(self.malformed("a reference to data is not one to a storage"));
        };
        let element = match *self.value(element) {
            Value::Global(Global::Storage(element)) => element,
            // Numbers of a kind that nothing here reads; a tensor of them says so if it is needed.
            Value::Class(name) => return self.push(Value::Object(Box::new(Object::of(name)))),
            _ => return Err(self.malformed("a reference to data is not one to a storage")),
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
