//! Tests of image folders.

use super::*;
use crate::data::SkipReason;
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
    resize: None,
    stream: None,
    room: None,
    labels: None,
    task: Task::Classification,
    targets: None,
    grayscale: true,
    split_seed: 1,
    first: None,
    first_test: None,
    skip_damaged: false,
    validation_from_train: false,
    validation_folder: false,
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
    let text = message(root);
    assert!(text.contains("cat: class \"cat\" has 1 image: expected at least 2"), "{text}");

    write_class(&root.join("train/cat"), 0, 2);
    assert!(message(root).contains("neither test/ nor val/"), "{}", message(root));
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
    assert!(text.contains("odd.png: "), "{text}");
}

/// Of each class a fifth, and at least one image, is tested on: no class is missing from either part.
#[test]
fn a_flat_folder_is_split_class_by_class() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write_class(&dir.path().join("a"), 0, 40);
    write_class(&dir.path().join("b"), 100, 40);
    write_class(&dir.path().join("rare"), 200, 2);
    for split_seed in 0..20 {
        let splits = load_folder(dir.path(), &FolderOptions { split_seed, ..GRAY });
        let splits = splits.expect("a fine folder");
        assert_eq!(splits.train.class_counts(), [32, 32, 1], "seed {split_seed}");
        assert_eq!(splits.test.class_counts(), [8, 8, 1], "seed {split_seed}");
    }
}

#[test]
fn folders_of_splits_go_by_many_names() {
    for (train, validation, test) in
        [("train", "val", "test"), ("Train", "Valid", "TEST"), ("TRAIN", "validation", "Test")]
    {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path();
        write_class(&root.join(train).join("a"), 0, 3);
        write_class(&root.join(validation).join("a"), 100, 2);
        // As ImageNet and many others have it: the only other folder is the test set.
        let splits = load_folder(root, &GRAY).expect("a fine folder");
        assert_eq!((splits.train.len(), splits.test.len()), (3, 2));
        assert!(splits.validation.is_none());
        let notes = splits.account.notes;
        assert_eq!(notes, [format!("{validation}/ is the test set, for there is no test/")]);
        let needed = FolderOptions { validation_folder: true, ..GRAY };
        let error = load_folder(root, &needed).expect_err("no test set").to_string();
        assert!(error.contains("validation_folder = true"), "{error}");

        write_class(&root.join(test).join("a"), 200, 4);
        let splits = load_folder(root, &GRAY).expect("a fine folder");
        let held_out = splits.validation.expect("there is a folder of it");
        assert_eq!((splits.train.len(), held_out.len(), splits.test.len()), (3, 2, 4));
        assert!(held_out.images.iter().all(|&value| (100..102).contains(&value)));
        assert_eq!(splits.account.notes, [""; 0]);

        let fraction = FolderOptions { validation_from_train: true, ..GRAY };
        let splits = load_folder(root, &fraction).expect("a fine folder");
        assert!(splits.validation.is_none());
        assert!(splits.account.notes[0].contains("is not read"), "{:?}", splits.account.notes);
    }
}

/// Nothing to train on is an error; a class may be called like a split.
#[test]
fn a_folder_without_training_pictures_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write_class(&dir.path().join("val/a"), 0, 3);
    let text = message(dir.path());
    assert!(text.contains("has val/ but no train/"), "{text}");

    let dir = tempfile::tempdir().expect("a temporary folder");
    for class in ["car", "train"] {
        write_class(&dir.path().join(class), 0, 5);
    }
    let splits = load_folder(dir.path(), &GRAY).expect("a fine folder");
    assert_eq!(splits.train.classes, ["car", "train"]);
}

#[test]
fn two_names_for_one_split_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for name in ["train", "test", "val", "valid"] {
        write_class(&dir.path().join(name).join("a"), 0, 1);
    }
    let text = message(dir.path());
    assert!(text.contains("holds both val and valid"), "{text}");
}

#[test]
fn what_is_not_read_is_counted() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let root = dir.path();
    for part in ["train", "test", "extra", "__MACOSX", ".cache"] {
        write_class(&root.join(part).join("a"), 0, 2);
    }
    let write = |name: &str| std::fs::write(root.join(name), "x").expect("written");
    write("train/a/x.heic");
    write("train/a/y.HEIC");
    write("train/a/notes");
    write("train/a/._0.png");
    write("train/labels.csv");
    write_class(&root.join("test/a/more"), 0, 1);
    let account = load_folder(root, &GRAY).expect("a fine folder").account;
    let found: Vec<(&str, &SkipReason, usize)> =
        account.skipped.iter().map(|one| (one.folder.as_str(), &one.why, one.entries)).collect();
    let heic = SkipReason::Extension(".heic".to_owned());
    let none = SkipReason::Extension(String::new());
    assert_eq!(
        found,
        [
            ("", &SkipReason::BesideSplits, 1),
            ("train/a", &SkipReason::Hidden, 1),
            ("train/a", &none, 1),
            ("train/a", &heic, 2),
            ("train", &SkipReason::BesideClasses, 1),
            ("test/a", &SkipReason::SubFolder, 1),
        ]
    );
    assert!(!account.is_whole());
}

