//! Pickles of Python, as far as state dicts need them: numbers, texts, tuples, lists, dictionaries, and
//! tensors that refer to storages. Nothing is imported and nothing is called: what a pickle names of Python is
//! looked up in a short list, and everything else is refused by its name.
//!
//! Opcodes: <https://docs.python.org/3/library/pickletools.html>.

use std::collections::HashMap;

/// Where a value is among [`Pickle::values`]. Values refer to others by it, so that a pickle that nests or
/// repeats without end costs no more than its own length.
pub(super) type Id = usize;

/// What a pickle can hold here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Something that no state dict is asked for.
    Other,
    Int(i64),
    Text(String),
    /// A tuple or a list.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// What Python has under a name.
    Global(Global),
    /// What a persistent id refers to, by its parts.
    Persistent(Vec<Id>),
    Tensor(TensorOf),
}

/// The names of Python that state dicts use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`, `dict`: called without arguments, or with pairs.
    Dict,
    /// `torch.Size`, `tuple`, `list`, `set`: called with a sequence.
    Sequence,
    /// A function that makes a tensor of a storage, an offset, a size and strides.
    Tensor,
    /// A function that makes a parameter of a tensor.
    Parameter,
    /// A kind of storage, by its name in `torch`.
    Storage(String),
    /// What has no part in weights, whatever it is called with: devices, types of numbers.
    Aside,
}

/// A tensor: a view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorOf {
    pub storage: Id,
    pub offset: u64,
    pub size: Vec<u64>,
    pub strides: Vec<u64>,
}

/// The values of a pickle.
#[derive(Debug)]
pub(super) struct Pickle {
    pub values: Vec<Value>,
    /// The value that it is about.
    pub root: Id,
}

/// Reads the pickle that `bytes` begin with, and gives what follows.
///
/// # Errors
/// Says what is damaged, or what a state dict does not have.
pub(super) fn read(bytes: &[u8]) -> Result<(Pickle, &[u8]), String> {
    let mut machine = Machine { rest: bytes, left: bytes.len(), ..Machine::default() };
    let root = machine.run()?;
    Ok((Pickle { values: machine.values, root }, machine.rest))
}

#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// How many items may still be copied: no more than the pickle has bytes, however often it repeats some.
    left: usize,
}

