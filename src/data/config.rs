//! The data section of a recipe.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::checked_extent;
use super::folds::check_fold;
use super::split::check_fraction;
use super::{DataError, Dataset, Normalization, Splits, Statistics, Task, synthetic};

/// A data set that the program can read or draw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DatasetKind {
    /// Digits that the program draws itself: `[n, 28, 28, 1]`, 10 classes, no files.
    #[default]
    SyntheticDigits,
    /// MNIST digits from IDX files: `[n, 28, 28, 1]`, 10 classes.
    Mnist,
    /// Fashion-MNIST from IDX files: `[n, 28, 28, 1]`, 10 classes.
    FashionMnist,
    /// CIFAR-10 from its binary version: `[n, 32, 32, 3]`, 10 classes.
    Cifar10,
    /// CIFAR-100 from its binary version, fine labels: `[n, 32, 32, 3]`, 100 classes.
    Cifar100,
    /// A folder of pictures, one sub-folder per class.
    Folder,
}

impl DatasetKind {
    /// Height, width and channels of the images, where all copies of the set agree on them.
    pub fn image(self) -> Option<[usize; 3]> {
        match self {
            Self::SyntheticDigits | Self::Mnist | Self::FashionMnist => Some([28, 28, 1]),
            Self::Cifar10 | Self::Cifar100 => Some([32, 32, 3]),
            Self::Folder => None,
        }
    }

    /// Number of classes, where all copies of the set agree on it.
    pub fn classes(self) -> Option<usize> {
        match self {
            Self::SyntheticDigits | Self::Mnist | Self::FashionMnist | Self::Cifar10 => Some(10),
            Self::Cifar100 => Some(100),
            Self::Folder => None,
        }
    }

    /// The name of the set in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::SyntheticDigits => synthetic::NAME,
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Folder => "folder",
        }
    }
}

/// Which data to train on: the data section of a recipe.
///
/// Keys that do not go with the chosen set are refused, so that none is passed over in silence.
///
/// ```toml
/// [data]
/// dataset = "folder"
/// path = "pets"
/// image_size = [64, 64]
/// validation = 0.1
/// normalization = "per-channel"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The set.
    pub dataset: DatasetKind,
    /// `folder` only: where the images are; a relative path is looked for in the folder of the recipe,
    /// in the current one, then in the data folder. Default: the data folder itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Keep only the first so many training examples, from which validation is taken, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub first: Option<usize>,
    /// Keep only the first so many test examples, and of a `val/` folder, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub first_test: Option<usize>,
    /// Fraction of the training examples held out for validation, in 0..1; 0 holds out none.
    #[serde(default)]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub validation: f64,
    /// Deal the training examples to so many folds, of which `fold` is held out for validation: for
    /// cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub folds: Option<usize>,
    /// `folds` only: the fold that is held out, from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub fold: Option<usize>,
    /// `folder` only: validate on the images of `val/`, which must be there beside `test/`. A run sets it
    /// where it finds such a folder and `validation` is 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(!skip_serializing_if)]
    pub validation_folder: bool,
    /// `folder` only: leave out pictures that cannot be used, and count them, instead of failing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(!skip_serializing_if)]
    pub skip_damaged: bool,
    /// Seed of the validation split and, for `folder`, of the order and the test split.
    #[serde(default, with = "crate::tensor::seed")]
    #[schemars(schema_with = "crate::tensor::seed::schema")]
    pub split_seed: u64,
    /// `folder` only: resize the shorter side and crop the center to `[height, width]`, in pixels.
    /// Default: as the files are, and then all must have one size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 1, max = super::decode::MAX_EXTENT)))]
    pub image_size: Option<[usize; 2]>,
    /// `folder` only, with `image_size`: resize the shorter side to so many pixels before the center of
    /// `image_size` is cut out. Default: cut off no more than the proportions ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = super::decode::MAX_EXTENT))]
    pub resize: Option<usize>,
    /// `folder` only: `true` reads pictures from their files while the model trains, `false` reads all of
    /// them before. Default: before, unless they would take more than a quarter of the free memory. A run
    /// keeps what it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// `folder` only: a CSV file of pictures and their classes, from `path` on, in place of a folder per
    /// class: columns `file` and `label`, and `split` (`train`, `val`, `test`) where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// What is learned of each picture. All but `classification` need `labels`, whose columns have the
    /// answers: numbers for `regression`; for `multi_label` a column `label` of names with `|` between them,
    /// or a column of 0 and 1 for each class.
    #[serde(default, skip_serializing_if = "Task::is_classification")]
    #[schemars(!skip_serializing_if)]
    pub task: Task,
    /// `regression` and `multi_label` only: columns of `labels` that are learned, in this order. Default:
    /// all but those of files and splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub targets: Option<Vec<String>>,
    /// `folder` only: read one channel instead of red, green and blue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(!skip_serializing_if)]
    pub grayscale: bool,
    /// `synthetic-digits` only: training examples to draw; default 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = synthetic::MAX_SIZE))]
    pub train_size: Option<usize>,
    /// `synthetic-digits` only: test examples to draw; default 2,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = synthetic::MAX_SIZE))]
    pub test_size: Option<usize>,
    /// `synthetic-digits` only: seed of the drawing; default 0.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::tensor::seed::option"
    )]
    #[schemars(schema_with = "crate::tensor::seed::schema")]
    pub seed: Option<u64>,
    /// Normalize by statistics of the training split, in place of `mean` and `std`: `per-channel` or
    /// `per-pixel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Statistics>,
    /// `normalization` only: what is added to the standard deviation of `pixel / 255`; default 1e-10
    /// per pixel, 0 per channel. Where a pixel is the same in all training images, another value is
    /// divided by this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub epsilon: Option<f64>,
    /// Mean per channel of `pixel / 255`, to subtract; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// Standard deviation per channel of `pixel / 255`, to divide by after that; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = f32::MIN_POSITIVE)))]
    pub std: Option<Vec<f32>>,
}

