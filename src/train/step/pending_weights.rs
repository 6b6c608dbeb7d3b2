//! Weights that were checked against a model and wait for its buffers.

use std::collections::BTreeMap;

use super::model::ModelPrograms;
use super::names::{PARAMETERS, RUNNING_STATISTICS};
use crate::exec::Executor;
use crate::tensor::HostTensor;
use crate::train::TrainError;

/// Weights that were checked against a model and wait for its buffers.
#[derive(Debug, Clone)]
pub struct PendingWeights {
    parameters: Vec<f32>,
    /// Running statistics in the order of the arena.
    states: Vec<f32>,
}

impl PendingWeights {
    /// Checks names and shapes.
    ///
    /// # Errors
    /// Names the first tensor that is missing, superfluous or of another shape.
    pub fn check(
        model: &ModelPrograms,
        weights: &BTreeMap<String, HostTensor>,
    ) -> Result<Self, TrainError> {
        let find = |name: &str, shape: &crate::tensor::Shape| {
            let tensor = weights
                .get(name)
                .ok_or_else(|| TrainError::Weights(format!("{name} {shape} is missing")))?;
            if tensor.ty().shape == *shape {
                Ok(tensor.f32s().to_vec())
            } else {
                let given = &tensor.ty().shape;
                Err(TrainError::Weights(format!(
                    "{name} has shape {given}, the model expects {shape}"
                )))
            }
        };
        // Where a model has none, programs have no room for them.
        let elements = if model.arena.entries.is_empty() { 0 } else { model.arena.elements };
        let mut parameters = vec![0.0; elements];
        for entry in &model.arena.entries {
            let values = find(&entry.spec.name, &entry.spec.shape)?;
            parameters[entry.offset..entry.offset + values.len()].copy_from_slice(&values);
        }
        let mut states = vec![0.0; model.arena.state_elements];
        for entry in &model.arena.states {
            let values = find(&entry.spec.name, &entry.spec.shape)?;
            states[entry.offset..entry.offset + values.len()].copy_from_slice(&values);
        }
        let known = model.arena.entries.len() + model.states.len();
        if weights.len() != known {
            let is_known = |name: &String| {
                model.arena.find(name).is_some() || model.states.iter().any(|s| s.name == *name)
            };
            let extra = weights.keys().find(|name| !is_known(name)).cloned().unwrap_or_default();
            return Err(TrainError::Weights(format!("the model has no tensor called {extra}")));
        }
        Ok(Self { parameters, states })
    }

    /// The parameters in the order of the arena.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// Writes the weights; a program that uses them must be loaded.
    ///
    /// # Errors
    /// When the device fails.
    pub fn write(&self, executor: &mut dyn Executor) -> Result<(), TrainError> {
        if !self.parameters.is_empty() {
            executor.write(PARAMETERS, 0, bytemuck::cast_slice(&self.parameters))?;
        }
        if !self.states.is_empty() {
            executor.write(RUNNING_STATISTICS, 0, bytemuck::cast_slice(&self.states))?;
        }
        Ok(())
    }
}
