//! Floor 7: trained models as ONNX files, which other programs run.
//!
//! A file holds the graph that evaluates a model, from pixels to probabilities, with all weights in it:
//!
//! | | name | type | |
//! | --- | --- | --- | --- |
//! | input | `image` | f32 `[batch, channels, height, width]` | pixels from 0 to 255, as they are; red, green, blue |
//! | output | `logits` | f32 `[batch, classes]` | what the last layer gives |
//! | output | `probabilities` | f32 `[batch, classes]` | their softmax; their sigmoid where several classes apply |
//!
//! A model that predicts numbers has one output, `predictions`.
//!
//! Normalization is in the graph, and `batch` is any number. Images lie with their channels in front, as
//! ONNX has them, so weights are laid out anew; the numbers are the same. With 8 bits
//! ([`OnnxModel::quantized`]), products read quantized activations and quantized weights.
//!
//! The graph is that of [`crate::nn::ModelBuilder`], in the operators of opset 20; an op that has no form
//! there is refused by name. Specification: <https://onnx.ai/onnx/operators/>.
//!
//! ```
//! use std::collections::BTreeMap;
//! use verigrad::data::Normalization;
//! use verigrad::onnx::{About, OnnxModel};
//! use verigrad::train::{ModelPrograms, Recipe};
//!
//! let recipe = Recipe::builtin("digits", &[])?;
//! let normalization = Normalization::new(1, vec![0.5], vec![0.5])?;
//! let model = ModelPrograms::new(&recipe.layers, [28, 28, 1], 10, normalization)?;
//! let weights: BTreeMap<_, _> =
//!     model.parameters.iter().map(|spec| (spec.name.clone(), spec.initial(1))).collect();
//! let about = About { name: recipe.name, ..About::default() };
//! let onnx = OnnxModel::new(&model, &weights, &about)?;
//! let graph = onnx.proto().graph.as_ref().expect("a model has a graph");
//! assert_eq!(graph.input[0].name, "image");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod elements;
mod error;
mod layout;
mod model;
mod norms;
mod order;
mod pools;
mod products;
pub mod proto;
mod translate;
mod weights;
mod writer;

pub use error::OnnxError;
pub use model::{About, IMAGE, LOGITS, OPSET, OnnxModel, PREDICTIONS, PROBABILITIES};
