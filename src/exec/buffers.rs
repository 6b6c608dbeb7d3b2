//! Which buffer of an executor a buffer of a program is: states are shared by name, all else is new.

use std::collections::HashMap;

use super::ExecError;
use crate::compile::{Buffer, Program, Role};

/// The buffers of an executor, whatever they are made of.
#[derive(Debug)]
pub(super) struct Buffers<B> {
    all: Vec<B>,
    by_name: HashMap<String, usize>,
}

impl<B> Default for Buffers<B> {
    fn default() -> Self {
        Self { all: Vec::new(), by_name: HashMap::new() }
    }
}

impl<B> Buffers<B> {
    /// The position of each of a program's buffers; those that are new come from `allocate`.
    /// `size` tells the bytes of a buffer.
    ///
    /// # Errors
    /// When a state is known with another size, or `allocate` fails.
    pub fn resolve(
        &mut self,
        program: &Program,
        size: impl Fn(&B) -> usize,
        mut allocate: impl FnMut(&Buffer) -> Result<B, ExecError>,
    ) -> Result<Vec<usize>, ExecError> {
        let mut positions = Vec::with_capacity(program.buffers.len());
        for buffer in &program.buffers {
            let known = (buffer.role == Role::State).then(|| self.by_name.get(&buffer.name));
            let position = match known.flatten() {
                Some(&position) => {
                    let (name, size) = (buffer.name.clone(), size(&self.all[position]));
                    if size != buffer.bytes {
                        let given = buffer.bytes;
                        return Err(ExecError::BufferSize { name, size, offset: 0, given });
                    }
                    position
                }
                None => {
                    self.all.push(allocate(buffer)?);
                    let position = self.all.len() - 1;
                    if buffer.role != Role::Slot {
                        self.by_name.insert(buffer.name.clone(), position);
                    }
                    position
                }
            };
            positions.push(position);
        }
        Ok(positions)
    }

    /// Position of a state or an output.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn find(&self, name: &str) -> Result<usize, ExecError> {
        let found = self.by_name.get(name).copied();
        found.ok_or_else(|| ExecError::UnknownBuffer { name: name.to_owned() })
    }

    /// All buffers, by position.
    pub fn all(&self) -> &[B] {
        &self.all
    }

    /// All buffers, by position.
    pub fn all_mut(&mut self) -> &mut [B] {
        &mut self.all
    }

    /// Forgets all buffers.
    pub fn clear(&mut self) {
        self.all.clear();
        self.by_name.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn program(name: &str, buffers: &[(&str, usize, Role)]) -> Program {
        let buffer = |&(name, bytes, role): &(&str, usize, Role)| Buffer {
            name: name.to_owned(),
            bytes,
            role,
        };
        Program {
            name: name.to_owned(),
            buffers: buffers.iter().map(buffer).collect(),
            textures: Vec::new(),
            kernels: Vec::new(),
            steps: Vec::new(),
            outputs: BTreeMap::new(),
        }
    }

    #[test]
    fn states_are_shared_by_name_and_slots_are_not() {
        let one = program("one", &[("w", 8, Role::State), ("slot0", 4, Role::Slot)]);
        let two = program("two", &[("slot0", 4, Role::Slot), ("w", 8, Role::State)]);
        let mut buffers = Buffers::default();
        let mut load = |program: &Program| {
            buffers.resolve(program, |&bytes: &usize| bytes, |buffer| Ok(buffer.bytes))
        };
        assert_eq!(load(&one), Ok(vec![0, 1]));
        assert_eq!(load(&two), Ok(vec![2, 0]));
        let other = program("three", &[("w", 12, Role::State)]);
        let size = ExecError::BufferSize { name: "w".to_owned(), size: 8, offset: 0, given: 12 };
        assert_eq!(load(&other), Err(size));
        assert_eq!(buffers.find("w"), Ok(0));
        assert!(buffers.find("slot0").is_err(), "slots have no name outside their program");
    }
}
