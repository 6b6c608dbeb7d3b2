//! Why a model cannot be written as ONNX.

use thiserror::Error;

use crate::error::ShapeError;
use crate::train::FileError;

/// Why a model cannot be written as ONNX.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// An op has no form in ONNX.
    #[error(
        "layer {layer}: {op} cannot be written as ONNX: {problem}; leave the layer out, or export the \
         weights alone with --format safetensors"
    )]
    Op {
        /// The layer.
        layer: String,
        /// The op, by its registry name.
        op: String,
        /// Why not.
        problem: String,
    },
    /// The weights lack a tensor, or it has another shape.
    #[error(
        "{name} {expected} is needed, the weights have {found}; give the weights of this model"
    )]
    Weights {
        /// The tensor.
        name: String,
        /// The shape that the model expects.
        expected: String,
        /// What the weights have.
        found: String,
    },
    /// The layers do not fit the images.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A file of protocol buffers holds at most 2 GiB.
    #[error(
        "the model takes {bytes} bytes as ONNX, and its files hold at most {most}; export the weights \
         with --format safetensors, or make the model smaller"
    )]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
        /// The most there can be.
        most: usize,
    },
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}
