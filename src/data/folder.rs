//! Image folders: one sub-folder per class, one file per image.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::decode::{checked_extent, fit, open, to_pixels};
use super::split::{deal, portion, shuffle};
use super::stream::{Purpose, Stream};
use super::{DataError, Dataset, Splits};

/// The fraction of a folder without `train/` and `test/` that becomes the test set.
pub const TEST_FRACTION: f64 = 0.2;

/// How to read an image folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FolderOptions {
    /// Height and width to resize the shorter side to and crop from the center, in pixels; without
    /// it, all images must have the same size.
    pub image_size: Option<[usize; 2]>,
    /// Whether to read one channel instead of red, green and blue.
    pub grayscale: bool,
    /// Seed of the order of the examples and of the test split.
    pub split_seed: u64,
    /// Training examples to read, where not all.
    pub first: Option<usize>,
    /// Test examples to read, where not all.
    pub first_test: Option<usize>,
}

/// An image file and its class index.
type Entry = (PathBuf, u32);

/// What a folder holds, before any image is decoded.
struct Listing {
    classes: Vec<String>,
    train: Vec<Entry>,
    test: Vec<Entry>,
}

/// Reads an image folder, `[n, height, width, 1 or 3]`.
///
/// The folder holds `train/` and `test/` with the same classes in each, or the classes themselves,
/// and then a fifth of the images, chosen by seed, is the test set. What else lies beside `train/`
/// and `test/`, such as a `val/`, is not read. Classes are the names of the sub-folders, sorted. PNG
/// and JPEG files count, hidden files do not. The examples come in an order shuffled by seed, so
/// that the first few are a fair draw of all classes.
///
/// # Errors
///
/// If a folder or image cannot be read, there are no classes, a class has no images, `train/` and
/// `test/` differ in their classes, or the images differ in size and `image_size` is not given.
pub fn load_folder(root: &Path, options: &FolderOptions) -> Result<Splits, DataError> {
    let name = root.file_name().unwrap_or(OsStr::new("folder")).to_string_lossy();
    let Listing { classes, mut train, mut test } = list(root, options.split_seed)?;
    for (part, (entries, first)) in
        [(&mut train, options.first), (&mut test, options.first_test)].into_iter().enumerate()
    {
        let part = u64::from(part == 1);
        shuffle(entries, &mut Stream::new(options.split_seed, Purpose::FolderOrder, part));
        entries.truncate(first.unwrap_or(usize::MAX));
    }
    let size = size_of_images(root, &train, options)?;
    let read = |entries| read_entries(&name, entries, size, options, &classes);
    Ok(Splits { train: read(&train)?, validation: None, test: read(&test)? })
}

/// Lists the classes, the training files and the test files.
fn list(root: &Path, seed: u64) -> Result<Listing, DataError> {
    let (train_dir, test_dir) = (root.join("train"), root.join("test"));
    match (train_dir.is_dir(), test_dir.is_dir()) {
        (true, true) => {
            let (classes, train) = list_classes(&train_dir)?;
            let (test_classes, test) = list_classes(&test_dir)?;
            check_same_classes(&classes, &train_dir, &test_classes, &test_dir)?;
            Ok(Listing { classes, train, test })
        }
        (true, false) if has_folders(&train_dir)? => {
            let problem = "has a train/ but no test/ folder: expected both, with the same classes; \
                           add test/, or give train/ itself as the path to have a test set split \
                           from it";
            Err(DataError::malformed(root, problem))
        }
        _ => {
            let (classes, entries) = list_classes(root)?;
            let n_test = portion(entries.len(), TEST_FRACTION);
            if n_test == 0 {
                let problem = format!(
                    "holds {} image(s): expected at least 3, to split a test set from them",
                    entries.len()
                );
                return Err(DataError::malformed(root, problem));
            }
            let (train, test) = deal(entries.len(), n_test, seed, Purpose::TestSplit);
            let pick = |indices: Vec<usize>| -> Vec<Entry> {
                indices.into_iter().filter_map(|i| entries.get(i).cloned()).collect()
            };
            Ok(Listing { classes, train: pick(train), test: pick(test) })
        }
    }
}

