//! Layers of one's own.

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;

use super::Layer;
use super::bounds::Wrong;
use crate::error::ShapeError;
use crate::graph::Value;
use crate::nn::ModelBuilder;

/// What a layer is: those of this crate and those of one's own alike.
///
/// ```
/// use verigrad::error::ShapeError;
/// use verigrad::graph::Value;
/// use verigrad::nn::{Dense, Init, LayerDef, ModelBuilder, layers};
/// use verigrad::ops::Binary;
///
/// /// `y = x + bias`, a bias for each feature.
/// #[derive(Debug)]
/// struct Shift;
///
/// impl LayerDef for Shift {
///     fn stem(&self) -> &'static str {
///         "shift"
///     }
///
///     fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
///         let (_, features) = builder.ty(x).rows_columns();
///         let bias = builder.vector("bias", features, Init::Zeros, (1, 1));
///         builder.push(Binary::BIAS, &[x, bias])
///     }
/// }
///
/// let model = layers![Dense::new(8), Shift, Dense::new(1)];
/// # assert_eq!(model.len(), 3);
/// ```
pub trait LayerDef: Debug + Send + Sync {
    /// Stem of its name: `conv` in `conv1`. Letters and underscores.
    fn stem(&self) -> &'static str;

    /// Says which of its numbers cannot be, whatever reaches it: the number's key, and a message.
    ///
    /// # Errors
    /// Names the first.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }

    /// Adds its nodes behind `x`, of any shape that it can take; the first dimension is the batch.
    ///
    /// # Errors
    /// When it cannot take `x`; the layer's name is added to the message.
    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError>;

    /// As an element of a model.
    fn into_layer(self) -> Layer
    where
        Self: Sized + 'static,
    {
        Layer::Custom(CustomLayer(Arc::new(self)))
    }
}

/// A layer that is none of this crate's. It cannot be written into a file.
#[derive(Debug, Clone)]
pub struct CustomLayer(Arc<dyn LayerDef>);

impl Deref for CustomLayer {
    type Target = dyn LayerDef;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

/// Layers are the same if they are shown the same.
impl PartialEq for CustomLayer {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
