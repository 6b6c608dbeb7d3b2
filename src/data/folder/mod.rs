//! Image folders: one sub-folder per class, one file per image.

mod layout;
mod pixels;
mod table;
mod targets;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::account::DataAccount;
use super::split::shuffle;
use super::stream::{Purpose, Stream};
use super::{DataError, Splits, Task};
use layout::{Entry, Listing, list};
use pixels::Reader;
use table::list_table;
use targets::list_targets;

pub use layout::TEST_FRACTION;

/// How to read an image folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderOptions {
    /// Height and width to resize the shorter side to and crop from the center, in pixels; without
    /// it, all images must have the same size.
    pub image_size: Option<[usize; 2]>,
    /// Pixels of the shorter side before the center of `image_size` is cut out; without it, no more is cut
    /// off than the proportions ask for.
    pub resize: Option<u32>,
    /// Whether pixels are read when they are asked for, and not all at once; without it, where they take
    /// more than `room`.
    pub stream: Option<bool>,
    /// Bytes that pixels may take; without it, any number.
    pub room: Option<u64>,
    /// A CSV file of pictures and their classes, from the folder on, in place of a folder per class.
    pub labels: Option<PathBuf>,
    /// What is learned of each picture; all but its class is in `labels`.
    pub task: Task,
    /// Columns of `labels` that are learned, where not all and where it is no class.
    pub targets: Option<Vec<String>>,
    /// Whether to read one channel instead of red, green and blue.
    pub grayscale: bool,
    /// Seed of the order of the examples and of the test split.
    pub split_seed: u64,
    /// Training examples to read, where not all.
    pub first: Option<usize>,
    /// Validation and test examples to read, where not all.
    pub first_test: Option<usize>,
    /// Whether to leave out pictures that cannot be used, and count them, instead of failing.
    pub skip_damaged: bool,
    /// Whether validation examples are taken from the training set, so that `val/` is not read.
    pub validation_from_train: bool,
    /// Whether `val/` must be there beside `test/`.
    pub validation_folder: bool,
}

/// Reads an image folder, `[n, height, width, 1 or 3]`.
///
/// The folder holds `train/`, `test/` or `val/` (`valid/`, `validation/`) or both, in any case, with the
/// same classes in each; a `val/` without a `test/` is the test set. Or it holds the classes
/// themselves, and then a fifth of each class, chosen by seed, is the test set. Or a CSV file lists files,
/// classes (or what else is learned) and, if it says, splits. Classes are the names
/// of the sub-folders, sorted. The examples come in an order shuffled by seed, so that the first few
/// are a fair draw of all classes. What is not read is in the account of the result.
///
/// # Errors
///
/// If a folder cannot be read, there are no classes, a class has no images (or a single one, where a
/// test set is split), folders differ in their classes, images cannot be used and `skip_damaged` is not
/// given, or the images differ in size and `image_size` is not given.
pub fn load_folder(root: &Path, options: &FolderOptions) -> Result<Splits, DataError> {
    let name = root.file_name().unwrap_or(OsStr::new("folder")).to_string_lossy();
    let mut account = DataAccount { root: Some(root.to_path_buf()), ..DataAccount::default() };
    let mut listing = match &options.labels {
        Some(table) if options.task.is_classification() => {
            list_table(root, table, options, &mut account)?
        }
        Some(table) => list_targets(root, table, options, &mut account)?,
        None => list(root, options, &mut account)?,
    };
    let ordered = |entries: &mut Vec<Entry>, part, first: Option<usize>| {
        shuffle(entries, &mut Stream::new(options.split_seed, Purpose::FolderOrder, part));
        entries.truncate(first.unwrap_or(usize::MAX));
    };
    ordered(&mut listing.train, 0, options.first);
    ordered(&mut listing.test, 1, options.first_test);
    if let Some(validation) = &mut listing.validation {
        ordered(validation, 2, options.first_test);
    }

    let Listing { classes, targets, train, validation, test } = listing;
    let parts = [Some(train.as_slice()), validation.as_deref(), Some(test.as_slice())];
    let mut reader = Reader::new((root, &name), (&classes, targets), parts, options)?;
    if reader.streams {
        account.notes.push(
            "pictures are read from their files in every epoch, and not kept in memory".to_owned(),
        );
    }
    let train = reader.read("training", train)?;
    let validation = validation.map(|entries| reader.read("validation", entries)).transpose()?;
    let test = reader.read("test", test)?;
    account.damaged = reader.finish()?;
    let train = train.dataset()?;
    let validation = validation.map(|read| read.dataset()).transpose()?;
    Ok(Splits { train, validation, test: test.dataset()?, account })
}
