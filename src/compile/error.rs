//! Why a graph cannot become a program.

use thiserror::Error;

use crate::error::ShapeError;
use crate::tensor::TensorType;

/// Why a graph cannot become a program.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompileError {
    /// Operands do not fit.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A value is read after an in-place update took its place, so that no order is right.
    #[error(
        "{scope}: {op} updates a tensor in place whose old content is still needed afterwards; \
         copy it first"
    )]
    Cycle {
        /// Layer of the node.
        scope: String,
        /// The op that updates.
        op: String,
    },
    /// A tensor is larger than the device can bind, and its op does not work on parts of it.
    #[error(
        "{scope}: {op} needs {tensor}, {}, at once; the device binds at most {}",
        size(*needed),
        size(*available)
    )]
    TooLarge {
        /// Layer of the node.
        scope: String,
        /// The op that needs the tensor.
        op: String,
        /// Type of the tensor.
        tensor: TensorType,
        /// Size of the tensor, in bytes.
        needed: u64,
        /// Limit of the device, in bytes.
        available: u64,
    },
    /// A buffer is larger than any that the device has.
    #[error(
        "{name} takes a buffer of {}; the device has none of more than {}",
        size(*needed),
        size(*available)
    )]
    BufferTooLarge {
        /// Name of the buffer.
        name: String,
        /// Its size, in bytes.
        needed: u64,
        /// Limit of the device, in bytes.
        available: u64,
    },
    /// Tensors are stored in 16 bits, which the device has no kernels for.
    #[error(
        "activations are to be stored as f16, which this device lacks; set precision = \"f32\" in \
         the recipe"
    )]
    NoF16,
    /// No kernel of an op fits the device.
    #[error("{scope}: no kernel of {op} fits this device's limits for {signature}")]
    NoLowering {
        /// Layer of the node.
        scope: String,
        /// The op.
        op: String,
        /// Types of its operands.
        signature: String,
    },
    /// An output has no memory of its own.
    #[error(
        "output {name} is part of another tensor, or changed in place later; copy it first, or \
         read the state by its own name"
    )]
    SharedOutput {
        /// The output's name.
        name: String,
    },
    /// Two tensors that outlive a run have one name.
    #[error("{name} is declared twice, as {first} and as {second}")]
    Duplicate {
        /// The name.
        name: String,
        /// First declaration.
        first: String,
        /// Second declaration.
        second: String,
    },
}

/// Bytes for readers: in MiB, where there are many.
fn size(bytes: u64) -> String {
    if bytes < 10 << 20 { format!("{bytes} bytes") } else { format!("{} MiB", bytes >> 20) }
}
