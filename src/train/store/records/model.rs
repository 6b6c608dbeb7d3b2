//! `model.json`: what a trained model takes and gives.

use serde::{Deserialize, Serialize};

use crate::data::{DataConfig, DataError, Normalization, Task};

/// What a trained model takes and gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecord {
    /// Height, width and channels of an image.
    pub image: [usize; 3],
    /// Names of the classes, or of the numbers that are predicted.
    pub classes: Vec<String>,
    /// What is learned of images.
    #[serde(default, skip_serializing_if = "Task::is_classification")]
    pub task: Task,
    /// How pixels become numbers; runs of older versions leave it to their recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
}

impl ModelRecord {
    /// How pixels become numbers, in the run of a recipe with this data section.
    ///
    /// # Errors
    /// When neither the record nor the recipe says, or the numbers do not fit the images.
    pub fn normalization_in(&self, data: &DataConfig) -> Result<Normalization, DataError> {
        let [height, width, channels] = self.image;
        match &self.normalization {
            Some(numbers) => {
                let (mean, std) = (numbers.mean.clone(), numbers.std.clone());
                let one_each =
                    if mean.len() == channels { channels } else { height * width * channels };
                Normalization::new(one_each, mean, std)
            }
            None => data.normalization(channels),
        }
    }
}