/// Lists the classes of a folder, sorted by name, and the files of each, sorted by name.
fn list_classes(dir: &Path) -> Result<(Vec<String>, Vec<Entry>), DataError> {
    let (mut classes, mut entries) = (Vec::new(), Vec::new());
    for class_dir in visible(dir)?.into_iter().filter(|path| path.is_dir()) {
        let label = u32::try_from(classes.len())
            .map_err(|_| DataError::malformed(dir, "holds more classes than can be numbered"))?;
        let (images, others): (Vec<_>, Vec<_>) =
            visible(&class_dir)?.into_iter().partition(|path| is_image(path));
        if images.is_empty() {
            let problem = "a class folder without images: expected .png, .jpg or .jpeg files; add \
                           some or remove the folder";
            return Err(DataError::malformed(&class_dir, problem));
        }
        if let Some(other) = others.first() {
            let (n, shown) = (others.len(), other.display());
            log::warn!("{n} entries passed over that are not PNG or JPEG files, such as {shown}");
        }
        classes.push(class_dir.file_name().unwrap_or_default().to_string_lossy().into_owned());
        entries.extend(images.into_iter().map(|path| (path, label)));
    }
    if classes.is_empty() {
        let problem = "holds no classes: expected one sub-folder of images per class";
        return Err(DataError::malformed(dir, problem));
    }
    Ok((classes, entries))
}

/// The entries of a folder that are not hidden, sorted: systems list them in any order.
fn visible(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::read(dir, source);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn has_folders(dir: &Path) -> Result<bool, DataError> {
    Ok(visible(dir)?.iter().any(|path| path.is_dir()))
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|e| ["png", "jpg", "jpeg"].contains(&e.as_str())) && path.is_file()
}

fn check_same_classes(
    train: &[String],
    train_dir: &Path,
    test: &[String],
    test_dir: &Path,
) -> Result<(), DataError> {
    let differs = |from: &[String], in_dir: &Path, to: &[String], not_in: &Path| {
        let class = from.iter().find(|class| !to.contains(class))?;
        let problem = format!(
            "has no class folder \"{class}\", {} has one: expected the same classes in both",
            in_dir.display()
        );
        Some(DataError::malformed(not_in, problem))
    };
    let missing = differs(train, train_dir, test, test_dir)
        .or_else(|| differs(test, test_dir, train, train_dir));
    missing.map_or(Ok(()), Err)
}

/// The `[height, width]` of all images: as asked for, or that of the first.
fn size_of_images(
    root: &Path,
    entries: &[Entry],
    options: &FolderOptions,
) -> Result<[u32; 2], DataError> {
    if let Some([height, width]) = options.image_size {
        return Ok([checked_extent(height)?, checked_extent(width)?]);
    }
    let (path, _) = entries.first().ok_or_else(|| {
        DataError::malformed(root, "no training images are left to read: ask for at least one")
    })?;
    let image = open(path)?;
    Ok([image.height(), image.width()])
}

