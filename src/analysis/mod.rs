//! Floor 7: what a trained model looks at, what misleads it, and what 8 bits cost it.

mod adversarial;
mod differentiable;
mod model_graph;
mod pixels;
mod quantize;
mod saliency;
#[cfg(test)]
mod testing;

pub use adversarial::{Attack, AttackResult, Attacker};
pub use differentiable::DifferentiableModel;
pub use quantize::{
    Granularity, Grid, Int8Tensor, QuantizedFileError, QuantizedModel, SimulatedFigures, Simulator,
    weights_of,
};
pub use saliency::{SaliencyMap, SaliencyMethod, saliency};
