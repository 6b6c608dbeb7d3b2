//! What a checkpoint holds: everything that decides the rest of a run.

use std::collections::BTreeMap;
use std::thread;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::data::{Dataset, Splits, TargetKind, TargetMut};
use crate::exec::DeviceInfo;
use crate::tensor::HostTensor;
use crate::train::run::position::{BestMark, Position};
use crate::train::run::stop::Stop;
use crate::train::store::records::csv;
use crate::train::store::records::metrics::EpochRecord;
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
    /// The rows of `metrics.csv` of all epochs that are done, as that file has them; empty in
    /// checkpoints of older versions.
    #[serde(default)]
    pub(in crate::train) metrics: String,
}

/// No run takes longer, in seconds: three hundred years.
const LONGEST: u64 = 10_000_000_000;

impl RunState {
    /// Whole epochs that are done.
    pub fn epochs_done(&self) -> u32 {
        self.position.epoch - 1
    }

    /// What each of these epochs achieved; none where the checkpoint does not know of all of them.
    pub fn epochs(&self) -> Option<Vec<EpochRecord>> {
        let rows: Vec<EpochRecord> = csv::parse(&self.metrics).ok()?;
        let numbers = rows.iter().map(|row| row.epoch);
        numbers.eq(1..self.position.epoch).then_some(rows)
    }

    /// What no run can have counted; none where all is in order.
    pub(in crate::train) fn impossible(&self) -> Option<String> {
        let Position { epoch, first, epoch_time, run_time } = self.position;
        let best = self.best.map_or(0, |best| best.epoch);
        if epoch == 0 {
            Some("its epochs count from 0, not from 1".to_owned())
        } else if first.is_some_and(|first| first > self.step) {
            Some(format!("its epoch begins behind step {}, where it was taken", self.step))
        } else if best > epoch {
            Some(format!("its best epoch is {best}, and it was taken in epoch {epoch}"))
        } else if epoch_time.as_secs().max(run_time.as_secs()) > LONGEST {
            Some("its run has taken more than three hundred years".to_owned())
        } else {
            None
        }
    }

    /// As [`Self::impossible`], for a run whose epochs have so many steps.
    pub(in crate::train) fn impossible_with(&self, steps_per_epoch: u64) -> Option<String> {
        let done = u64::from(self.epochs_done()).checked_mul(steps_per_epoch);
        let (begun, within) = (self.steps_of_epochs_done(), self.step_in_epoch());
        (done != Some(begun) || within > steps_per_epoch).then(|| {
            format!(
                "it counts {} steps, {within} of them in epoch {}, and an epoch of its recipe has \
                 {steps_per_epoch}",
                self.step, self.position.epoch
            )
        })
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

/// What tells one data set from another: names, sizes, labels and pixels. It is taken once, when a
/// run starts: hashing pixels takes longer than all else that a checkpoint does.
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
    /// SHA-256 of the pixels of all splits; checkpoints of older versions have none.
    #[serde(default)]
    pub images_sha256: Option<String>,
    /// SHA-256 of names and lengths of all files, in place of pixels, where these stay in files.
    #[serde(default)]
    pub files_sha256: Option<String>,
}

impl DataMark {
    /// In what two marks differ, in words; none where they are of one data set. What only one of them
    /// knows is no difference.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.name != other.name || self.image != other.image || self.examples != other.examples {
            let [a, b] = [self, other].map(|mark| {
                let Self { name, image: [h, w, c], examples: [train, validation, test], .. } = mark;
                format!(
                    "{name} with {train} training, {validation} validation and {test} test images \
                     of {h}x{w}x{c}"
                )
            });
            return Some(format!("{a} then, {b} now"));
        }
        if self.labels_sha256 != other.labels_sha256 {
            return Some("it has as many images as then, and other classes or labels".to_owned());
        }
        let pixels = self.images_sha256.as_ref().zip(other.images_sha256.as_ref());
        let files = self.files_sha256.as_ref().zip(other.files_sha256.as_ref());
        let what = [(pixels, "pixels"), (files, "files, by name or length")];
        let (_, what) = what.into_iter().find(|(both, _)| both.is_some_and(|(a, b)| a != b))?;
        Some(format!("it has the labels that it had then, and other {what}"))
    }

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
        if let Some(targets) = &data.train.targets {
            targets.values().iter().for_each(|target| hash.update(target.to_le_bytes()));
        }
        let train = &data.train;
        Self {
            name: train.name.clone(),
            image: [train.height, train.width, train.channels],
            examples: sets.map(|set| set.map_or(0, Dataset::len)),
            labels_sha256: hexadecimal(hash),
            images_sha256: (!train.streams()).then(|| hash_of_pixels(sets)),
            files_sha256: train.streams().then(|| hash_of_files(sets)),
        }
    }
}

