//! `result.json`: what a run came to, and what an ensemble did.

use serde::{Deserialize, Serialize};

use super::csv::null_is_nan;
use crate::exec::DeviceInfo;

/// What a run came to. Numbers that are not finite are `null` in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Version of verigrad.
    pub verigrad: String,
    /// Name of the recipe.
    pub recipe: String,
    /// The device that the run ended on.
    pub device: DeviceInfo,
    /// Trainable numbers.
    pub parameters: usize,
    /// Device memory of training and evaluation, in bytes.
    pub planned_bytes: usize,
    /// Memory of the host beside that at the largest, in bytes, as planned before the start; runs of old
    /// versions did not say.
    #[serde(default)]
    pub planned_host_bytes: usize,
    /// Number of the last epoch.
    pub epochs: u32,
    /// Training steps.
    pub steps: u64,
    /// Why the run ended, in words; runs of old versions did not say.
    #[serde(default)]
    pub ended: String,
    /// Number of the best epoch.
    pub best_epoch: u32,
    /// Accuracy on the test set after the best epoch.
    #[serde(deserialize_with = "null_is_nan")]
    pub best_test_accuracy: f64,
    /// Accuracy on the test set of the weights that the run ended with.
    pub test_accuracy: Option<f64>,
    /// Their loss on the test set.
    pub test_loss: Option<f64>,
    /// Duration of all sessions together.
    #[serde(deserialize_with = "null_is_nan")]
    pub seconds: f64,
    /// How often the run was started or resumed.
    #[serde(default = "one")]
    pub sessions: u32,
    /// SHA-256 of the weights that the run ended with.
    pub weights_sha256: String,
    /// SHA-256 of the weights of the best epoch; runs of old versions did not say.
    #[serde(default)]
    pub weights_best_sha256: Option<String>,
}

const fn one() -> u32 {
    1
}

/// What an ensemble came to, in the folder that it leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnsembleResult {
    /// Version of verigrad.
    pub verigrad: String,
    /// Name of the recipe of its first member.
    pub name: String,
    /// Number of classes.
    pub classes: usize,
    /// What each member gives alone.
    pub members: Vec<MemberResult>,
    /// Mean of the members' accuracies on the test set.
    pub mean_member_accuracy: f64,
    /// The highest of them.
    pub best_member_accuracy: f64,
    /// Accuracy of the averaged probabilities on the test set.
    pub test_accuracy: f64,
    /// Their mean loss.
    #[serde(deserialize_with = "null_is_nan")]
    pub test_loss: f64,
    /// Number of test examples.
    pub test_examples: u64,
    /// Mean F1 score of the classes.
    pub macro_f1: f64,
}

/// What a member of an ensemble gives alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberResult {
    /// Name of its run.
    pub run: String,
    /// Folder of its run.
    pub path: String,
    /// Name of its recipe.
    pub recipe: String,
    /// Its seed.
    pub seed: u64,
    /// Which of its weights: `best` or `last`.
    pub weights: String,
    /// Its weight in the average.
    pub weight: f64,
    /// Accuracy on the test set.
    pub test_accuracy: f64,
    /// Mean loss on the test set.
    #[serde(deserialize_with = "null_is_nan")]
    pub test_loss: f64,
    /// Mean F1 score of the classes.
    pub macro_f1: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> RunResult {
        RunResult {
            verigrad: "0.1.0".to_owned(),
            recipe: "digits".to_owned(),
            device: DeviceInfo::cpu(),
            parameters: 12,
            planned_bytes: 34,
            planned_host_bytes: 56,
            epochs: 2,
            steps: 20,
            ended: "all epochs are done".to_owned(),
            best_epoch: 1,
            best_test_accuracy: 0.5,
            test_accuracy: None,
            test_loss: Some(1.5),
            seconds: 2.5,
            sessions: 3,
            weights_sha256: "00".to_owned(),
            weights_best_sha256: None,
        }
    }

    #[test]
    fn a_result_survives_json() {
        let text = serde_json::to_string(&result()).expect("names and numbers");
        assert_eq!(serde_json::from_str::<RunResult>(&text).expect("its own"), result());
        let without = RunResult { best_test_accuracy: f64::NAN, ..result() };
        let text = serde_json::to_string(&without).expect("names and numbers");
        assert!(text.contains("\"best_test_accuracy\":null"), "{text}");
        let read: RunResult = serde_json::from_str(&text).expect("its own");
        assert!(read.best_test_accuracy.is_nan());
    }

    /// The first version knew neither why a run ended nor how many sessions it had; a later one may
    /// know more than this.
    #[test]
    fn results_of_other_versions_are_read() {
        let mut json = serde_json::to_value(result()).expect("names and numbers");
        let keys = json.as_object_mut().expect("an object");
        keys.remove("ended").expect("it was there");
        keys.remove("sessions").expect("it was there");
        keys.insert("news".to_owned(), 1.into());
        let read: RunResult = serde_json::from_value(json).expect("it can be read");
        assert_eq!(read, RunResult { ended: String::new(), sessions: 1, ..result() });
    }
}
