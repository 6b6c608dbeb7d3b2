//! What a checkpoint holds: everything that decides the rest of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::data::{Dataset, Splits};
use crate::exec::DeviceInfo;
use crate::tensor::HostTensor;
use crate::train::run::position::{BestMark, Position};
use crate::train::run::stop::Stop;
use crate::train::store::weights::hexadecimal;

/// Everything that decides the rest of a run, and what the run directory is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// What is no tensor.
    pub state: RunState,
    /// The states of the training program by name, as words of their buffers: parameters,
    /// optimizer, running statistics, counters, sums and logs of the epoch under way, loss scaling,
    /// and whatever else training adds.
    pub(in crate::train) device: BTreeMap<String, Vec<u8>>,
    /// Weights of the best epoch so far, in the order of the layers.
    pub(in crate::train) best: Vec<(String, HostTensor)>,
}

impl Checkpoint {
    /// The states of the training program by name, as words of their buffers.
    pub fn device_states(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.device
    }
}

/// The part of a checkpoint that is no tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// Version of verigrad that wrote it.
    pub verigrad: String,
    /// The device that the run was on.
    pub device: DeviceInfo,
    /// The recipe, as TOML.
    pub recipe: String,
    /// The variant of each kernel, as TOML.
    pub kernels: String,
    /// The data set, so far as to tell another one.
    pub data: DataMark,
    /// Steps completed.
    pub step: u64,
    /// How often the run was started or resumed.
    pub sessions: u32,
    /// How the run ended, if it did.
    pub stop: Option<Stop>,
    pub(in crate::train) position: Position,
    pub(in crate::train) best: Option<BestMark>,
    /// What each hook keeps on the host.
    pub(in crate::train) hooks: BTreeMap<String, Value>,
    /// Names of the best weights, in the order of the layers.
    pub(in crate::train) best_order: Vec<String>,
}

impl RunState {
    /// Whole epochs that are done.
    pub fn epochs_done(&self) -> u32 {
        self.position.epoch - 1
    }

    /// Steps of those epochs.
    pub fn steps_of_epochs_done(&self) -> u64 {
        self.position.first.unwrap_or(self.step)
    }

    /// Steps of the epoch that is under way.
    pub fn step_in_epoch(&self) -> u64 {
        self.step - self.steps_of_epochs_done()
    }
}

/// What tells one data set from another: names, sizes and labels. Images are left out, as hashing
/// them would take longer than all else that a checkpoint does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataMark {
    /// Name of the set.
    pub name: String,
    /// Height, width and channels of an image.
    pub image: [usize; 3],
    /// Training, validation and test images.
    pub examples: [usize; 3],
    /// SHA-256 of the classes and labels of all splits.
    pub labels_sha256: String,
}

impl DataMark {
    /// The mark of a data set.
    pub fn of(data: &Splits) -> Self {
        let sets = [Some(&data.train), data.validation.as_ref(), Some(&data.test)];
        let mut hash = Sha256::new();
        for class in &data.train.classes {
            hash.update((class.len() as u64).to_le_bytes());
            hash.update(class);
        }
        for set in sets {
            let labels = set.map_or(&[][..], |set| &set.labels);
            hash.update((labels.len() as u64).to_le_bytes());
            labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
        }
        let train = &data.train;
        Self {
            name: train.name.clone(),
            image: [train.height, train.width, train.channels],
            examples: sets.map(|set| set.map_or(0, Dataset::len)),
            labels_sha256: hexadecimal(hash),
        }
    }
}
