//! The sets that are published, with mirrors, sizes and checksums.

use crate::data::DatasetKind;

/// A set that can be had from the network.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Published {
    /// Its name in recipes.
    pub name: String,
    /// The folder of its files in that of the data sets.
    pub folder: String,
    pub form: Form,
    pub files: Vec<PublishedFile>,
    /// Addresses of folders that hold the files.
    pub mirrors: Vec<String>,
}

/// What is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    /// The files that are read.
    Files,
    /// A gzipped tar archive of a folder of them.
    Archive,
}

/// A file of a set.
#[derive(Debug, Clone)]
pub(in crate::cli) struct PublishedFile {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Published {
    /// The set of a recipe; none where it is no published one.
    pub fn of(kind: DatasetKind) -> Option<Self> {
        let (folder, form, files, mirrors): (_, _, &[_], &[_]) = match kind {
            DatasetKind::Mnist => ("mnist", Form::Files, &MNIST, &MNIST_MIRRORS),
            DatasetKind::FashionMnist => {
                ("fashion-mnist", Form::Files, &FASHION_MNIST, &FASHION_MIRRORS)
            }
            DatasetKind::Cifar10 => ("cifar-10-batches-bin", Form::Archive, &CIFAR10, &CIFAR),
            DatasetKind::Cifar100 => ("cifar-100-binary", Form::Archive, &CIFAR100, &CIFAR),
            DatasetKind::SyntheticDigits | DatasetKind::Folder => return None,
        };
        let file = |&(name, bytes, sha256): &(&str, u64, &str)| PublishedFile {
            name: name.to_owned(),
            bytes,
            sha256: sha256.to_owned(),
        };
        Some(Self {
            name: kind.name().to_owned(),
            folder: folder.to_owned(),
            form,
            files: files.iter().map(file).collect(),
            mirrors: mirrors.iter().map(|&mirror: &&str| mirror.to_owned()).collect(),
        })
    }

    /// Bytes of all files as they are published.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// The site where the set was first published has not served it for years.
const MNIST_MIRRORS: [&str; 2] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
];
const MNIST: [(&str, u64, &str); 4] = [
    (
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
];

/// The first one answers without TLS only; the checksums tell whether it is the set.
const FASHION_MIRRORS: [&str; 2] = [
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
];
const FASHION_MNIST: [(&str, u64, &str); 4] = [
    (
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
];

const CIFAR: [&str; 1] = ["https://www.cs.toronto.edu/~kriz"];
const CIFAR10: [(&str, u64, &str); 1] = [(
    "cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)];
const CIFAR100: [(&str, u64, &str); 1] = [(
    "cifar-100-binary.tar.gz",
    168_513_733,
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
)];
