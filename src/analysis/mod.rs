//! Floor 7: what a trained model looks at, and what misleads it.

mod adversarial;
mod differentiable;
mod model_graph;
mod pixels;
mod saliency;
#[cfg(test)]
mod testing;

pub use adversarial::{Attack, AttackResult, Attacker};
pub use differentiable::DifferentiableModel;
pub use saliency::{SaliencyMap, SaliencyMethod, saliency};
