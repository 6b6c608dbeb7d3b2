//! Layers of a file of Keras.

/// Layers of a file that have weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::train::store::exchange) struct KerasLayers {
    pub layers: Vec<KerasLayer>,
    /// Whether they are in the order of the model. A `.weights.h5` file tells it of layers of one kind only.
    pub in_order: bool,
}

/// A layer with weights: floats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::train::store::exchange) struct KerasLayer {
    /// Where it lies in the file.
    pub path: String,
    /// What the model calls it, where the file tells.
    pub name: Option<String>,
    /// Its tensors, in the order in which the layer made them.
    pub tensors: Vec<String>,
}
