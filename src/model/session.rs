//! The device of a model, and the program of its predictions there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::ModelError;
use super::outputs::Outputs;
use crate::exec::{DeviceChoice, Executor, ProgramId, open};
use crate::tensor::HostTensor;
use crate::train::{ModelPrograms, PendingWeights};

/// Name of the program.
const PREDICT: &str = "predict";

/// A device that was opened, and what it was prepared for.
pub(super) struct Session {
    executor: Box<dyn Executor>,
    /// The program that predicts, where it is loaded.
    predicts: Option<Predicts>,
}

/// A program that predicts.
struct Predicts {
    id: ProgramId,
    batch: usize,
    /// Shape of what it gives for one input.
    shape: Vec<usize>,
}

impl Session {
    pub fn open(choice: &DeviceChoice) -> Result<Self, ModelError> {
        Ok(Self { executor: open(choice)?.executor, predicts: None })
    }

    /// The device, with nothing on it.
    pub fn cleared(&mut self) -> &mut dyn Executor {
        self.predicts = None;
        self.executor.unload_all();
        self.executor.as_mut()
    }

    /// Takes weights that have changed at the next prediction.
    pub fn forget(&mut self) {
        self.predicts = None;
    }

    pub fn device(&self) -> String {
        self.executor.info().to_string()
    }

    /// Whether predictions of such batches are prepared.
    pub fn is_ready(&self, batch: usize) -> bool {
        self.predicts.as_ref().is_some_and(|predicts| predicts.batch == batch)
    }

    /// Prepares the predictions of a model with these weights.
    pub fn prepare(
        &mut self,
        programs: &ModelPrograms,
        weights: &BTreeMap<String, HostTensor>,
        batch: usize,
    ) -> Result<(), ModelError> {
        let weights = PendingWeights::check(programs, weights)?;
        let executor = self.cleared();
        let program = programs.prediction(PREDICT, batch, executor.caps(), executor.picks())?;
        let id = executor.load(Arc::new(program))?;
        weights.write(executor)?;
        self.predicts = Some(Predicts { id, batch, shape: programs.outputs().to_vec() });
        Ok(())
    }

    /// What the model that was prepared makes of inputs, whole batches of `width` numbers each.
    pub fn predict(&mut self, inputs: &[f32], width: usize) -> Result<Outputs, ModelError> {
        let (mut values, mut shape) = (Vec::new(), Vec::new());
        if let Some(predicts) = &self.predicts {
            shape.clone_from(&predicts.shape);
            for inputs in inputs.chunks(width) {
                let executor = self.executor.as_mut();
                executor.write(&format!("{PREDICT}/inputs"), 0, bytemuck::cast_slice(inputs))?;
                executor.run(predicts.id, 1)?;
                let bytes = executor.read_now(&format!("{PREDICT}/outputs"))?;
                values.extend(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes));
            }
        }
        Ok(Outputs { values, shape })
    }
}
