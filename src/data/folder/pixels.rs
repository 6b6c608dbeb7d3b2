//! Decodes the files of an image folder.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::FolderOptions;
use super::layout::Entry;
use crate::data::account::Damaged;
use crate::data::decode::{Framing, checked_extent, open};
use crate::data::pictures::{Pictures, Reading};
use crate::data::{DataError, Dataset, TargetTable};

/// Damaged files that a message lists.
const LISTED: usize = 20;

/// Reads the splits of a folder, and remembers which files cannot be used.
pub(super) struct Reader<'a> {
    root: &'a Path,
    name: &'a str,
    classes: &'a [String],
    targets: Option<TargetTable>,
    options: &'a FolderOptions,
    /// Height and width of all images; none where there is no image that can be used.
    size: Option<[u32; 2]>,
    damaged: Vec<Damaged>,
    files: usize,
    /// Whether pixels are read when they are asked for.
    pub streams: bool,
}

/// What was read of a split, before it is known whether all files can be used.
pub(super) struct Read<'a> {
    name: &'a str,
    classes: &'a [String],
    targets: Option<TargetTable>,
    images: Vec<u8>,
    labels: Vec<u32>,
    size: [usize; 3],
    pictures: Pictures,
}

impl Read<'_> {
    /// The images of the split.
    pub fn dataset(self) -> Result<Dataset, DataError> {
        let Self { name, classes, targets, images, labels, size, pictures } = self;
        let classes = classes.to_vec();
        Dataset::of_pictures(name, (pictures, images), (labels, targets), size, classes)
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
        (root, name): (&'a Path, &'a str),
        (classes, targets): (&'a [String], Option<TargetTable>),
        parts: [Option<&[Entry]>; 3],
        options: &'a FolderOptions,
    ) -> Result<Self, DataError> {
        if parts[0].is_none_or(<[Entry]>::is_empty) {
            let problem = "no training images are left to read: ask for at least one";
            return Err(DataError::malformed(root, problem));
        }
        let size =
            match options.image_size {
                Some([height, width]) => Some([checked_extent(height)?, checked_extent(width)?]),
                // That of the first image that can be read.
                None => parts.into_iter().flatten().flatten().find_map(|(path, _)| {
                    open(path).ok().map(|image| [image.height(), image.width()])
                }),
            };
        let (damaged, files) = (Vec::new(), 0);
        let mut reader =
            Self { root, name, classes, targets, options, size, damaged, files, streams: false };
        let files = parts.into_iter().flatten().map(<[Entry]>::len).sum();
        reader.streams = reader.decides_to_stream(files);
        Ok(reader)
    }

    /// Whether the pixels of so many files are read when they are asked for: as the options say, or else
    /// where they would take more memory than there is for them.
    fn decides_to_stream(&self, files: usize) -> bool {
        let Some([height, width]) = self.options.image_size else {
            return false;
        };
        let bytes = [files, height, width, self.framing().channels()]
            .into_iter()
            .try_fold(1_u64, |bytes, n| bytes.checked_mul(u64::try_from(n).ok()?));
        let fits = |room: u64| bytes.is_some_and(|bytes| bytes <= room);
        let automatic = || self.options.room.is_some_and(|room| !fits(room));
        self.options.stream.unwrap_or_else(automatic)
    }

    /// How pictures become examples.
    fn framing(&self) -> Framing {
        let FolderOptions { grayscale, resize, .. } = *self.options;
        Framing { size: self.size.unwrap_or([1, 1]), side: resize, grayscale }
    }

    /// Takes the files of a split, whose pixels are read later. Where damaged ones are to be left out,
    /// those that models are judged by are looked for now: training replaces its own when it meets them, by
    /// others of their class, where pictures are of one.
    fn take(&mut self, split: &str, entries: Vec<Entry>) -> Result<Read<'a>, DataError> {
        let framing = self.framing();
        let [height, width] = framing.size.map(|extent| usize::try_from(extent).unwrap_or(1));
        let size = [height, width, framing.channels()];
        self.files += entries.len();
        let mut kept = entries;
        if self.options.skip_damaged && (split != "training" || self.targets.is_some()) {
            let problems: Vec<Option<String>> = kept
                .par_iter()
                .map(|(path, _)| open(path).err().map(|error| error.problem()))
                .collect();
            let mut sound = Vec::with_capacity(kept.len());
            for ((path, label), problem) in kept.into_iter().zip(problems) {
                match problem {
                    Some(problem) => self.note(split, &path, label, problem),
                    None => sound.push((path, label)),
                }
            }
            kept = sound;
        }
        let labels = kept.iter().map(|(_, label)| *label).collect();
        let reading = Reading { framing, skip_damaged: self.options.skip_damaged };
        let pictures = Pictures::new(self.root, kept, Some(reading));
        let (name, classes, targets) = (self.name, self.classes, self.targets.clone());
        Ok(Read { name, classes, targets, images: Vec::new(), labels, size, pictures })
    }

    /// Decodes files in parallel; the result, and which error is reported, are those of one thread.
    pub fn read(&mut self, split: &str, entries: Vec<Entry>) -> Result<Read<'a>, DataError> {
        if self.streams {
            return self.take(split, entries);
        }
        let [height, width] = self.size.unwrap_or([1, 1]);
        let channels = self.framing().channels();
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
            .zip(&entries)
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

        self.files += entries.len();
        let (mut kept, mut labels) = (Vec::new(), Vec::with_capacity(entries.len()));
        for (i, (trouble, (path, label))) in troubles.into_iter().zip(entries).enumerate() {
            match trouble {
                None => {
                    // Closes the gaps that files without an example leave.
                    let (from, to) = (i * image_len, labels.len() * image_len);
                    if from != to {
                        images.copy_within(from..from + image_len, to);
                    }
                    labels.push(label);
                    kept.push((path, label));
                }
                Some(Trouble::Damaged(problem)) => self.note(split, &path, label, problem),
                Some(Trouble::OtherSize(error)) => return Err(error),
                Some(Trouble::TooLate) => {}
            }
        }
        images.truncate(labels.len() * image_len);
        let pictures = Pictures::new(self.root, kept, None);
        let (name, classes, targets) = (self.name, self.classes, self.targets.clone());
        Ok(Read { name, classes, targets, images, labels, size, pictures })
    }

    fn note(&mut self, split: &str, path: &Path, label: u32, problem: String) {
        // With targets, a label is no class.
        let class = usize::try_from(label).ok().filter(|_| self.targets.is_none());
        let class = class.and_then(|label| self.classes.get(label));
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
        let image = open(path).map_err(|error| Trouble::Damaged(error.problem()))?;
        let framing = self.framing();
        let (of, [height, width]) = ([image.height(), image.width()], framing.size);
        if self.options.image_size.is_none() && of != framing.size {
            let problem = format!(
                "is {}x{} pixels (height x width), the images before it {height}x{width}: expected \
                 one size; set image_size to resize them all",
                of[0], of[1]
            );
            return Err(Trouble::OtherSize(DataError::malformed(path, problem)));
        }
        let read = framing.pixels(image, framing.part(of)).map_err(Trouble::Damaged)?;
        pixels.copy_from_slice(&read);
        Ok(())
    }
}