#[test]
fn all_damaged_files_are_listed_at_once_or_left_out() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let root = dir.path();
    write_class(&root.join("a"), 0, 40);
    write_class(&root.join("b"), 100, 40);
    for i in 0..23 {
        std::fs::write(root.join(format!("a/bad{i}.jpg")), "<html>").expect("written");
    }
    let text = message(root);
    assert!(text.contains("23 of 103 images cannot be used:\n  a/bad"), "{text}");
    assert!(text.contains("its content is none of PNG") && text.contains("skip_damaged"), "{text}");
    assert_eq!(text.matches("\n  a/bad").count(), 20, "{text}");
    assert!(text.contains("\n  and 3 more\n"), "{text}");

    let options = FolderOptions { skip_damaged: true, ..GRAY };
    let splits = load_folder(root, &options).expect("the others are fine");
    let used = [&splits.train, &splits.test].map(|set| set.class_counts());
    assert_eq!((used[0][0] + used[1][0], used[0][1] + used[1][1]), (40, 40));
    for set in [&splits.train, &splits.test] {
        for i in 0..set.len() {
            let value = set.image(i).expect("an image")[0];
            assert_eq!(set.label(i), Some(u32::from(value >= 100)), "labels follow files");
        }
    }
    assert_eq!(splits.account.damaged.len(), 23);
    assert!(splits.account.damaged.iter().all(|damaged| damaged.class == "a"));
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    for name in [&b"caf\xE9"[..], b"red\x1b[31m"] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        write_class(&dir.path().join(OsStr::from_bytes(name)), 0, 3);
        let text = message(dir.path());
        assert!(text.contains("is not UTF-8 or has control characters: rename it"), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}

/// Writes `n` pictures into one folder, and a table of them.
fn write_table(root: &Path, table: &str) {
    std::fs::create_dir_all(root.join("all")).expect("created");
    for i in 0..12_u8 {
        let image = GrayImage::from_pixel(4, 4, Luma([i]));
        image.save(root.join(format!("all/{i}.png"))).expect("written");
    }
    std::fs::write(root.join("labels.csv"), table).expect("written");
}

fn by_table() -> FolderOptions {
    FolderOptions { labels: Some("labels.csv".into()), ..GRAY }
}

#[test]
fn a_table_names_classes_and_splits() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let rows = (0..12).map(|i| format!("all/{i}.png,{},note\r\n", [9, 10][i % 2]));
    let table = format!("Filename,Label,other\r\n{}", rows.collect::<String>());
    write_table(dir.path(), &table);
    let splits = load_folder(dir.path(), &by_table()).expect("a fine table");
    // Numbers are sorted as such.
    assert_eq!(splits.train.classes, ["9", "10"]);
    assert_eq!((splits.train.class_counts(), splits.test.class_counts()), (vec![5, 5], vec![1, 1]));
    for i in 0..10 {
        let value = splits.train.image(i).expect("ten images")[0];
        assert_eq!(splits.train.label(i), Some(u32::from(value % 2)), "labels follow files");
    }

    let rows = (0..12).map(|i| {
        let split = ["train", "test", "Train", "valid"][i % 4];
        format!("\"all/{i}.png\",\"a, b\",{split}\n")
    });
    let table = format!("file,class,split\n{}", rows.collect::<String>());
    write_table(dir.path(), &table);
    let splits = load_folder(dir.path(), &by_table()).expect("a fine table");
    assert_eq!(splits.train.classes, ["a, b"]);
    let validation = splits.validation.expect("the table has it");
    assert_eq!((splits.train.len(), validation.len(), splits.test.len()), (6, 3, 3));
    assert!(splits.test.images.iter().all(|value| value % 4 == 1));
}

#[test]
fn bad_tables_are_explained() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (table, parts) in [
        ("", &["labels.csv", "\"file\""][..]),
        ("file,breed\nall/0.png,x\n", &["\"label\"", "file, breed"]),
        ("file,label\nall/0.png\n", &["labels.csv", "line: 2"]),
        ("file,label\nall/0.png,\n", &["line 2", "no label"]),
        ("file,label\nall/0.png,a\nall/0.png,b\n", &["line 3", "all/0.png", "twice"]),
        ("file,label\nall/0.png,a\n", &["class \"a\" has 1 image"]),
        ("file,label,split\nall/0.png,a,tset\n", &["line 2", "\"tset\"", "train"]),
        ("file,label,split\nall/0.png,a,train\n", &["labels.csv", "test"]),
        ("file,label\nall/0.png,a\nall/x.png,a\n", &["1 of 2 images", "all/x.png: "]),
        ("file,label\n", &["labels.csv", "no pictures"]),
    ] {
        write_table(dir.path(), table);
        let text = load_folder(dir.path(), &by_table()).expect_err(table);
        let source = std::error::Error::source(&text).map(ToString::to_string);
        let text = format!("{text} {}", source.unwrap_or_default());
        for part in parts {
            assert!(text.contains(part), "{table:?}: no {part:?} in {text}");
        }
    }
}
