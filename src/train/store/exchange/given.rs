//! A tensor as a file of another program has it: its type is judged when somebody needs it.

use crate::tensor::{HostTensor, Shape};

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    /// Floats of any size, as f32.
    Floats(HostTensor),
    /// What is no float that can be read: counters, masks, text, 8-bit floats.
    Other {
        /// What the file calls its type.
        dtype: String,
        /// Its shape.
        shape: Shape,
    },
}

impl Given {
    /// The shape.
    pub fn shape(&self) -> &Shape {
        match self {
            Self::Floats(tensor) => &tensor.ty().shape,
            Self::Other { shape, .. } => shape,
        }
    }

    /// Type and shape, in words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Floats(tensor) => tensor.ty().shape.to_string(),
            Self::Other { dtype, shape } => format!("{dtype} {shape}"),
        }
    }
}
