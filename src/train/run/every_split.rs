//! All figures of a trained model on each split of its data.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use crate::tensor::HostTensor;
use crate::train::evaluate::evaluator::Evaluator;
use crate::train::store::records::evaluation::SplitEvaluation;
use crate::train::store::records::predictions::Predicted;
use crate::train::{TrainError, Trainer};

impl Trainer<'_> {
    /// Evaluates `weights` on every split, and predicts the test set. The trainer keeps them: for
    /// the end of a run. The program of the pass over the training set is loaded
    /// for it: until then the device has no memory for it.
    ///
    /// # Errors
    /// When the weights do not fit the model, or the device fails; [`TrainError::Interrupted`] once
    /// `interrupted` is set.
    pub fn evaluate_splits(
        &mut self,
        weights: &BTreeMap<String, HostTensor>,
        interrupted: Option<&AtomicBool>,
    ) -> Result<(BTreeMap<String, SplitEvaluation>, Predicted), TrainError> {
        let weights: Vec<(String, HostTensor)> =
            weights.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        // Also their moving average, where that is what the evaluation reads.
        self.set_weights(&weights)?;
        let (test, predictions) =
            self.test.predict_until(self.executor, &self.data.test, interrupted)?;
        let mut splits = BTreeMap::from([("test".to_owned(), test)]);
        if let (Some(evaluator), Some(set)) = (&self.validation, &self.data.validation) {
            let figures = evaluator.evaluate_until(self.executor, set, interrupted)?;
            splits.insert("validation".to_owned(), figures);
        }
        let train = &self.data.train;
        let program = self.train_evaluation.clone();
        let evaluator = Evaluator::load(self.executor, &self.model, train, program)?;
        let figures = evaluator.evaluate_until(self.executor, train, interrupted)?;
        splits.insert("train".to_owned(), figures);
        Ok((splits, predictions))
    }
}
