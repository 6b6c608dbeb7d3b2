//! The numbers of a model: all of them floats, or those of products in 8 bits.

use std::collections::BTreeMap;

use super::error::OnnxError;
use crate::analysis::{Grid, Int8Tensor, QuantizedModel, weights_of};
use crate::tensor::{HostTensor, Shape};

/// The numbers of a model by our names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weights<'a> {
    Floats(&'a BTreeMap<String, HostTensor>),
    Int8(&'a QuantizedModel),
}

/// What a layer multiplies by.
#[derive(Debug)]
pub(super) enum Factor<'a> {
    Floats(&'a [f32]),
    Int8(&'a Int8Tensor),
}

impl<'a> Weights<'a> {
    /// A tensor of floats of the given shape.
    pub fn floats(self, name: &str, shape: &Shape) -> Result<&'a [f32], OnnxError> {
        let floats = match self {
            Self::Floats(floats) => floats,
            Self::Int8(model) => &model.floats,
        };
        let found = floats.get(name);
        let fits = |tensor: &&HostTensor| {
            tensor.ty().shape == *shape && tensor.f32s().len() == shape.elements()
        };
        match found.filter(fits) {
            Some(tensor) => Ok(tensor.f32s()),
            None => Err(mismatch(name, shape, found.map(|tensor| tensor.ty().to_string()))),
        }
    }

    /// What a layer multiplies by, of the given shape.
    pub fn factor(self, name: &str, shape: &Shape) -> Result<Factor<'a>, OnnxError> {
        let Self::Int8(model) = self else { return self.floats(name, shape).map(Factor::Floats) };
        let Some(tensor) = model.weights.get(name) else {
            return self.floats(name, shape).map(Factor::Floats);
        };
        if tensor.shape == *shape && tensor.values.len() == shape.elements() {
            Ok(Factor::Int8(tensor))
        } else {
            Err(mismatch(name, shape, Some(tensor.shape.to_string())))
        }
    }

    /// The grid of what a layer reads; none where that is not quantized.
    pub fn grid(self, layer: &str) -> Result<Option<Grid>, OnnxError> {
        let Self::Int8(model) = self else { return Ok(None) };
        let grid = model.grids.get(layer).copied();
        if grid.is_none() && model.weights.contains_key(&weights_of(layer)) {
            return Err(mismatch(&format!("{layer}.input.scale"), &Shape::from([1]), None));
        }
        Ok(grid.filter(|grid| grid.scale > 0.0))
    }
}

fn mismatch(name: &str, expected: &Shape, found: Option<String>) -> OnnxError {
    OnnxError::Weights {
        name: name.to_owned(),
        expected: expected.to_string(),
        found: found.unwrap_or_else(|| "none".to_owned()),
    }
}