impl DataConfig {
    /// Checks what can be checked without reading the set.
    ///
    /// # Errors
    ///
    /// Names the first key with a value that cannot be used, or that does not go with the set.
    pub fn check(&self) -> Result<(), DataError> {
        use DatasetKind::{Folder, SyntheticDigits};
        let keys = [
            ("path", Folder, self.path.is_some()),
            ("image_size", Folder, self.image_size.is_some()),
            ("resize", Folder, self.resize.is_some()),
            ("stream", Folder, self.stream.is_some()),
            ("grayscale", Folder, self.grayscale),
            ("labels", Folder, self.labels.is_some()),
            ("skip_damaged", Folder, self.skip_damaged),
            ("validation_folder", Folder, self.validation_folder),
            ("train_size", SyntheticDigits, self.train_size.is_some()),
            ("test_size", SyntheticDigits, self.test_size.is_some()),
            ("seed", SyntheticDigits, self.seed.is_some()),
        ];
        for (key, kind, given) in keys {
            if given && self.dataset != kind {
                let problem = format!(
                    "given with dataset = \"{}\": it goes with \"{}\" only; remove it",
                    self.dataset.name(),
                    kind.name()
                );
                return Err(DataError::config(key, problem));
            }
        }
        self.check_task()?;
        for (key, value) in [("train_size", self.train_size), ("test_size", self.test_size)] {
            synthetic::check_size(key, value.unwrap_or(1))?;
        }
        for (key, value) in [("first", self.first), ("first_test", self.first_test)] {
            if value == Some(0) {
                let problem = "0 given: expected at least 1 example; leave it out to use all";
                return Err(DataError::config(key, problem));
            }
        }
        for extent in self.image_size.iter().flatten() {
            checked_extent(*extent)?;
        }
        self.shorter_side()?;
        if self.stream == Some(true) && self.image_size.is_none() {
            let problem = "true is given without image_size = [height, width]: pictures that are not read \
                           before the start need the size that they are resized to";
            return Err(DataError::config("stream", problem));
        }
        self.check_normalization()?;
        if self.validation_folder && self.validation > 0.0 {
            let problem = "given with validation, which takes examples of the training set: remove one \
                           of them";
            return Err(DataError::config("validation_folder", problem));
        }
        if self.folds.is_some() && (self.validation > 0.0 || self.validation_folder) {
            let problem = "given with validation or validation_folder, which are other ways to validate: \
                           remove one of them";
            return Err(DataError::config("folds", problem));
        }
        match (self.folds, self.fold) {
            (Some(folds), Some(fold)) => check_fold(folds, fold)?,
            (Some(_), None) => {
                return Err(DataError::config("fold", "missing: which of the folds is held out?"));
            }
            (None, Some(_)) => {
                return Err(DataError::config("folds", "missing: how many folds are there?"));
            }
            (None, None) => {}
        }
        check_fraction(self.validation)
    }