/// The SHA-256, in hexadecimal, of the pixels of three splits, which are hashed side by side.
fn hash_of_pixels(sets: [Option<&Dataset>; 3]) -> String {
    let digests = thread::scope(|scope| {
        sets.map(|set| scope.spawn(move || set.map(digest_of_pixels)))
            .map(|thread| thread.join().ok().flatten())
    });
    let mut hash = Sha256::new();
    for digest in digests.into_iter().flatten() {
        hash.update(digest);
    }
    hexadecimal(hash)
}

fn digest_of_pixels(set: &Dataset) -> [u8; 32] {
    let Some(examples) = &set.examples else { return Sha256::digest(&set.images).into() };
    let mut hash = Sha256::new();
    let mut input = vec![0.0_f32; set.image_len()];
    let each = set.target().elements();
    let (mut labels, mut numbers) = (vec![0_u32; each], vec![0.0_f32; each]);
    let is_number = matches!(set.target(), TargetKind::Numbers(_));
    for i in 0..set.len() {
        let target = match is_number {
            true => TargetMut::Numbers(&mut numbers),
            false => TargetMut::Classes(&mut labels),
        };
        // What cannot be read ends the training once it is needed.
        if examples.read(i, &mut input, target).is_ok() {
            hash.update(bytemuck::cast_slice(&input));
            hash.update(bytemuck::cast_slice(&labels));
            hash.update(bytemuck::cast_slice(&numbers));
        }
    }
    hash.finalize().into()
}

/// The SHA-256, in hexadecimal, of the names and lengths of the files of three splits.
fn hash_of_files(sets: [Option<&Dataset>; 3]) -> String {
    let mut hash = Sha256::new();
    for pictures in sets.into_iter().flatten().filter_map(|set| set.pictures.as_ref()) {
        for (name, length) in pictures.lengths() {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update(length.to_le_bytes());
        }
    }
    hexadecimal(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, DataConfig};

    #[test]
    fn data_sets_are_told_apart_by_a_pixel() {
        let text = "dataset = \"synthetic-digits\"\ntrain_size = 20\ntest_size = 10\n";
        let config: DataConfig = toml::from_str(text).expect("valid");
        let splits = data::load(&config, None).expect("it is drawn");
        let mark = DataMark::of(&splits);
        assert_eq!(mark.difference(&DataMark::of(&splits)), None);
        let differs = |change: &dyn Fn(&mut Splits), part: &str| {
            let mut other = splits.clone();
            change(&mut other);
            let what = mark.difference(&DataMark::of(&other)).expect("another set");
            assert!(what.contains(part), "{what}");
        };
        differs(&|other| other.test.images[3] ^= 1, "other pixels");
        differs(&|other| other.train.images[0] ^= 128, "other pixels");
        differs(&|other| other.train.labels[0] = (other.train.labels[0] + 1) % 10, "or labels");
        differs(&|other| other.train.name.push('x'), "digitsx with 20 training");
        let old = DataMark { images_sha256: None, ..mark.clone() };
        assert_eq!(old.difference(&mark), None, "an older version did not say");
    }
}
