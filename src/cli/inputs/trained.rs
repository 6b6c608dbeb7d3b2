//! A trained model: its recipe, what it takes and gives, its weights, and the data that fit it.

use std::collections::BTreeMap;

use super::loading::image_of;
use crate::data::{Dataset, Task};
use crate::exec::Executor;
use crate::report::format::visible_name;
use crate::tensor::HostTensor;
use crate::train::{
    Evaluator, ModelPrograms, ModelRecord, PendingWeights, Predicted, Recipe, SplitEvaluation,
    TrainError,
};

/// How two lists of classes differ, in words, with both lists; none where they are the same.
pub(in crate::cli) fn classes_differ(trained: &[String], found: &[String]) -> Option<String> {
    if trained == found {
        return None;
    }
    let (mut a, mut b) = (trained.to_vec(), found.to_vec());
    a.sort();
    b.sort();
    let how = if a == b { "the same ones in another order: " } else { "" };
    Some(format!("{how}trained on {}; there are {}", in_words(trained), in_words(found)))
}

/// Number and names of classes, as many as a line holds.
pub(in crate::cli) fn in_words(classes: &[String]) -> String {
    const SHOWN: usize = 8;
    let names = classes.iter().take(SHOWN).map(|name| visible_name(name));
    let names = names.collect::<Vec<_>>().join(", ");
    let more = if classes.len() > SHOWN { ", ..." } else { "" };
    format!("{} classes ({names}{more})", classes.len())
}

/// A model whose weights were read and fit it.
pub(in crate::cli) struct TrainedModel {
    pub recipe: Recipe,
    pub record: ModelRecord,
    pub model: ModelPrograms,
    /// The weights by name.
    pub tensors: BTreeMap<String, HostTensor>,
    /// The same, ready for a device.
    pub weights: PendingWeights,
}

impl TrainedModel {
    /// Checks that a set has the images and classes that the model was trained on.
    pub fn check_data(&self, data: &Dataset) -> Result<(), TrainError> {
        let record = &self.record;
        let name = &data.name;
        if image_of(data) != record.image {
            return Err(TrainError::Weights(format!(
                "they were trained on images of {:?} (height, width, channels), {name} has images \
                 of {:?}",
                record.image,
                image_of(data)
            )));
        }
        match classes_differ(&record.classes, &data.classes) {
            None => Ok(()),
            Some(how) => Err(TrainError::Weights(format!(
                "they were trained on other classes than {name} has: {how}"
            ))),
        }
    }

    /// An error for a model that does not tell one of several classes.
    pub fn needs_classes(&self) -> Result<(), TrainError> {
        match self.record.task {
            Task::Classification => Ok(()),
            task => Err(TrainError::NoClasses { task }),
        }
    }

    /// Evaluates the model on a set, with the prediction for each example.
    pub fn predict(
        &self,
        executor: &mut dyn Executor,
        name: &str,
        data: &Dataset,
        batch: usize,
    ) -> Result<(SplitEvaluation, Predicted), TrainError> {
        let evaluator = Evaluator::new(executor, &self.model, name, data, batch)?;
        self.weights.write(executor)?;
        evaluator.predict(executor, data)
    }
}
