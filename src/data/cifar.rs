//! The binary files of CIFAR-10 and CIFAR-100; format:
//! <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::path::{Path, PathBuf};

use super::files::{self, Content};
use super::{DataAccount, DataError, Dataset, Splits};

/// Height and width of an image, in pixels.
const SIDE: usize = 32;

/// Values of one color plane.
const PLANE: usize = SIDE * SIDE;

/// Red, green, blue.
const CHANNELS: usize = 3;

/// Where the files come from, for messages.
const SOURCE: &str = "https://www.cs.toronto.edu/~kriz/cifar.html (the \"binary version\")";

/// A CIFAR set: how a record starts and what its labels mean.
struct Layout<'a> {
    name: &'static str,
    /// Bytes before the pixels; the last of them is the label.
    label_bytes: usize,
    classes: &'a [String],
}

/// Reads CIFAR-10, `[n, 32, 32, 3]`, from `dir/cifar-10-batches-bin` or `dir`.
///
/// # Errors
///
/// If files are missing, cannot be read, or are damaged.
pub fn load_cifar10(dir: &Path) -> Result<Splits, DataError> {
    let names = [
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
        "test_batch.bin",
        "batches.meta.txt",
    ]
    .map(|name| [name.to_string()]);
    let folders = [dir.join("cifar-10-batches-bin"), dir.to_path_buf()];
    let paths = files::find("cifar10", &folders, names.each_ref().map(|n| &n[..]), SOURCE)?;
    let [train @ .., test, names] = &paths;
    let classes = read_class_names(names, 10)?;
    Layout { name: "cifar10", label_bytes: 1, classes: &classes }.load(train, test)
}

/// Reads CIFAR-100 with its 100 fine classes, `[n, 32, 32, 3]`, from `dir/cifar-100-binary` or
/// `dir`.
///
/// # Errors
///
/// As [`load_cifar10`].
pub fn load_cifar100(dir: &Path) -> Result<Splits, DataError> {
    let names = ["train.bin", "test.bin", "fine_label_names.txt"].map(|name| [name.to_string()]);
    let folders = [dir.join("cifar-100-binary"), dir.to_path_buf()];
    let paths = files::find("cifar100", &folders, names.each_ref().map(|n| &n[..]), SOURCE)?;
    let [train, test, names] = &paths;
    let classes = read_class_names(names, 100)?;
    // The coarse label comes first and is passed over.
    let layout = Layout { name: "cifar100", label_bytes: 2, classes: &classes };
    layout.load(std::slice::from_ref(train), test)
}

impl Layout<'_> {
    fn load(&self, train: &[PathBuf], test: &Path) -> Result<Splits, DataError> {
        let test = [test.to_path_buf()];
        Ok(Splits {
            train: self.read(train)?,
            validation: None,
            test: self.read(&test)?,
            account: DataAccount::default(),
        })
    }

    fn read(&self, paths: &[PathBuf]) -> Result<Dataset, DataError> {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for path in paths {
            self.read_file(path, &mut images, &mut labels)?;
        }
        Dataset::new(self.name, images, labels, [SIDE, SIDE, CHANNELS], self.classes.to_vec())
    }

    /// Appends the records of one file.
    fn read_file(
        &self,
        path: &Path,
        images: &mut Vec<u8>,
        labels: &mut Vec<u32>,
    ) -> Result<(), DataError> {
        let bytes = Content::open(path)?.rest()?;
        let record_len = self.label_bytes + CHANNELS * PLANE;
        let (records, tail) = (bytes.chunks_exact(record_len), bytes.len() % record_len);
        if bytes.is_empty() || tail != 0 {
            let problem = format!(
                "holds {} bytes: expected one or more records of {record_len} bytes each, {tail} \
                 are left over; the file is cut short or of another kind, get it again",
                bytes.len()
            );
            return Err(DataError::malformed(path, problem));
        }
        images.reserve(records.len() * CHANNELS * PLANE);
        for (i, record) in records.enumerate() {
            let (label, planes) = record.split_at(self.label_bytes);
            let label = label.last().copied().unwrap_or_default();
            let n_classes = self.classes.len();
            if usize::from(label) >= n_classes {
                let problem = format!(
                    "record {i} has label {label}: expected labels below {n_classes}; the file is \
                     damaged or of another kind"
                );
                return Err(DataError::malformed(path, problem));
            }
            labels.push(u32::from(label));
            interleave(planes, images);
        }
        Ok(())
    }
}