/// Decodes files in parallel; the result, and which error is reported, are those of one thread.
fn read_entries(
    name: &str,
    entries: &[Entry],
    [height, width]: [u32; 2],
    options: &FolderOptions,
    classes: &[String],
) -> Result<Dataset, DataError> {
    let channels = if options.grayscale { 1 } else { 3 };
    let too_large = || DataError::Inconsistent {
        name: name.to_string(),
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

    let failed = images.par_chunks_exact_mut(image_len).zip(entries).find_map_first(
        |(pixels, (path, _))| read_into(pixels, path, [height, width], options).err(),
    );
    if let Some(error) = failed {
        return Err(error);
    }
    let labels = entries.iter().map(|&(_, label)| label).collect();
    Dataset::new(name, images, labels, size, classes.to_vec())
}

/// Decodes one file into `[height, width, channels]`.
fn read_into(
    pixels: &mut [u8],
    path: &Path,
    size: [u32; 2],
    options: &FolderOptions,
) -> Result<(), DataError> {
    let mut image = open(path)?;
    let [height, width] = size;
    if options.image_size.is_some() {
        image = fit(&image, size);
    } else if [image.height(), image.width()] != size {
        let problem = format!(
            "is {}x{} pixels (height x width), the images before it {height}x{width}: expected \
             one size; set image_size to resize them all",
            image.height(),
            image.width()
        );
        return Err(DataError::malformed(path, problem));
    }
    pixels.copy_from_slice(&to_pixels(&image, options.grayscale));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};

    /// Writes `n` gray 4x4 images of values `value..` into a class folder.
    fn write_class(dir: &Path, value: u8, n: u8) {
        std::fs::create_dir_all(dir).expect("created");
        for i in 0..n {
            let image = GrayImage::from_pixel(4, 4, Luma([value + i]));
            image.save(dir.join(format!("{i}.png"))).expect("written");
        }
    }

    fn message(root: &Path) -> String {
        load_folder(root, &FolderOptions::default()).expect_err("must fail").to_string()
    }

    const GRAY: FolderOptions = FolderOptions {
        image_size: None,
        grayscale: true,
        split_seed: 1,
        first: None,
        first_test: None,
    };

    #[test]
    fn train_and_test_folders_are_kept_apart() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path();
        write_class(&root.join("train/b"), 10, 3);
        write_class(&root.join("train/a"), 20, 2);
        write_class(&root.join("test/a"), 30, 1);
        write_class(&root.join("test/b"), 40, 1);
        std::fs::write(root.join("train/a/.hidden.png"), "").expect("written");
        std::fs::write(root.join("train/a/notes.txt"), "").expect("written");
        let splits = load_folder(root, &GRAY).expect("a fine folder");
        assert_eq!(splits.train.classes, ["a", "b"]);
        assert_eq!(splits.train.class_counts(), [2, 3]);
        assert_eq!((splits.train.height, splits.train.channels), (4, 1));
        for i in 0..5 {
            let value = splits.train.image(i).expect("five images")[0];
            assert_eq!(splits.train.label(i), Some(u32::from(value < 20)), "labels follow files");
        }
        assert_eq!(splits.test.len(), 2);
        assert!(splits.test.images.iter().all(|&value| value >= 30));

        let few = FolderOptions { first: Some(1), first_test: Some(1), ..GRAY };
        let splits = load_folder(root, &few).expect("a fine folder");
        assert_eq!((splits.train.len(), splits.test.len()), (1, 1));
    }

    #[test]
    fn a_test_set_is_split_off_by_seed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        write_class(&dir.path().join("a"), 0, 20);
        write_class(&dir.path().join("b"), 100, 20);
        let load = |split_seed| {
            let options = FolderOptions { image_size: Some([2, 3]), split_seed, ..GRAY };
            load_folder(dir.path(), &options).expect("a fine folder")
        };
        let splits = load(1);
        assert_eq!((splits.train.len(), splits.test.len()), (32, 8));
        assert_eq!((splits.train.height, splits.train.width), (2, 3));
        let mut values: Vec<u8> = [&splits.train, &splits.test]
            .iter()
            .flat_map(|s| s.images.chunks(6))
            .map(|c| c[0])
            .collect();
        values.sort_unstable();
        assert_eq!(values, (0..20).chain(100..120).collect::<Vec<u8>>(), "each image once");
        assert_eq!(splits, load(1));
        assert_ne!(splits, load(2));
    }

    #[test]
    fn bad_folders_are_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path();
        assert!(message(&root.join("absent")).contains("absent"));
        assert!(message(root).contains("holds no classes"), "{}", message(root));
        std::fs::create_dir(root.join("cat")).expect("created");
        let text = message(root);
        assert!(text.contains("cat: a class folder without images"), "{text}");
        write_class(&root.join("cat"), 0, 1);
        assert!(message(root).contains("holds 1 image(s)"), "{}", message(root));

        write_class(&root.join("train/cat"), 0, 2);
        assert!(message(root).contains("no test/ folder"), "{}", message(root));
        write_class(&root.join("test/dog"), 0, 1);
        let text = message(root);
        assert!(text.contains("test: has no class folder \"cat\""), "{text}");
        write_class(&root.join("test/cat"), 0, 1);
        let text = message(root);
        assert!(text.contains("train: has no class folder \"dog\""), "{text}");
    }

    #[test]
    fn bad_images_are_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path();
        write_class(&root.join("a"), 0, 9);
        let odd = root.join("a/odd.png");
        GrayImage::new(5, 4).save(&odd).expect("written");
        let text = message(root);
        assert!(text.contains("expected one size; set image_size"), "{text}");
        std::fs::write(&odd, b"\x89PNG\r\n\x1a\nrubbish").expect("written");
        let text = message(root);
        assert!(text.contains("odd.png as PNG or JPEG"), "{text}");
    }
}