    /// The pixels of `resize`, which are no fewer than those of `image_size`.
    pub(super) fn shorter_side(&self) -> Result<Option<u32>, DataError> {
        let Some(side) = self.resize else { return Ok(None) };
        let least = self.image_size.map(|[height, width]| height.max(width));
        match least {
            Some(least) if side >= least => Ok(Some(checked_extent(side)?)),
            least => {
                let expected = least.map_or_else(
                    || "image_size = [height, width] beside it".to_owned(),
                    |least| format!("at least the {least} pixels of image_size"),
                );
                Err(DataError::config("resize", format!("{side} given: expected {expected}")))
            }
        }
    }

    /// Whether there is a validation split.
    pub fn has_validation(&self) -> bool {
        self.validation > 0.0 || self.validation_folder || self.folds.is_some()
    }

    /// Takes over what reading the set decided, so that a run reads the same from any folder: where it
    /// lies, whether a `val/` is there to validate on, and whether pictures stay in their files.
    pub fn as_read(&mut self, splits: &Splits) {
        if let Some(root) = &splits.account.root {
            self.path = Some(std::path::absolute(root).unwrap_or_else(|_| root.clone()));
            let from_train = self.validation > 0.0 || self.folds.is_some();
            self.validation_folder = !from_train && splits.validation.is_some();
            self.stream = self.image_size.map(|_| splits.train.streams());
        }
    }

    /// Height, width and channels of the images, where the configuration alone decides them.
    pub fn image(&self) -> Option<[usize; 3]> {
        let resized = self.image_size.map(|[h, w]| [h, w, if self.grayscale { 1 } else { 3 }]);
        self.dataset.image().or(resized)
    }

    /// Checks what says what is learned.
    fn check_task(&self) -> Result<(), DataError> {
        let name = self.task.name();
        match &self.targets {
            _ if self.task.is_classification() => match &self.targets {
                Some(_) => {
                    let problem = "goes with task = \"regression\" or \"multi_label\": give a task, or \
                                   remove it";
                    Err(DataError::config("targets", problem))
                }
                None => Ok(()),
            },
            _ if self.labels.is_none() => {
                let problem = format!(
                    "\"{name}\" needs a table of answers: give labels = \"FILE.csv\", with a column of \
                     files and the answers in others"
                );
                Err(DataError::config("task", problem))
            }
            Some(columns) => {
                let twice = |(i, column): &(usize, &String)| columns[..*i].contains(column);
                match columns.iter().enumerate().find(twice) {
                    Some((_, column)) => {
                        let problem =
                            format!("{column:?} is named twice: expected each column once");
                        Err(DataError::config("targets", problem))
                    }
                    None if columns.is_empty() => {
                        let problem =
                            "names no column: expected at least one; leave it out for all";
                        Err(DataError::config("targets", problem))
                    }
                    None => Ok(()),
                }
            }
            None => Ok(()),
        }
    }

    fn check_normalization(&self) -> Result<(), DataError> {
        let given = [("mean", self.mean.is_some()), ("std", self.std.is_some())];
        if let (Some(statistics), Some((key, _))) =
            (self.normalization, given.into_iter().find(|&(_, given)| given))
        {
            let problem = format!(
                "given with normalization = \"{}\", which computes it; remove one of them",
                statistics.name()
            );
            return Err(DataError::config(key, problem));
        }
        for (key, values, least) in
            [("mean", &self.mean, f32::MIN), ("std", &self.std, f32::MIN_POSITIVE)]
        {
            let wrong = |value: &&f32| !(value.is_finite() && **value >= least);
            if let Some(value) = values.iter().flatten().find(wrong) {
                let what = if key == "std" { "finite numbers above 0" } else { "finite numbers" };
                return Err(DataError::config(key, format!("{value} given: expected {what}")));
            }
        }
        match self.epsilon {
            Some(_) if self.normalization.is_none() => {
                let problem = "given without normalization = \"per-channel\" or \"per-pixel\"";
                Err(DataError::config("epsilon", problem))
            }
            Some(epsilon) if !(0.0..=1.0).contains(&epsilon) => {
                let problem = format!("{epsilon} given: expected a number in 0..=1");
                Err(DataError::config("epsilon", problem))
            }
            _ => Ok(()),
        }
    }

