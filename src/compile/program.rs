//! A compiled program: buffers and steps, as plain data.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::graph::{Access, Cost, Op, Part, Signature, texels};
use crate::tensor::TensorType;

/// What a buffer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Outlives a run and is shared by name between programs: parameters, data, counters.
    State,
    /// Gradients side by side; starts as zeros.
    Arena,
    /// Kept readable after a run, as `program/name`.
    Output,
    /// Shared by tensors that do not live at the same time.
    Slot,
}

/// A buffer of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// Name; of a state buffer, the name by which programs share it.
    pub name: String,
    /// Size in bytes, a multiple of four.
    pub bytes: usize,
    /// What it is for.
    pub role: Role,
}

/// A range of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Position of the buffer in the program's list.
    pub buffer: usize,
    /// First byte.
    pub offset: usize,
    /// Length in bytes.
    pub bytes: usize,
}

/// A tensor in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperandAt {
    /// Where it lies.
    pub region: Region,
    /// Type.
    pub ty: TensorType,
}

impl OperandAt {
    /// The region of some of its elements; of all where there is no part.
    pub fn bound(&self, part: Option<Part>) -> Region {
        part.map_or(self.region, |part| Region {
            buffer: self.region.buffer,
            offset: self.region.offset + part.offset(self.ty.dtype),
            bytes: part.bytes(self.ty.dtype),
        })
    }
}

/// WGSL text of a kernel; steps of equal shapes share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelText {
    /// Stem of the WGSL file.
    pub name: String,
    /// The whole text; its entry point is `main`.
    pub source: String,
    /// For each binding, in order, how the kernel reaches it.
    pub accesses: Vec<Access>,
}

/// A region bound to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundRegion {
    /// Where the tensor lies.
    pub region: Region,
    /// How the kernel reaches it.
    pub access: Access,
}

/// An operand read through a texture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextureRead {
    /// Position of the texture in the program's list.
    pub texture: usize,
    /// Whether the operand is copied into it before the dispatch: else an earlier dispatch of the
    /// run has read it there.
    pub copied: bool,
}

/// One dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// Position of the kernel in the program's list.
    pub kernel: usize,
    /// Bindings of group 0, in order.
    pub bindings: Vec<BoundRegion>,
    /// The textures of the bindings that are read through one, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub textures: Vec<TextureRead>,
    /// Workgroups in x, y and z.
    pub workgroups: [u32; 3],
}

/// One execution of an op.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// The layer it belongs to.
    pub scope: String,
    /// What it does: name and attributes.
    #[serde(with = "op_as_data")]
    pub op: Arc<dyn Op>,
    /// Operands that it reads.
    pub inputs: Vec<OperandAt>,
    /// Operands that it writes.
    pub outputs: Vec<OperandAt>,
    /// Name of the chosen lowering.
    pub variant: String,
    /// Its dispatches, in order.
    pub dispatches: Vec<Dispatch>,
}

impl Step {
    /// Types of the operands.
    pub fn signature(&self) -> Signature {
        let types = |operands: &[OperandAt]| operands.iter().map(|o| o.ty.clone()).collect();
        Signature { inputs: types(&self.inputs), outputs: types(&self.outputs) }
    }

    /// Work of one execution.
    pub fn cost(&self) -> Cost {
        self.op.cost(&self.signature())
    }
}

/// A compiled program: plain data, ready to be replayed by any executor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    /// Name, for messages and for the names of its outputs.
    pub name: String,
    /// Buffers.
    pub buffers: Vec<Buffer>,
    /// Rows of the textures through which kernels read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub textures: Vec<usize>,
    /// Distinct kernels.
    pub kernels: Vec<KernelText>,
    /// Steps, in the order in which they run.
    pub steps: Vec<Step>,
    /// Values that are readable after a run, by name.
    pub outputs: BTreeMap<String, OperandAt>,
}

impl Program {
    /// Bytes of all buffers of a role.
    pub fn bytes_of(&self, role: Role) -> usize {
        self.buffers.iter().filter(|b| b.role == role).map(|b| b.bytes).sum()
    }

    /// Exact peak of device memory, in bytes: nothing else is allocated while it runs.
    pub fn total_bytes(&self) -> usize {
        self.buffers.iter().map(|b| b.bytes).sum::<usize>() + self.texture_bytes()
    }

    /// Bytes of the textures through which kernels read.
    pub fn texture_bytes(&self) -> usize {
        self.textures.iter().sum::<usize>() * texels::ROW_BYTES
    }

    /// Work of one run.
    pub fn cost(&self) -> Cost {
        self.steps.iter().map(Step::cost).sum()
    }

    /// Number of dispatches of one run.
    pub fn dispatch_count(&self) -> usize {
        self.steps.iter().map(|step| step.dispatches.len()).sum()
    }

    /// The dispatches of one run, in the order in which a GPU gets them.
    pub fn dispatches(&self) -> impl Iterator<Item = &Dispatch> {
        self.steps.iter().flat_map(|step| &step.dispatches)
    }
}

/// An op as its registry name and attributes.
mod op_as_data {
    use std::sync::Arc;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::graph::Op;
    use crate::ops;

    #[derive(Serialize, Deserialize)]
    struct Data {
        name: String,
        attributes: serde_json::Value,
    }

    pub fn serialize<S: Serializer>(op: &Arc<dyn Op>, serializer: S) -> Result<S::Ok, S::Error> {
        Data { name: op.name().to_owned(), attributes: op.attributes() }.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<dyn Op>, D::Error> {
        let Data { name, attributes } = Data::deserialize(deserializer)?;
        let entry = ops::find(&name)
            .ok_or_else(|| D::Error::custom(format!("this version has no op called {name}")))?;
        (entry.from_attributes)(attributes)
            .map_err(|error| D::Error::custom(format!("{name}: {error}")))
    }
}
