//! The device of a model, and the program of its predictions there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::ModelError;
use crate::exec::{DeviceChoice, Executor, ProgramId, open};
use crate::tensor::HostTensor;
use crate::train::{ModelPrograms, PendingWeights};

/// Name of the program.
const PREDICT: &str = "predict";

/// A device that was opened, and what it was prepared for.
pub(super) struct Session {
    executor: Box<dyn Executor>,
    /// The program that predicts, and its batch.
    predicts: Option<(ProgramId, usize)>,
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

    /// What a model with these weights makes of inputs `[n, input]`, a multiple of `batch`.
    pub fn predict(
        &mut self,
        programs: &ModelPrograms,
        weights: &BTreeMap<String, HostTensor>,
        (inputs, batch): (&[f32], usize),
    ) -> Result<Vec<f32>, ModelError> {
        let id = match self.predicts {
            Some((id, prepared)) if prepared == batch => id,
            _ => {
                let executor = self.cleared();
                let (caps, picks) = (executor.caps().clone(), executor.picks().clone());
                let program = programs.prediction(PREDICT, batch, &caps, &picks)?;
                let id = executor.load(Arc::new(program))?;
                PendingWeights::check(programs, weights)?.write(executor)?;
                self.predicts = Some((id, batch));
                id
            }
        };
        let executor = self.executor.as_mut();
        let width = batch * programs.input().iter().product::<usize>();
        let mut outputs = Vec::new();
        for inputs in inputs.chunks(width) {
            executor.write(&format!("{PREDICT}/inputs"), 0, bytemuck::cast_slice(inputs))?;
            executor.run(id, 1)?;
            let bytes = executor.read_now(&format!("{PREDICT}/outputs"))?;
            outputs.extend(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes));
        }
        Ok(outputs)
    }
}
