//! Decodes the files of an image folder.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::FolderOptions;
use super::layout::{Entry, Listing};
use crate::data::account::Damaged;
use crate::data::decode::{checked_extent, fit, open, to_pixels};
use crate::data::{DataError, Dataset};

/// Damaged files that a message lists.
const LISTED: usize = 20;

/// Reads the splits of a folder, and remembers which files cannot be used.
pub(super) struct Reader<'a> {
    root: &'a Path,
    name: &'a str,
    classes: &'a [String],
    options: &'a FolderOptions,
    /// Height and width of all images; none where there is no image that can be used.
    size: Option<[u32; 2]>,
    damaged: Vec<Damaged>,
    files: usize,
}

/// What was read of a split, before it is known whether all files can be used.
pub(super) struct Read<'a> {
    name: &'a str,
    classes: &'a [String],
    images: Vec<u8>,
    labels: Vec<u32>,
    size: [usize; 3],
}

impl Read<'_> {
    /// The images of the split.
    pub fn dataset(self) -> Result<Dataset, DataError> {
        Dataset::new(self.name, self.images, self.labels, self.size, self.classes.to_vec())
    }
}

/// Why a file gives no example.
enum Trouble {
    /// It cannot be used.
    Damaged(String),
    /// It can, but has another size than the others.
    OtherSize(DataError),
    /// It comes after such a one.
    TooLate,
}

impl<'a> Reader<'a> {
    pub fn new(
        root: &'a Path,
        name: &'a str,
        listing: &'a Listing,
        options: &'a FolderOptions,
    ) -> Result<Self, DataError> {
        if listing.train.is_empty() {
            let problem = "no training images are left to read: ask for at least one";
            return Err(DataError::malformed(root, problem));
        }
        let all = [Some(&listing.train), listing.validation.as_ref(), Some(&listing.test)];
        let size =
            match options.image_size {
                Some([height, width]) => Some([checked_extent(height)?, checked_extent(width)?]),
                // That of the first image that can be read.
                None => all.into_iter().flatten().flatten().find_map(|(path, _)| {
                    open(path).ok().map(|image| [image.height(), image.width()])
                }),
            };
        let classes = &listing.classes;
        Ok(Self { root, name, classes, options, size, damaged: Vec::new(), files: 0 })
    }

    /// Decodes files in parallel; the result, and which error is reported, are those of one thread.
    pub fn read(&mut self, split: &str, entries: &[Entry]) -> Result<Read<'a>, DataError> {
        let [height, width] = self.size.unwrap_or([1, 1]);
        let channels = if self.options.grayscale { 1 } else { 3 };
        let too_large = || DataError::Inconsistent {
            name: self.name.to_string(),
            problem: format!(
                "{} images of {height}x{width}x{channels} do not fit in memory: read fewer (first, \
                 first_test) or smaller (image_size) ones",
                entries.len()
            ),
        };
        let extent = |value: u32| usize::try_from(value).map_err(|_| too_large());
        let size = [extent(height)?, extent(width)?, channels];
        let image_len = size.iter().try_fold(1, |len: usize, &dim| len.checked_mul(dim));
        let image_len = image_len.ok_or_else(too_large)?;
        let mut images = Vec::new();
        let total = image_len.checked_mul(entries.len()).ok_or_else(too_large)?;
        images.try_reserve_exact(total).map_err(|_| too_large())?;
        images.resize(total, 0);

        let first_of_other_size = AtomicUsize::new(usize::MAX);
        let troubles: Vec<Option<Trouble>> = images
            .par_chunks_exact_mut(image_len)
            .zip(entries)
            .enumerate()
            .map(|(i, (pixels, (path, _)))| {
                if i > first_of_other_size.load(Ordering::Relaxed) {
                    return Some(Trouble::TooLate);
                }
                let trouble = self.read_into(pixels, path).err()?;
                if matches!(trouble, Trouble::OtherSize(_)) {
                    first_of_other_size.fetch_min(i, Ordering::Relaxed);
                }
                Some(trouble)
            })
            .collect();

        let mut labels = Vec::with_capacity(entries.len());
        for (i, (trouble, (path, label))) in troubles.into_iter().zip(entries).enumerate() {
            match trouble {
                None => {
                    // Closes the gaps that files without an example leave.
                    let (from, to) = (i * image_len, labels.len() * image_len);
                    if from != to {
                        images.copy_within(from..from + image_len, to);
                    }
                    labels.push(*label);
                }
                Some(Trouble::Damaged(problem)) => self.note(split, path, *label, problem),
                Some(Trouble::OtherSize(error)) => return Err(error),
                Some(Trouble::TooLate) => {}
            }
        }
        self.files += entries.len();
        images.truncate(labels.len() * image_len);
        Ok(Read { name: self.name, classes: self.classes, images, labels, size })
    }

    fn note(&mut self, split: &str, path: &Path, label: u32, problem: String) {
        let class = usize::try_from(label).ok().and_then(|label| self.classes.get(label));
        self.damaged.push(Damaged {
            file: path.strip_prefix(self.root).unwrap_or(path).display().to_string(),
            split: split.to_owned(),
            class: class.cloned().unwrap_or_default(),
            problem,
        });
    }

    /// The files that cannot be used, where that was asked for; else an error that lists them.
    pub fn finish(self) -> Result<Vec<Damaged>, DataError> {
        let n = self.damaged.len();
        if n == 0 || (self.options.skip_damaged && n < self.files) {
            return Ok(self.damaged);
        }
        let mut list: String = self
            .damaged
            .iter()
            .take(LISTED)
            .map(|damaged| format!("\n  {}: {}", damaged.file, damaged.problem))
            .collect();
        if n > LISTED {
            list.push_str(&format!("\n  and {} more", n - LISTED));
        }
        Err(DataError::Damaged { path: self.root.to_path_buf(), n, of: self.files, list })
    }

    /// Decodes one file into `[height, width, channels]`.
    fn read_into(&self, pixels: &mut [u8], path: &Path) -> Result<(), Trouble> {
        let mut image = open(path).map_err(|error| Trouble::Damaged(problem_of(&error)))?;
        let size = self.size.unwrap_or([1, 1]);
        let [height, width] = size;
        if self.options.image_size.is_some() {
            image = fit(&image, size);
        } else if [image.height(), image.width()] != size {
            let problem = format!(
                "is {}x{} pixels (height x width), the images before it {height}x{width}: expected \
                 one size; set image_size to resize them all",
                image.height(),
                image.width()
            );
            return Err(Trouble::OtherSize(DataError::malformed(path, problem)));
        }
        pixels.copy_from_slice(&to_pixels(&image, self.options.grayscale));
        Ok(())
    }
}

/// What is wrong with a file, without its name.
fn problem_of(error: &DataError) -> String {
    match error {
        DataError::Decode { problem, .. } => problem.clone(),
        DataError::Read { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}
