//! The file of a checkpoint: safetensors, with everything that is no tensor as JSON in the metadata,
//! and a SHA-256 over all of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::contents::{Checkpoint, RunState};
use crate::input::{self, MOST_OF_WEIGHTS};
use crate::tensor::HostTensor;
use crate::train::store::files::FileError;
use crate::train::store::weights::{
    Stored, WeightsError, hexadecimal, open_safetensors, save_stored,
};

/// Version of the file's layout.
const FORMAT: &str = "1";
/// Keys of the metadata.
const FORMAT_KEY: &str = "verigrad_checkpoint";
const STATE_KEY: &str = "state";
const HASH_KEY: &str = "sha256";
/// What the names of device states begin with.
const DEVICE: &str = "device/";
/// What the names of the best weights begin with.
const BEST: &str = "best/";

/// Why a checkpoint cannot be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file cannot be written as safetensors.
    #[error(transparent)]
    Format(#[from] WeightsError),
    /// The file was cut short or damaged.
    #[error("the checkpoint {} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file's layout is that of another version.
    #[error(
        "the checkpoint {} has layout {found}, this version of verigrad reads layout {FORMAT}; \
         resume it with the version that wrote it", path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: String,
    },
    /// There is none.
    #[error(
        "{} holds no checkpoint: the run was ended before its first one, or by a version of \
         verigrad that had none; start it anew with `verigrad train {}`",
        run.display(),
        run.join("recipe.toml").display()
    )]
    Missing {
        /// The run directory.
        run: PathBuf,
    },
    /// There are some, and none is intact.
    #[error(
        "{} holds no intact checkpoint; start the run anew with `verigrad train {}`\n  {}",
        run.display(),
        run.join("recipe.toml").display(),
        why.join("\n  ")
    )]
    NoneIntact {
        /// The run directory.
        run: PathBuf,
        /// What is wrong with each of them.
        why: Vec<String>,
    },
}

/// Writes a checkpoint; whoever opens `path`, even after a crash, finds all of it or none.
pub(in crate::train) fn write(path: &Path, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    let state = serde_json::to_string(&checkpoint.state)
        .map_err(|source| WeightsError::Header { path: path.to_owned(), source })?;
    let device: Vec<(String, &[u8])> = checkpoint
        .device
        .iter()
        .map(|(name, bytes)| (format!("{DEVICE}{name}"), bytes.as_slice()))
        .collect();
    let best: Vec<(String, &HostTensor)> =
        checkpoint.best.iter().map(|(name, tensor)| (format!("{BEST}{name}"), tensor)).collect();
    let words = |bytes: &[u8]| vec![bytes.len() / size_of::<u32>()];
    let mut tensors: Vec<Stored<'_>> = device
        .iter()
        .map(|(name, bytes)| Stored { name, dtype: Dtype::U32, shape: words(bytes), bytes })
        .collect();
    tensors.extend(best.iter().map(|(name, tensor)| Stored {
        name,
        dtype: Dtype::F32,
        shape: tensor.ty().dims().to_vec(),
        bytes: tensor.bytes(),
    }));
    let metadata = BTreeMap::from([
        (FORMAT_KEY.to_owned(), FORMAT.to_owned()),
        (HASH_KEY.to_owned(), hash_of(&state, &tensors)),
        (STATE_KEY.to_owned(), state),
    ]);
    Ok(save_stored(path, &tensors, &metadata)?)
}

/// Reads a checkpoint and checks all of it.
pub(in crate::train) fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let bytes =
        input::read(path, MOST_OF_WEIGHTS).map_err(FileError::of("read the checkpoint", path))?;
    let damaged = |what: String| CheckpointError::Damaged { path: path.to_owned(), what };
    let cut = |error| damaged(format!("{error}"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(cut)?;
    let find = |key: &str| metadata(&header, key).ok_or_else(|| damaged(format!("no {key}")));
    let found = find(FORMAT_KEY)?;
    if found != FORMAT {
        return Err(CheckpointError::OtherFormat { path: path.to_owned(), found });
    }
    let (state, expected) = (find(STATE_KEY)?, find(HASH_KEY)?);
    let file = open_safetensors(path, &bytes).map_err(|error| damaged(error.to_string()))?;
    let views = file.tensors();
    let tensors: Vec<Stored<'_>> = views
        .iter()
        .map(|(name, view)| Stored {
            name,
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            bytes: view.data(),
        })
        .collect();
    // A fuzzer would never get past it.
    if !cfg!(fuzzing) && hash_of(&state, &tensors) != expected {
        return Err(damaged("its content does not have the SHA-256 that it should".to_owned()));
    }
    let state: RunState =
        serde_json::from_str(&state).map_err(|error| damaged(error.to_string()))?;
    if let Some(what) = state.impossible() {
        return Err(damaged(what));
    }
    let mut device = BTreeMap::new();
    let mut best = BTreeMap::new();
    for tensor in &tensors {
        if let Some(name) = tensor.name.strip_prefix(DEVICE) {
            device.insert(name.to_owned(), tensor.bytes.to_vec());
        } else if let Some(name) = tensor.name.strip_prefix(BEST) {
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.bytes);
            let value = HostTensor::from_f32(tensor.shape.as_slice(), &values)
                .map_err(|error| damaged(error.to_string()))?;
            best.insert(name.to_owned(), value);
        }
    }
    let ordered = state.best_order.iter().map(|name| Some((name.clone(), best.remove(name)?)));
    let best = ordered.collect::<Option<Vec<_>>>();
    let best = best.ok_or_else(|| damaged("weights of the best epoch are missing".to_owned()))?;
    Ok(Checkpoint { state, device, best })
}

fn metadata(header: &Metadata, key: &str) -> Option<String> {
    header.metadata().as_ref()?.get(key).cloned()
}

