//! Data sets: reading them from files, drawing the synthetic one, and splitting them.
//!
//! A [`DataConfig`], the data section of a recipe, says which set to use; [`load`] turns it into
//! [`Splits`] of 8-bit images, and [`DataConfig::normalization_of`] says how those become numbers.
//! Everything random here follows from the seeds in the configuration: the same configuration and
//! files give the same bytes, whatever the number of threads.
//!
//! ```
//! use verigrad::data::{DataConfig, load};
//!
//! let config = DataConfig {
//!     train_size: Some(500),
//!     test_size: Some(100),
//!     validation: 0.1,
//!     ..DataConfig::default() // The synthetic digits, which need no files.
//! };
//! let splits = load(&config, None)?;
//!
//! assert_eq!(splits.train.len(), 450);
//! assert_eq!(splits.validation.map(|set| set.len()), Some(50));
//! assert_eq!((splits.test.height, splits.test.width, splits.test.channels), (28, 28, 1));
//!
//! let normalization = config.normalization_of(&splits.train)?;
//! let x = splits.train.image(0).map(|pixels| normalization.apply(pixels));
//! assert_eq!(x.map(|x| x.len()), Some(784));
//! # Ok::<(), verigrad::data::DataError>(())
//! ```

mod account;
pub mod cifar;
mod config;
mod dataset;
mod decode;
mod error;
mod examples;
mod files;
pub mod folder;
pub mod folds;
pub mod idx;
mod normalization;
mod pictures;
pub mod split;
mod stream;
pub mod synthetic;
mod task;

use std::path::{Path, PathBuf};

pub use account::{ClassCount, Damaged, DataAccount, SkipReason, Skipped, SplitAccount};
pub use config::{DataConfig, DatasetKind};
pub use dataset::{Dataset, Splits};
pub use decode::decode_image;
pub use decode::formats::{has_extension, image_formats};
pub use decode::part::RandomResizedCrop;
pub use error::DataError;
pub use examples::{Examples, SharedExamples, TargetKind, TargetMut, Targets};
pub use files::{DATA_DIR_VARIABLE, data_dir};
pub use normalization::{Normalization, Statistics};
pub use pictures::{Crops, Loader, Pictures};
pub use task::{TargetTable, Task};

use folder::FolderOptions;
use synthetic::Part;

/// Reads or draws the set that `config` names.
///
/// Files are looked for in the folder that [`data_dir`] finds; `explicit_dir` is what the user gave
/// as `--data-dir`, if anything.
///
/// # Errors
///
/// If the configuration has values that cannot be used, or the set is missing, cannot be read, or
/// is damaged; the message names the key or file and says what to do.
pub fn load(config: &DataConfig, explicit_dir: Option<&Path>) -> Result<Splits, DataError> {
    load_within(config, explicit_dir, None)
}

/// As [`load`], where pixels may take `room` bytes of memory: those of a folder that take more are read
/// from their files when they are asked for, unless the configuration says otherwise.
///
/// # Errors
///
/// As [`load`].
pub fn load_within(
    config: &DataConfig,
    explicit_dir: Option<&Path>,
    room: Option<u64>,
) -> Result<Splits, DataError> {
    config.check()?;
    let dir = data_dir(explicit_dir);
    let splits = match config.dataset {
        DatasetKind::SyntheticDigits => draw(config)?,
        DatasetKind::Mnist => idx::load_mnist(&dir)?,
        DatasetKind::FashionMnist => idx::load_fashion_mnist(&dir)?,
        DatasetKind::Cifar10 => cifar::load_cifar10(&dir)?,
        DatasetKind::Cifar100 => cifar::load_cifar100(&dir)?,
        DatasetKind::Folder => {
            let options = FolderOptions {
                image_size: config.image_size,
                resize: config.shorter_side()?,
                stream: config.stream,
                room,
                labels: config.labels.clone(),
                task: config.task,
                targets: config.targets.clone(),
                grayscale: config.grayscale,
                split_seed: config.split_seed,
                first: config.first,
                first_test: config.first_test,
                skip_damaged: config.skip_damaged,
                validation_from_train: config.validation > 0.0 || config.folds.is_some(),
                validation_folder: config.validation_folder,
            };
            folder::load_folder(&image_root(config, &dir)?, &options)?
        }
    };
    // Before the split, so that a bad key is reported at once, not after the copy that it makes.
    config.explicit_normalization(splits.train.channels)?;
    let train = splits.train.take_first(config.first.unwrap_or(usize::MAX));
    let test = splits.test.take_first(config.first_test.unwrap_or(usize::MAX));
    let seed = config.split_seed;
    let (train, held_out) = match config.folds.zip(config.fold) {
        Some((folds, fold)) => folds::train_validation(&train, folds, fold, seed)?,
        None => split::train_validation(train, config.validation, seed)?,
    };
    let mut account = splits.account;
    if let Some(held_out) = held_out.as_ref().filter(|set| set.targets.is_none()) {
        let counts = train.class_counts().into_iter().zip(held_out.class_counts());
        let few = train.classes.iter().zip(counts).filter(|(_, counts)| *counts == (1, 0));
        account.notes.extend(few.map(|(class, _)| {
            format!("class \"{class}\" has a single image, to train on: validation has none of it")
        }));
    }
    let validation = held_out.or(splits.validation);
    let sets = [Some(("training", &train)), validation.as_ref().map(|set| ("validation", set))];
    for (split, set) in sets.into_iter().flatten().chain([("test", &test)]) {
        match set.task() {
            Task::Regression => account.count(split, &["images".to_owned()], vec![set.len()]),
            _ => account.count(split, &set.classes, set.class_counts()),
        }
    }
    if let (Some(statistics), true) = (config.normalization, train.streams())
        && train.len() > normalization::SAMPLE
    {
        account.notes.push(format!(
            "normalized {} by {} training images, drawn by seed",
            statistics.name(),
            normalization::SAMPLE
        ));
    }
    Ok(Splits { train, validation, test, account })
}

