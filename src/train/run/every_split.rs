//! All figures of a trained model on each split of its data.

use std::collections::BTreeMap;

use crate::tensor::HostTensor;
use crate::train::evaluate::evaluator::Evaluator;
use crate::train::store::records::evaluation::SplitEvaluation;
use crate::train::store::records::predictions::Predictions;
use crate::train::{TrainError, Trainer};

impl Trainer<'_> {
    /// Evaluates `weights` on every split, and predicts the test set. The trainer keeps them: for
    /// the end of a run. The program of the pass over the training set is loaded
    /// for it: until then the device has no memory for it.
    ///
    /// # Errors
    /// When the weights do not fit the model, or the device fails.
    pub fn evaluate_splits(
        &mut self,
        weights: &BTreeMap<String, HostTensor>,
    ) -> Result<(BTreeMap<String, SplitEvaluation>, Predictions), TrainError> {
        let weights: Vec<(String, HostTensor)> =
            weights.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        // Also their moving average, where that is what the evaluation reads.
        self.set_weights(&weights)?;
        let (test, predictions) = self.test.predict(self.executor, &self.data.test)?;
        let mut splits = BTreeMap::from([("test".to_owned(), test)]);
        if let (Some(evaluator), Some(set)) = (&self.validation, &self.data.validation) {
            splits.insert("validation".to_owned(), evaluator.evaluate(self.executor, set)?);
        }
        let train = &self.data.train;
        let program = self.train_evaluation.clone();
        let evaluator = Evaluator::load(self.executor, &self.model, train, program)?;
        splits.insert("train".to_owned(), evaluator.evaluate(self.executor, train)?);
        Ok((splits, predictions))
    }
}