/// The SHA-256, in hexadecimal, of everything that a checkpoint says.
fn hash_of(state: &str, tensors: &[Stored<'_>]) -> String {
    let mut hash = Sha256::new();
    // Every field begins with its length: no two checkpoints give the same text.
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(state.as_bytes());
    let mut sorted: Vec<&Stored<'_>> = tensors.iter().collect();
    sorted.sort_by_key(|tensor| tensor.name);
    for tensor in sorted {
        field(tensor.name.as_bytes());
        field(tensor.dtype.to_string().as_bytes());
        tensor.shape.iter().for_each(|dim| field(&(*dim as u64).to_le_bytes()));
        field(tensor.bytes);
    }
    hexadecimal(hash)
}

#[cfg(test)]
pub(in crate::train) mod tests {
    use std::fs;

    use super::*;
    use crate::exec::DeviceInfo;
    use crate::train::run::checkpoint::contents::DataMark;
    use crate::train::run::position::BestMark;
    use crate::train::run::position::Position;

    /// A small checkpoint after `step` steps.
    pub fn sample(step: u64) -> Checkpoint {
        let tensor = HostTensor::from_f32([2, 1], &[f32::NAN, -0.0]).expect("two values");
        Checkpoint {
            state: RunState {
                verigrad: "0.0.0".to_owned(),
                device: DeviceInfo::cpu(),
                recipe: "name = \"a\"\n".to_owned(),
                kernels: String::new(),
                data: DataMark {
                    name: "digits".to_owned(),
                    image: [28, 28, 1],
                    examples: [10, 0, 2],
                    labels_sha256: "0".to_owned(),
                    images_sha256: Some("1".to_owned()),
                    files_sha256: None,
                },
                step,
                sessions: 1,
                stop: None,
                position: Position { first: Some(3), ..Position::START },
                best: Some(BestMark { epoch: 1, score: 0.1 + 0.2, test_accuracy: 0.25 }),
                hooks: BTreeMap::from([("a".to_owned(), serde_json::json!({ "wait": 2 }))]),
                best_order: vec!["z".to_owned(), "a".to_owned()],
                metrics: String::new(),
            },
            device: BTreeMap::from([
                ("parameters".to_owned(), vec![1, 2, 3, 4, 255, 0, 0, 9]),
                ("step".to_owned(), vec![7, 0, 0, 0]),
            ]),
            best: vec![("z".to_owned(), tensor.clone()), ("a".to_owned(), tensor)],
        }
    }

    fn same(a: &Checkpoint, b: &Checkpoint) -> bool {
        let words = |c: &Checkpoint| -> Vec<(String, Vec<u32>)> {
            c.best.iter().map(|(name, t)| (name.clone(), t.words().to_vec())).collect()
        };
        a.state == b.state && a.device == b.device && words(a) == words(b)
    }

    #[test]
    fn a_round_trip_keeps_every_bit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c");
        write(&path, &sample(7)).expect("it can be written");
        assert!(same(&read(&path).expect("it can be read"), &sample(7)));
    }

    /// Every cut and every damaged byte is noticed, or changes nothing that is read.
    #[test]
    fn damage_anywhere_is_noticed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c");
        write(&path, &sample(7)).expect("it can be written");
        let whole = fs::read(&path).expect("it was written");
        for len in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            fs::write(&path, &whole[..len]).expect("a shorter file");
            let error = read(&path).expect_err("a cut file is damaged").to_string();
            assert!(error.contains("is damaged"), "{error}");
        }
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x11;
            fs::write(&path, &bytes).expect("a damaged file");
            match read(&path) {
                Ok(found) => assert!(same(&found, &sample(7)), "byte {position}"),
                Err(CheckpointError::Damaged { .. } | CheckpointError::OtherFormat { .. }) => {}
                Err(error) => unreachable!("{error}"),
            }
        }
    }

    /// What is wrong with a state, and what makes it so.
    type Craft<'a> = (&'a str, &'a dyn Fn(&mut RunState));

    /// Counters that no run can have, under a hash that is right.
    #[test]
    fn crafted_counters_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c");
        let far = std::time::Duration::from_secs(u64::MAX);
        let crafts: [Craft<'_>; 5] = [
            ("from 0", &|state| state.position.epoch = 0),
            ("behind step", &|state| state.position.first = Some(u64::MAX)),
            ("best epoch", &|state| state.best.as_mut().expect("it has one").epoch = u32::MAX),
            ("three hundred years", &|state| state.position.run_time = far),
            ("three hundred years", &|state| state.position.epoch_time = far),
        ];
        for (part, craft) in crafts {
            let mut crafted = sample(7);
            craft(&mut crafted.state);
            write(&path, &crafted).expect("it can be written");
            let error = read(&path).expect_err(part).to_string();
            assert!(error.contains("is damaged") && error.contains(part), "{error}");
        }
        let state = sample(7).state;
        assert_eq!(state.impossible(), None);
        let mut far = state.clone();
        far.position = Position { epoch: 3, first: Some(8), ..Position::START };
        for (step, fits) in [(8, true), (12, true), (13, false), (u64::MAX, false)] {
            far.step = step;
            assert_eq!(far.impossible_with(4).is_none(), fits, "{step}");
        }
        far.position.epoch = u32::MAX;
        assert!(far.impossible_with(u64::MAX).is_some(), "no overflow");
    }

    #[test]
    fn another_layout_is_told_apart() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c");
        let metadata = BTreeMap::from([(FORMAT_KEY.to_owned(), "99".to_owned())]);
        save_stored(&path, &[], &metadata).expect("it can be written");
        let error = read(&path).expect_err("another layout").to_string();
        assert!(error.contains("layout 99"), "{error}");
    }
}