fn draw(config: &DataConfig) -> Result<Splits, DataError> {
    let seed = config.seed.unwrap_or_default();
    let train_size = config.train_size.unwrap_or(synthetic::DEFAULT_TRAIN_SIZE);
    let test_size = config.test_size.unwrap_or(synthetic::DEFAULT_TEST_SIZE);
    Ok(Splits {
        train: synthetic::generate(Part::Train, train_size, seed)?,
        validation: None,
        test: synthetic::generate(Part::Test, test_size, seed)?,
        account: DataAccount::default(),
    })
}

/// The folder of images that `config` names: as given, else in the data folder.
fn image_root(config: &DataConfig, dir: &Path) -> Result<PathBuf, DataError> {
    let candidates = match &config.path {
        // Runs keep whole paths; where a folder has moved, its name in the data folder will do.
        Some(path) if path.is_absolute() => {
            let moved = path.file_name().map(|name| dir.join(name));
            [path.clone()].into_iter().chain(moved).collect()
        }
        Some(path) => vec![path.clone(), dir.join(path)],
        None => vec![dir.to_path_buf()],
    };
    if let Some(found) = candidates.iter().find(|candidate| candidate.is_dir()) {
        return Ok(found.clone());
    }
    Err(DataError::Missing {
        dataset: DatasetKind::Folder.name(),
        looked_in: candidates,
        expected: vec![
            "train/CLASS/ and test/CLASS/ (or val/CLASS/), or CLASS/ folders alone, with pictures"
                .to_string(),
        ],
        advice: files::advice("your own collection"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> DataConfig {
        DataConfig { train_size: Some(40), test_size: Some(20), ..DataConfig::default() }
    }

    #[test]
    fn first_is_cut_before_validation_is_split_off() {
        let config =
            DataConfig { first: Some(30), first_test: Some(5), validation: 0.2, ..small() };
        let splits = load(&config, None).expect("nothing can be missing");
        let held_out = splits.validation.as_ref().map_or(0, Dataset::len);
        // A sixth, but one of each class that has two.
        assert!((6..=10).contains(&held_out) && splits.train.len() + held_out == 30, "{held_out}");
        assert_eq!(splits.test.len(), 5);
        assert_eq!(splits, load(&config, None).expect("as before"));

        let whole = load(&small(), None).expect("nothing can be missing");
        assert_eq!((whole.train.len(), whole.validation), (40, None));
    }

    #[test]
    fn bad_configurations_are_refused() {
        for config in [
            DataConfig { train_size: Some(0), ..small() },
            DataConfig { test_size: Some(usize::MAX), ..small() },
            DataConfig { validation: 2.0, ..small() },
            DataConfig { std: Some(vec![0.0]), ..small() },
            DataConfig { mean: Some(vec![0.0; 3]), ..small() },
            DataConfig { grayscale: true, ..small() },
        ] {
            assert!(load(&config, None).is_err(), "{config:?}");
        }
    }

    #[test]
    fn an_image_folder_is_found_in_the_data_folder() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = DataConfig {
            dataset: DatasetKind::Folder,
            path: Some("pets".into()),
            first: Some(2),
            ..DataConfig::default()
        };
        let message = load(&config, Some(dir.path())).expect_err("not there").to_string();
        let expected = dir.path().join("pets").display().to_string();
        assert!(message.contains(&expected) && message.contains("--data-dir"), "{message}");

        let class = dir.path().join("pets/cat");
        std::fs::create_dir_all(&class).expect("created");
        for i in 0..5 {
            image::RgbImage::new(4, 4).save(class.join(format!("{i}.png"))).expect("written");
        }
        let splits = load(&config, Some(dir.path())).expect("five images");
        assert_eq!((splits.train.len(), splits.test.len()), (2, 1));
        assert_eq!(splits.train.name, "pets");
    }

    #[test]
    fn each_file_set_is_missed_by_name() {
        use DatasetKind::*;
        let dir = tempfile::tempdir().expect("a temporary folder");
        for dataset in [Mnist, FashionMnist, Cifar10, Cifar100] {
            let config = DataConfig { dataset, ..DataConfig::default() };
            let message = load(&config, Some(dir.path())).expect_err("empty folder").to_string();
            assert!(message.starts_with(dataset.name()), "{message}");
        }
    }

    /// Reads the real sets where the environment names a folder that has them.
    #[test]
    fn real_sets_are_read_whole() {
        if std::env::var_os(DATA_DIR_VARIABLE).is_none() {
            eprintln!("passed over: {DATA_DIR_VARIABLE} names no folder of data sets");
            return;
        }
        for (dataset, n_train) in [(DatasetKind::Mnist, 60_000), (DatasetKind::Cifar10, 50_000)] {
            match load(&DataConfig { dataset, ..DataConfig::default() }, None) {
                Ok(splits) => {
                    assert_eq!((splits.train.len(), splits.test.len()), (n_train, 10_000))
                }
                Err(error @ DataError::Missing { .. }) => eprintln!("passed over: {error}"),
                Err(error) => unreachable!("{error}"),
            }
        }
    }
}
