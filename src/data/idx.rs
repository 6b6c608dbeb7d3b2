//! The IDX files of MNIST and Fashion-MNIST; format: <http://yann.lecun.com/exdb/mnist/>.

use std::path::{Path, PathBuf};

use super::files::{self, Content};
use super::{DataAccount, DataError, Dataset, Splits};

/// An IDX set: what it is called, where it lies and what its labels mean.
struct Kind {
    name: &'static str,
    folders: &'static [&'static str],
    source: &'static str,
    classes: [&'static str; 10],
}

const MNIST: Kind = Kind {
    name: "mnist",
    folders: &["", "mnist", "MNIST/raw"],
    source: "http://yann.lecun.com/exdb/mnist/ or a mirror, plain or gzipped,",
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
};

const FASHION_MNIST: Kind = Kind {
    name: "fashion-mnist",
    folders: &["fashion-mnist", "FashionMNIST/raw"],
    source: "https://github.com/zalandoresearch/fashion-mnist, plain or gzipped,",
    classes: [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
};

/// Magic numbers: unsigned bytes (8) in 3 dimensions, and in 1.
const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// Reads MNIST, `[n, 28, 28, 1]`, from `dir`, `dir/mnist` or `dir/MNIST/raw`.
///
/// # Errors
///
/// If files are missing, cannot be read, are damaged, or do not fit together.
pub fn load_mnist(dir: &Path) -> Result<Splits, DataError> {
    load(&MNIST, MNIST.folders.iter().map(|folder| dir.join(folder)).collect())
}

/// Reads Fashion-MNIST, `[n, 28, 28, 1]`, from `dir/fashion-mnist` or `dir/FashionMNIST/raw`.
///
/// Its files carry the names of MNIST's. So `dir` itself is searched only if its name contains
/// "fashion": digits must never pass for clothes.
///
/// # Errors
///
/// As [`load_mnist`].
pub fn load_fashion_mnist(dir: &Path) -> Result<Splits, DataError> {
    let mut folders: Vec<PathBuf> =
        FASHION_MNIST.folders.iter().map(|folder| dir.join(folder)).collect();
    let name = dir.file_name().map(|name| name.to_string_lossy().to_lowercase());
    if name.is_some_and(|name| name.contains("fashion")) {
        folders.insert(0, dir.to_path_buf());
    }
    load(&FASHION_MNIST, folders)
}

fn load(kind: &Kind, folders: Vec<PathBuf>) -> Result<Splits, DataError> {
    let names = [("train-images", 3), ("train-labels", 1), ("t10k-images", 3), ("t10k-labels", 1)]
        .map(|(stem, dims)| names_of(stem, dims));
    let paths = files::find(kind.name, &folders, names.each_ref().map(|n| &n[..]), kind.source)?;
    let [train_images, train_labels, test_images, test_labels] = paths;
    let train = read_pair(kind, &train_images, &train_labels)?;
    let test = read_pair(kind, &test_images, &test_labels)?;
    if (train.height, train.width) != (test.height, test.width) {
        let problem = format!(
            "holds images of {}x{}, the training file {}x{}: expected one size in both",
            test.height, test.width, train.height, train.width
        );
        return Err(DataError::malformed(&test_images, problem));
    }
    Ok(Splits { train, validation: None, test, account: DataAccount::default() })
}

/// The names of an IDX file: as it is published first, then with a dot for either dash, as some
/// programs unpack it; each also gzipped.
fn names_of(stem: &str, dims: usize) -> [String; 8] {
    let ends = ["-idx#-ubyte", "-idx#.ubyte", ".idx#-ubyte", ".idx#.ubyte"];
    std::array::from_fn(|i| {
        let end = ends[i / 2].replace('#', &dims.to_string());
        let packed = if i % 2 == 1 { ".gz" } else { "" };
        format!("{stem}{end}{packed}")
    })
}

fn read_pair(kind: &Kind, images_at: &Path, labels_at: &Path) -> Result<Dataset, DataError> {
    let ([n, height, width], images) = read_idx(images_at, IMAGES_MAGIC)?;
    let ([n_labels], labels) = read_idx(labels_at, LABELS_MAGIC)?;
    if n != n_labels {
        let problem = format!(
            "holds {n_labels} labels for the {n} images of {}: expected one label per image; the \
             files do not belong together",
            images_at.display()
        );
        return Err(DataError::malformed(labels_at, problem));
    }
    let n_classes = kind.classes.len();
    let stray = labels.iter().enumerate().find(|&(_, &label)| usize::from(label) >= n_classes);
    if let Some((i, label)) = stray {
        let problem =
            format!("label {i} is {label}: expected labels below {n_classes} for {}", kind.name);
        return Err(DataError::malformed(labels_at, problem));
    }
    let labels = labels.into_iter().map(u32::from).collect();
    let classes = kind.classes.map(str::to_string).to_vec();
    Dataset::new(kind.name, images, labels, [height, width, 1], classes)
}

/// Reads the dimensions and the bytes of an IDX file of unsigned bytes.
fn read_idx<const DIMS: usize>(
    path: &Path,
    expected_magic: u32,
) -> Result<([usize; DIMS], Vec<u8>), DataError> {
    let mut content = Content::open(path)?;
    let magic = read_u32(&mut content, path)?;
    if magic != expected_magic {
        let problem = format!(
            "starts with {magic:#010x}: expected {expected_magic:#010x}, the mark of an IDX file \
             of unsigned bytes in {DIMS} dimension(s); the file is damaged or of another kind"
        );
        return Err(DataError::malformed(path, problem));
    }
    let mut dims = [0; DIMS];
    let mut n_values = 1_u64;
    for dim in &mut dims {
        let extent = read_u32(&mut content, path)?;
        n_values = n_values.saturating_mul(u64::from(extent));
        *dim = usize::try_from(extent).map_err(|_| {
            DataError::malformed(path, format!("a dimension of {extent} is too large to address"))
        })?;
    }
    if n_values == 0 {
        let problem = format!("has the dimensions {dims:?}: expected every one to be at least 1");
        return Err(DataError::malformed(path, problem));
    }
    let values = content.take(n_values)?;
    if u64::try_from(values.len()) != Ok(n_values) {
        let problem = format!(
            "is cut short: the header promises {n_values} values (dimensions {dims:?}), {} are \
             there; get the file again",
            values.len()
        );
        return Err(DataError::malformed(path, problem));
    }
    content.expect_end()?;
    Ok((dims, values))
}

/// The next big-endian number of a header.
fn read_u32(content: &mut Content, path: &Path) -> Result<u32, DataError> {
    let bytes = content.take(4)?;
    let bytes = <[u8; 4]>::try_from(bytes).map_err(|short| {
        let problem = format!(
            "ends inside its header ({} of 4 bytes of a number): expected an IDX file; get it again",
            short.len()
        );
        DataError::malformed(path, problem)
    })?;
    Ok(u32::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// An IDX file: magic, dimensions, values.
    fn idx(magic: u32, dims: &[u32], values: &[u8]) -> Vec<u8> {
        let header = std::iter::once(&magic).chain(dims).flat_map(|word| word.to_be_bytes());
        header.chain(values.iter().copied()).collect()
    }

    /// Writes a set of 3 training and 2 test images of 1x2.
    fn write_set(dir: &Path) {
        let files = [
            ("train-images-idx3-ubyte", idx(0x803, &[3, 1, 2], &[1, 2, 3, 4, 5, 6])),
            ("train-labels-idx1-ubyte", idx(0x801, &[3], &[0, 9, 5])),
            ("t10k-images-idx3-ubyte", idx(0x803, &[2, 1, 2], &[7, 8, 9, 10])),
            ("t10k-labels-idx1-ubyte", idx(0x801, &[2], &[1, 2])),
        ];
        std::fs::create_dir_all(dir).expect("created");
        for (name, bytes) in files {
            std::fs::write(dir.join(name), bytes).expect("written");
        }
    }

    /// The message that `bytes` in place of the file `name` leads to.
    fn message_for(name: &str, bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().expect("a temporary folder");
        write_set(dir.path());
        std::fs::write(dir.path().join(name), bytes).expect("written");
        let message = load_mnist(dir.path()).expect_err("the file is malformed").to_string();
        assert!(message.contains(name), "the message names the file: {message}");
        message
    }

    #[test]
    fn plain_files_are_read() {
        for folder in ["", "mnist", "MNIST/raw"] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            write_set(&dir.path().join(folder));
            let splits = load_mnist(dir.path()).expect("the set is fine");
            assert_eq!(splits.train.images, [1, 2, 3, 4, 5, 6]);
            assert_eq!(splits.train.labels, [0, 9, 5]);
            assert_eq!((splits.train.height, splits.train.width), (1, 2));
            assert_eq!(splits.test.image(1), Some(&[9, 10][..]));
            assert_eq!(splits.test.class_name(2), Some("2"));
        }
    }

    #[test]
    fn gzipped_and_dotted_names_are_read() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        write_set(dir.path());
        let path = |name: &str| dir.path().join(name);
        let bytes = std::fs::read(path("train-images-idx3-ubyte")).expect("written above");
        std::fs::remove_file(path("train-images-idx3-ubyte")).expect("removed");
        let packed = std::fs::File::create(path("train-images-idx3-ubyte.gz")).expect("created");
        let mut gz = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        gz.write_all(&bytes).expect("written");
        gz.finish().expect("written");
        for (from, to) in [
            ("t10k-labels-idx1-ubyte", "t10k-labels-idx1.ubyte"),
            ("t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"),
            ("train-labels-idx1-ubyte", "train-labels.idx1.ubyte"),
        ] {
            std::fs::rename(path(from), path(to)).expect("renamed");
        }
        assert_eq!(load_mnist(dir.path()).expect("fine").train.images, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn fashion_is_not_looked_for_among_digits() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        write_set(dir.path());
        let message = load_fashion_mnist(dir.path()).expect_err("digits only").to_string();
        assert!(message.starts_with("fashion-mnist: files missing from "), "{message}");
        let named = dir.path().join("my-Fashion");
        write_set(&named);
        let splits = load_fashion_mnist(&named).expect("the folder is named for it");
        assert_eq!(splits.train.class_name(9), Some("Ankle boot"));
    }

    #[test]
    fn a_missing_set_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let message = load_mnist(dir.path()).expect_err("nothing there").to_string();
        for part in ["t10k-labels-idx1-ubyte", "MNIST/raw", "yann.lecun.com", "VERIGRAD_DATA"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn malformed_files_are_told_apart() {
        let images = "train-images-idx3-ubyte";
        let labels = "t10k-labels-idx1-ubyte";
        let message = message_for(images, &idx(0x801, &[3], &[0; 3]));
        assert!(message.contains("starts with 0x00000801: expected 0x00000803"), "{message}");
        let message = message_for(images, &idx(0x803, &[3, 1, 2], &[0; 5]));
        assert!(message.contains("promises 6 values (dimensions [3, 1, 2]), 5 are"), "{message}");
        let message = message_for(images, &idx(0x803, &[3, 1, 2], &[0; 7]));
        assert!(message.contains("goes on after its last record"), "{message}");
        let message = message_for(images, &idx(0x803, &[3, 0, 2], &[]));
        assert!(message.contains("[3, 0, 2]"), "{message}");
        let message = message_for(images, &[0, 0, 8]);
        assert!(message.contains("ends inside its header (3 of 4"), "{message}");
        let message = message_for(images, &[]);
        assert!(message.contains("ends inside its header (0 of 4"), "{message}");
        let message = message_for(labels, &idx(0x801, &[3], &[0; 3]));
        assert!(message.contains("holds 3 labels for the 2 images"), "{message}");
        let message = message_for(labels, &idx(0x801, &[2], &[0, 10]));
        assert!(message.contains("label 1 is 10: expected labels below 10"), "{message}");
        let message = message_for("t10k-images-idx3-ubyte", &idx(0x803, &[2, 2, 1], &[0; 4]));
        assert!(message.contains("holds images of 2x1, the training file 1x2"), "{message}");
    }

    #[test]
    fn a_huge_claim_allocates_nothing() {
        let images = "train-images-idx3-ubyte";
        let message = message_for(images, &idx(0x803, &[u32::MAX; 3], &[1, 2, 3]));
        assert!(message.contains("more than the 4294967296 that are read"), "{message}");
        // Just within what would be read, and almost nothing there.
        let message = message_for(images, &idx(0x803, &[1 << 16, 1 << 8, 1 << 8], &[1, 2, 3]));
        assert!(message.contains("promises 4294967296 values"), "{message}");
    }
}