    /// How pixels become numbers, in a run on the training set `train`.
    ///
    /// # Errors
    ///
    /// As [`Self::normalization`] and [`Normalization::computed`].
    pub fn normalization_of(&self, train: &Dataset) -> Result<Normalization, DataError> {
        let Some(statistics) = self.normalization else {
            return self.normalization(train.channels);
        };
        let epsilon = self.epsilon.unwrap_or(match statistics {
            Statistics::PerChannel => 0.0,
            Statistics::PerPixel => 1e-10,
        });
        Normalization::computed(train, statistics, epsilon)
    }

    /// How pixels become numbers, for images of so many channels, where no training set is needed to
    /// tell.
    ///
    /// # Errors
    ///
    /// If `mean` or `std` do not hold one finite value per channel, or a `std` is not above 0; if
    /// statistics of the training set are asked for.
    pub fn normalization(&self, channels: usize) -> Result<Normalization, DataError> {
        if let Some(statistics) = self.normalization {
            let problem = format!("{} needs the training set", statistics.name());
            return Err(DataError::config("normalization", problem));
        }
        self.explicit_normalization(channels)
    }

    /// The numbers of `mean` and `std`.
    pub(super) fn explicit_normalization(
        &self,
        channels: usize,
    ) -> Result<Normalization, DataError> {
        let or = |values: &Option<Vec<f32>>, default| {
            values.clone().unwrap_or_else(|| vec![default; channels])
        };
        Normalization::new(channels, or(&self.mean, 0.0), or(&self.std, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<DataConfig, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn every_set_goes_by_its_name() {
        use DatasetKind::*;
        for kind in [SyntheticDigits, Mnist, FashionMnist, Cifar10, Cifar100, Folder] {
            let config = parse(&format!("{{\"dataset\": \"{}\"}}", kind.name()));
            let config = config.expect("the name is known");
            assert_eq!(config, DataConfig { dataset: kind, ..DataConfig::default() });
            assert!(config.check().is_ok());
            let text = serde_json::to_string(&config).expect("serializable");
            assert_eq!(parse(&text).expect("read back"), config);
        }
    }

    #[test]
    fn unknown_and_missing_keys_are_refused() {
        let message = |json| parse(json).expect_err("not a configuration").to_string();
        assert!(message(r#"{"dataset": "mnist", "frist": 1}"#).contains("frist"));
        assert!(message(r#"{"dataset": "minst"}"#).contains("minst"));
        assert!(message("{}").contains("dataset"));
    }

    #[test]
    fn values_that_cannot_be_used_are_named() {
        let mnist = || DataConfig { dataset: DatasetKind::Mnist, ..DataConfig::default() };
        let message = |config: DataConfig| config.check().expect_err("unusable").to_string();
        let text = message(DataConfig { train_size: Some(5), ..mnist() });
        assert_eq!(
            text,
            "data configuration: train_size: given with dataset = \"mnist\": it goes with \
             \"synthetic-digits\" only; remove it"
        );
        assert!(message(DataConfig { path: Some("x".into()), ..mnist() }).contains("\"folder\""));
        assert!(message(DataConfig { grayscale: true, ..mnist() }).contains("grayscale"));
        assert!(message(DataConfig { first: Some(0), ..mnist() }).contains("first: 0 given"));
        assert!(message(DataConfig { validation: 1.0, ..mnist() }).contains("validation: 1"));
        let computed = || DataConfig { normalization: Some(Statistics::PerPixel), ..mnist() };
        let text = message(DataConfig { std: Some(vec![1.0]), ..computed() });
        assert!(text.contains("std: given with normalization = \"per-pixel\""), "{text}");
        assert!(message(DataConfig { epsilon: Some(0.1), ..mnist() }).contains("epsilon"));
        assert!(message(DataConfig { epsilon: Some(-0.1), ..computed() }).contains("-0.1 given"));
        assert!(computed().check().is_ok() && computed().normalization(1).is_err());
        let folder = DataConfig { dataset: DatasetKind::Folder, ..mnist() };
        assert!(message(DataConfig { image_size: Some([28, 0]), ..folder }).contains("image_size"));
    }

    #[test]
    fn normalization_defaults_to_the_unit_range() {
        let config = DataConfig::default();
        let normalization = config.normalization(3).expect("the default fits");
        assert_eq!((normalization.mean, normalization.std), (vec![0.0; 3], vec![1.0; 3]));
        let config = DataConfig { mean: Some(vec![0.5]), ..config };
        assert!(config.normalization(1).is_ok());
        assert!(config.normalization(3).is_err());
    }
}
