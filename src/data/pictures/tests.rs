//! Pictures that are read when they are asked for.

use std::path::Path;

use image::{Rgb, RgbImage};

use crate::data::folder::{FolderOptions, load_folder};
use crate::data::{Crops, Dataset, Normalization, RandomResizedCrop, Splits, Statistics};
use crate::tensor::parallel::with_threads;

/// Two classes of six pictures each, no two alike, of several sizes.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (class, seed) in [("a", 3), ("b", 90)] {
        let folder = dir.path().join("train").join(class);
        std::fs::create_dir_all(&folder).expect("created");
        std::fs::create_dir_all(dir.path().join("test").join(class)).expect("created");
        for i in 0..6_u32 {
            let picture = RgbImage::from_fn(20 + 3 * i, 31 - 2 * i, |x, y| {
                let value = |k: u32| u8::try_from((x * x * k + y * 7 + i * 31 + seed) % 256);
                Rgb([1, 2, 5].map(|k| value(k).unwrap_or(0)))
            });
            let name = format!("{i}.png");
            picture.save(folder.join(&name)).expect("written");
            if i < 2 {
                let test = dir.path().join("test").join(class).join(name);
                std::fs::hard_link(folder.join(format!("{i}.png")), test).expect("a link");
            }
        }
    }
    dir
}

fn read(root: &Path, stream: bool, options: FolderOptions) -> Splits {
    let options = FolderOptions { image_size: Some([8, 6]), stream: Some(stream), ..options };
    load_folder(root, &options).expect("a fine folder")
}

fn options() -> FolderOptions {
    FolderOptions { split_seed: 5, ..FolderOptions::default() }
}

/// All examples twice, backwards the second time.
fn order(set: &Dataset) -> Vec<u32> {
    let n = u32::try_from(set.len()).expect("small");
    (0..n).chain((0..n).rev()).collect()
}

/// The pixels of a pass from a position on, and the most pictures that were read ahead.
fn pass(set: &Dataset, from: usize, ahead: usize, crops: Option<Crops>) -> (Vec<Vec<u8>>, usize) {
    let order = order(set);
    let mut loader = set.loader(&order, from, ahead, crops).expect("it streams");
    let read = (from..order.len()).map(|_| loader.take().expect("a fine picture")).collect();
    assert!(loader.take().is_err(), "the order has an end");
    (read, loader.most_alive())
}

#[test]
fn files_give_the_bits_that_memory_has() {
    let dir = folder();
    for more in [options(), FolderOptions { resize: Some(12), grayscale: true, ..options() }] {
        let (memory, files) = (read(dir.path(), false, more.clone()), read(dir.path(), true, more));
        let (memory, files) = (memory.train, files.train);
        assert!(files.streams() && !memory.streams() && files.images.is_empty());
        assert_eq!((&files.labels, files.image_len()), (&memory.labels, memory.image_len()));
        for i in 0..memory.len() {
            assert_eq!(files.pixels(i).expect("a file"), memory.pixels(i).expect("pixels"));
            assert_eq!(files.file(i), memory.file(i));
        }
        assert!(files.pixels(memory.len()).is_err() && memory.pixels(memory.len()).is_err());
        let part = files.subset(&[7, 2]).expect("two files");
        assert_eq!(part.pixels(0).expect("a file"), memory.pixels(7).expect("pixels"));
        let first = files.clone().take_first(3);
        assert_eq!((first.len(), first.pixels(3).is_err()), (3, true));
        assert_eq!(first.in_memory().expect("three files"), memory.clone().take_first(3));
        for statistics in [Statistics::PerChannel, Statistics::PerPixel] {
            let of = |set| Normalization::computed(set, statistics, 1e-3).expect("computed");
            assert_eq!(of(&files), of(&memory));
        }
    }
}

/// The part of an example follows from seed, epoch and example: not from threads, nor from where a pass
/// begins.
#[test]
fn a_pass_has_the_same_bits_on_any_number_of_threads_and_from_anywhere() {
    let dir = folder();
    let set = read(dir.path(), true, options()).train;
    let crop = RandomResizedCrop::default();
    let crops = |epoch, seed| Some(Crops { crop, seed, epoch });
    let (plain, _) = pass(&set, 0, 4, None);
    let (drawn, _) = pass(&set, 0, 4, crops(3, 1));
    assert_ne!(drawn, plain);
    for (threads, ahead) in [(1, 1), (1, 5), (2, 3), (3, 30)] {
        let (again, most) =
            with_threads(threads, || pass(&set, 0, ahead, crops(3, 1))).expect("threads");
        assert_eq!(again, drawn, "{threads} threads");
        assert!((1..=ahead).contains(&most), "{most} pictures in memory, {ahead} allowed");
    }
    assert_eq!(pass(&set, 9, 4, crops(3, 1)).0, drawn[9..]);
    assert_ne!(pass(&set, 0, 4, crops(4, 1)).0, drawn);
    assert_ne!(pass(&set, 0, 4, crops(3, 2)).0, drawn);
}

/// A pass that is given up ends its threads, also those that wait for room.
#[test]
fn a_pass_can_be_given_up() {
    let dir = folder();
    let set = read(dir.path(), true, options()).train;
    let mut loader = set.loader(&order(&set), 0, 1, None).expect("it streams");
    loader.take().expect("a picture");
    drop(loader);
}

#[test]
fn damaged_files_are_named_or_replaced() {
    let dir = folder();
    let whole = read(dir.path(), true, options()).train;
    let damaged = whole.file(4).expect("a file").into_owned();
    std::fs::write(dir.path().join(&damaged), b"\x89PNG\r\n\x1a\nrubbish").expect("written");
    let error = read(dir.path(), true, options()).train.pixels(4).expect_err("damaged").to_string();
    assert!(error.contains(&damaged) && error.contains("--skip-damaged"), "{error}");

    let skipping = FolderOptions { skip_damaged: true, ..options() };
    let set = read(dir.path(), true, skipping.clone()).train;
    assert_eq!(set.len(), whole.len());
    let replaced = set.pixels(4).expect("another one").into_owned();
    let next = (5..12).chain(0..4).find(|&i| whole.labels[i] == whole.labels[4]);
    assert_eq!(replaced, *whole.pixels(next.expect("five others")).expect("a file"));
    let found = set.found_damaged("training");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].file.as_str(), found[0].split.as_str()), (damaged.as_str(), "training"));

    // What a model is judged by is looked through before.
    let test = read(dir.path(), true, options()).test.file(0).expect("a file").into_owned();
    std::fs::remove_file(dir.path().join(&test)).expect("removed");
    std::fs::write(dir.path().join(&test), "").expect("written");
    let splits = read(dir.path(), true, skipping);
    assert_eq!((splits.test.len(), splits.account.damaged.len()), (3, 1));
    assert_eq!(splits.account.damaged[0].file, test);
}

#[test]
fn what_takes_too_much_memory_stays_in_files() {
    let dir = folder();
    let bytes = (12 + 4) * 8 * 6 * 3;
    let streams = |stream, room, image_size| {
        let options = FolderOptions { stream, room, image_size, ..options() };
        load_folder(dir.path(), &options).expect("a fine folder").train.streams()
    };
    let size = Some([8, 6]);
    assert!(!streams(None, Some(bytes), size) && streams(None, Some(bytes - 1), size));
    assert!(!streams(None, None, size) && !streams(Some(false), Some(0), size));
    assert!(streams(Some(true), None, size));
}
