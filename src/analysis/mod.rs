//! Floor 7: what a trained model looks at.

mod differentiable;
mod model_graph;
mod pixels;
mod saliency;
#[cfg(test)]
mod testing;

pub use differentiable::DifferentiableModel;
pub use saliency::{SaliencyMap, SaliencyMethod, saliency};