/// Appends planes `[3, 32, 32]` as pixels `[32, 32, 3]`.
fn interleave(planes: &[u8], images: &mut Vec<u8>) {
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    images.extend(red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]));
}

/// Reads one class name per line.
fn read_class_names(path: &Path, n_classes: usize) -> Result<Vec<String>, DataError> {
    let bytes = Content::open(path)?.rest()?;
    let text = String::from_utf8_lossy(&bytes);
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect();
    if names.len() != n_classes {
        let problem = format!(
            "holds {} class names: expected {n_classes}, one per line; get the file again",
            names.len()
        );
        return Err(DataError::malformed(path, problem));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record whose red plane counts up, green is 100 and blue is 200.
    fn record(label: &[u8]) -> Vec<u8> {
        let red = (0..=255_u8).cycle().take(PLANE);
        let rest = [[100; PLANE], [200; PLANE]].concat();
        label.iter().copied().chain(red).chain(rest).collect()
    }

    fn names(n: usize) -> String {
        (0..n).map(|i| format!("class{i}\n")).collect::<String>() + "\n"
    }

    fn write_cifar10(dir: &Path) {
        std::fs::create_dir_all(dir).expect("created");
        for (i, label) in (1..=5).zip([[3], [1], [4], [1], [5]]) {
            let path = dir.join(format!("data_batch_{i}.bin"));
            std::fs::write(path, record(&label)).expect("written");
        }
        let test = [record(&[9]), record(&[2])].concat();
        std::fs::write(dir.join("test_batch.bin"), test).expect("written");
        std::fs::write(dir.join("batches.meta.txt"), names(10)).expect("written");
    }

    #[test]
    fn cifar10_batches_are_joined_in_order_and_interleaved() {
        for folder in ["", "cifar-10-batches-bin"] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            write_cifar10(&dir.path().join(folder));
            let splits = load_cifar10(dir.path()).expect("the set is fine");
            assert_eq!(splits.train.labels, [3, 1, 4, 1, 5]);
            assert_eq!(splits.test.labels, [9, 2]);
            let image = splits.train.image(4).expect("five images");
            assert_eq!(image[..9], [0, 100, 200, 1, 100, 200, 2, 100, 200]);
            assert_eq!(image[3 * 1023..], [255, 100, 200]);
            assert_eq!(splits.train.class_name(9), Some("class9"));
        }
    }

    #[test]
    fn cifar100_takes_the_fine_label() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = dir.path().join("cifar-100-binary");
        std::fs::create_dir(&folder).expect("created");
        std::fs::write(folder.join("train.bin"), record(&[7, 99])).expect("written");
        std::fs::write(folder.join("test.bin"), record(&[19, 0])).expect("written");
        std::fs::write(folder.join("fine_label_names.txt"), names(100)).expect("written");
        let splits = load_cifar100(dir.path()).expect("the set is fine");
        assert_eq!((splits.train.labels, splits.test.labels), (vec![99], vec![0]));
        assert_eq!(splits.train.images[..3], [0, 100, 200]);
    }

    #[test]
    fn malformed_files_are_named() {
        let message_for = |name: &str, bytes: &[u8]| {
            let dir = tempfile::tempdir().expect("a temporary folder");
            write_cifar10(dir.path());
            std::fs::write(dir.path().join(name), bytes).expect("written");
            let message = load_cifar10(dir.path()).expect_err("malformed").to_string();
            assert!(message.contains(name), "the message names the file: {message}");
            message
        };
        let message = message_for("data_batch_3.bin", &record(&[10]));
        assert!(message.contains("record 0 has label 10"), "{message}");
        let message = message_for("data_batch_3.bin", &record(&[1])[..3000]);
        assert!(message.contains("holds 3000 bytes: expected"), "{message}");
        let message = message_for("test_batch.bin", &[]);
        assert!(message.contains("holds 0 bytes"), "{message}");
        let message = message_for("batches.meta.txt", names(9).as_bytes());
        assert!(message.contains("holds 9 class names: expected 10"), "{message}");
    }

    #[test]
    fn one_missing_batch_is_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        write_cifar10(dir.path());
        std::fs::remove_file(dir.path().join("data_batch_2.bin")).expect("removed");
        let message = load_cifar10(dir.path()).expect_err("a batch is missing").to_string();
        assert!(message.contains("expected data_batch_2.bin; get them from"), "{message}");
        assert!(load_cifar100(dir.path()).is_err());
    }
}
