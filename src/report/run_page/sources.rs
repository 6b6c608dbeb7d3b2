//! What the page of a run is made from, beside the run directory.

use crate::data::Dataset;
use crate::train::{EvaluatedWeights, ModelPrograms, PendingWeights, Predicted};

/// What a page is made from beside the run directory.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// The test set; without it the page has no images.
    pub test: Option<&'a Dataset>,
    /// Why it is not there, for the reader, in sentences.
    pub why_no_data: String,
    /// Which weights those of `model` are, and the predictions made with.
    pub which: Option<EvaluatedWeights>,
    /// The model and its trained weights; without them the page has no feature maps.
    pub model: Option<(&'a ModelPrograms, &'a PendingWeights)>,
    /// Predictions for the test set, where the run directory holds none.
    pub predictions: Option<Predicted>,
}

impl Sources<'_> {
    /// Why there are no images.
    pub(super) fn no_data(&self) -> String {
        if self.why_no_data.is_empty() {
            "There are no images here.".to_owned()
        } else {
            self.why_no_data.clone()
        }
    }
}