impl<'a> Machine<'a> {
    /// Runs up to the end, and gives the value that is left.
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let code = self.take(1)?[0];
            match code {
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                // Protocol and frame: numbers that change nothing here.
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'N' | 0x88 | 0x89 => self.push(Value::Other),
                b'K' | b'M' | b'J' | 0x8a | b'G' | b'I' | b'L' => self.number(code)?,
                b'X' | 0x8c | 0x8d | b'U' | b'T' | b'B' | b'C' | 0x8e => self.text(code)?,
                b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                b't' | b'l' | 0x91 => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Sequence(items));
                }
                0x85..=0x87 => self.short_tuple(usize::from(code - 0x84))?,
                b'd' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Dict(pairs(&items)?));
                }
                b'a' | b'e' | 0x90 => self.append(code)?,
                b's' | b'u' => self.set_items(code)?,
                b'q' | b'r' | 0x94 | b'p' => self.put(code)?,
                b'h' | b'j' | b'g' => self.get(code)?,
                b'0' => drop(self.pop()?),
                b'1' => drop(self.pop_to_mark()?),
                b'2' => {
                    let top = self.pop()?;
                    self.stack.extend([top, top]);
                }
                b'c' | 0x93 => self.global(code)?,
                b'Q' => {
                    let id = self.pop()?;
                    let Value::Sequence(parts) = &self.values[id] else {
                        return Err("it refers to what is no storage".to_owned());
                    };
                    let parts = parts.clone();
                    self.spend(parts.len())?;
                    self.push(Value::Persistent(parts));
                }
                b'R' | 0x81 => self.call()?,
                // State of an object: of tensors and dictionaries, attributes that hold no weights.
                b'b' => drop(self.pop()?),
                _ => return Err(format!("it has the opcode {code:#04x}, which no state dict has")),
            }
        }
    }

    fn spend(&mut self, items: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(items).ok_or_else(damaged)?;
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A little-endian number of so many bytes, at most eight.
    fn unsigned(&mut self, bytes: usize) -> Result<u64, String> {
        let taken = self.take(bytes)?;
        Ok(taken.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// What comes before the end of the line.
    fn line(&mut self) -> Result<String, String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(short)?;
        let line = self.take(end + 1)?;
        Ok(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(damaged());
        }
        self.stack.pop().ok_or_else(damaged)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or_else(damaged)?;
        if mark > self.stack.len() {
            return Err(damaged());
        }
        Ok(self.stack.split_off(mark))
    }

    fn number(&mut self, code: u8) -> Result<(), String> {
        let value = match code {
            b'K' => Value::Int(self.unsigned(1)?.cast_signed()),
            b'M' => Value::Int(self.unsigned(2)?.cast_signed()),
            b'J' => {
                let bytes = self.take(4)?.first_chunk().copied().unwrap_or_default();
                Value::Int(i64::from(i32::from_le_bytes(bytes)))
            }
            0x8a => {
                let length = usize::try_from(self.unsigned(1)?).map_err(|_| damaged())?;
                let bytes = self.take(length)?;
                long(bytes).map_or(Value::Other, Value::Int)
            }
            b'G' => {
                self.take(8)?;
                Value::Other
            }
            _ => {
                let line = self.line()?;
                line.trim_end_matches('L').parse().map_or(Value::Other, Value::Int)
            }
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, code: u8) -> Result<(), String> {
        let length = match code {
            0x8c | b'U' | b'C' => self.unsigned(1)?,
            0x8d | 0x8e => self.unsigned(8)?,
            _ => self.unsigned(4)?,
        };
        let bytes = self.take(usize::try_from(length).map_err(|_| short())?)?;
        let is_text = !matches!(code, b'B' | b'C' | 0x8e);
        let text = std::str::from_utf8(bytes).ok().filter(|_| is_text);
        self.push(text.map_or(Value::Other, |text| Value::Text(text.to_owned())));
        Ok(())
    }

    fn short_tuple(&mut self, count: usize) -> Result<(), String> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Sequence(items));
        Ok(())
    }

    fn append(&mut self, code: u8) -> Result<(), String> {
        let items = if code == b'a' { vec![self.pop()?] } else { self.pop_to_mark()? };
        match self.top()? {
            Value::Sequence(sequence) => sequence.extend(items),
            Value::Other => {}
            _ => return Err(damaged()),
        }
        Ok(())
    }

    fn set_items(&mut self, code: u8) -> Result<(), String> {
        let items = if code == b's' {
            let value = self.pop()?;
            vec![self.pop()?, value]
        } else {
            self.pop_to_mark()?
        };
        let items = pairs(&items)?;
        match self.top()? {
            Value::Dict(dict) => dict.extend(items),
            Value::Other => {}
            _ => return Err(damaged()),
        }
        Ok(())
    }

    fn top(&mut self) -> Result<&mut Value, String> {
        let id = *self.stack.last().ok_or_else(damaged)?;
        Ok(&mut self.values[id])
    }

    fn put(&mut self, code: u8) -> Result<(), String> {
        let key = match code {
            b'q' => self.unsigned(1)?,
            b'r' => self.unsigned(4)?,
            b'p' => self.line()?.parse().map_err(|_| damaged())?,
            _ => self.memo.len() as u64,
        };
        let id = *self.stack.last().ok_or_else(damaged)?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn get(&mut self, code: u8) -> Result<(), String> {
        let key = match code {
            b'h' => self.unsigned(1)?,
            b'j' => self.unsigned(4)?,
            _ => self.line()?.parse().map_err(|_| damaged())?,
        };
        self.stack.push(*self.memo.get(&key).ok_or_else(damaged)?);
        Ok(())
    }

    fn global(&mut self, code: u8) -> Result<(), String> {
        let [module, name] = if code == b'c' {
            [self.line()?, self.line()?]
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            let text = |id: Id| match &self.values[id] {
                Value::Text(text) => Ok(text.clone()),
                _ => Err(damaged()),
            };
            [text(module)?, text(name)?]
        };
        let global = global(&module, &name).ok_or_else(|| {
            format!(
                "it names {module}.{name}, which no state dict needs: only tensors are read from a \
                 pickle, and nothing in it is run"
            )
        })?;
        self.push(Value::Global(global));
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let Value::Sequence(arguments) = &self.values[arguments] else { return Err(damaged()) };
        let Value::Global(function) = &self.values[function] else { return Err(damaged()) };
        let first = arguments.first().copied();
        match (function, first) {
            (Global::Aside | Global::Storage(_), _) => self.push(Value::Other),
            (Global::Sequence, None) => self.push(Value::Sequence(Vec::new())),
            (Global::Dict, None) => self.push(Value::Dict(Vec::new())),
            (Global::Dict, Some(first)) if matches!(self.values[first], Value::Sequence(_)) => {
                let dict = self.dict_of(first)?;
                self.spend(dict.len())?;
                self.push(Value::Dict(dict));
            }
            // Its own value once more.
            (Global::Sequence | Global::Dict | Global::Parameter, Some(first)) => {
                self.stack.push(first);
            }
            (Global::Tensor, Some(storage)) => {
                let part = |i: usize| arguments.get(i).copied().ok_or_else(damaged);
                let offset = self.count(part(1)?)?;
                let (size, strides) = (self.counts(part(2)?)?, self.counts(part(3)?)?);
                self.spend(size.len().saturating_add(strides.len()))?;
                self.push(Value::Tensor(TensorOf { storage, offset, size, strides }));
            }
            (Global::Parameter | Global::Tensor, None) => return Err(damaged()),
        }
        Ok(())
    }

    /// The dictionary of a sequence of pairs.
    fn dict_of(&self, sequence: Id) -> Result<Vec<(Id, Id)>, String> {
        let pair = |&id: &Id| match &self.values[id] {
            Value::Sequence(pair) => <[Id; 2]>::try_from(pair.as_slice()).map(Into::into).ok(),
            _ => None,
        };
        match &self.values[sequence] {
            Value::Sequence(items) => items.iter().map(pair).collect::<Option<_>>(),
            _ => None,
        }
        .ok_or_else(damaged)
    }

    fn counts(&self, sequence: Id) -> Result<Vec<u64>, String> {
        match &self.values[sequence] {
            Value::Sequence(ids) => ids.iter().map(|&id| self.count(id)).collect(),
            _ => Err(damaged()),
        }
    }

    /// A number that counts something.
    fn count(&self, id: Id) -> Result<u64, String> {
        match self.values[id] {
            Value::Int(number) => u64::try_from(number).map_err(|_| damaged()),
            _ => Err(damaged()),
        }
    }
}

/// What a name of Python means here.
fn global(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict" | "defaultdict") => Global::Dict,
        ("builtins" | "__builtin__", "dict") => Global::Dict,
        ("builtins" | "__builtin__", "list" | "tuple" | "set") | ("torch", "Size") => {
            Global::Sequence
        }
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => {
            Global::Tensor
        }
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
            Global::Parameter
        }
        ("torch" | "torch.storage" | "torch.cuda", kind) if kind.ends_with("Storage") => {
            Global::Storage(kind.to_owned())
        }
        ("torch", "device") => Global::Aside,
        ("torch", kind) if NUMBERS.contains(&kind) => Global::Aside,
        _ => return None,
    })
}

/// Types of numbers, which checkpoints tell of themselves.
const NUMBERS: &[&str] = &[
    "float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool",
];

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, rest) = items.as_chunks();
    if rest.is_empty() {
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    } else {
        Err(damaged())
    }
}

/// A two's complement number, where it has 64 bits.
fn long(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let sign = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let mut all = [sign; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}

fn short() -> String {
    "its pickle was cut short".to_owned()
}

fn damaged() -> String {
    "its pickle is damaged, or is none of a state dict".to_owned()
}
