//! Finding and opening the files of a data set.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::DataError;
use crate::input::{self, most_unpacked};

/// Environment variable that names the folder of the data sets.
pub const DATA_DIR_VARIABLE: &str = "VERIGRAD_DATA";

/// Largest file content taken into memory, in bytes: far above any set read here.
const MAX_BYTES: u64 = 4 << 30;

/// The folder to look for data sets in: `explicit` (`--data-dir`) if given, else the folder that
/// the environment variable [`DATA_DIR_VARIABLE`] names, else `data` in the current folder.
pub fn data_dir(explicit: Option<&Path>) -> PathBuf {
    let from_environment = || std::env::var_os(DATA_DIR_VARIABLE).filter(|dir| !dir.is_empty());
    explicit
        .map(Path::to_path_buf)
        .or_else(|| from_environment().map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("data"))
}

/// Advice that ends the message about a missing set: `source` says where the files come from.
pub(super) fn advice(source: &str) -> String {
    format!(
        "get them from {source} and name their folder with --data-dir or {DATA_DIR_VARIABLE}; \
         dataset = \"synthetic-digits\" needs no files"
    )
}

/// Finds a set whose files, each known by several names, all lie in one folder.
///
/// Takes the first of `folders` that holds every file, and returns their paths in the order of
/// `files`; a folder that holds only some of them is remembered for the message.
pub(super) fn find<const N: usize>(
    dataset: &'static str,
    folders: &[PathBuf],
    files: [&[String]; N],
    source: &str,
) -> Result<[PathBuf; N], DataError> {
    let mut partial = None;
    for folder in folders {
        let found = files.map(|names| {
            names.iter().map(|name| folder.join(name)).find(|candidate| candidate.is_file())
        });
        let n_found = found.iter().flatten().count();
        if n_found == N {
            return Ok(found.map(|path| path.expect("all N were found")));
        }
        if n_found > 0 && partial.is_none() {
            partial = Some((folder, found));
        }
    }
    let canonical = |names: &[String]| names.first().cloned().unwrap_or_default();
    let (looked_in, expected) = match partial {
        Some((folder, found)) => {
            let absent = files.iter().zip(found).filter(|(_, path)| path.is_none());
            (vec![folder.clone()], absent.map(|(names, _)| canonical(names)).collect())
        }
        None => (folders.to_vec(), files.map(canonical).to_vec()),
    };
    Err(DataError::Missing { dataset, looked_in, expected, advice: advice(source) })
}

/// The content of a file, unpacked if it is gzipped, which its first bytes tell.
pub(super) struct Content {
    path: PathBuf,
    reader: Box<dyn Read>,
    /// Bytes that may still be unpacked; none where nothing is packed.
    left: Option<u64>,
}

impl Content {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
        let (file, size) =
            input::open(path, MAX_BYTES).map_err(|source| DataError::read(path, source))?;
        let mut plain = BufReader::new(file);
        let start = plain.fill_buf().map_err(|source| DataError::read(path, source))?;
        let (reader, left): (Box<dyn Read>, _) = if start.starts_with(&GZIP_MAGIC) {
            (Box::new(MultiGzDecoder::new(plain)), Some(most_unpacked(size)))
        } else {
            (Box::new(plain), None)
        };
        Ok(Self { path: path.to_path_buf(), reader, left })
    }

    /// The next bytes, up to `limit` of them; fewer where the content ends.
    ///
    /// Memory grows with what is there, not with `limit`, so a header may claim anything.
    pub(super) fn take(&mut self, limit: u64) -> Result<Vec<u8>, DataError> {
        if limit > MAX_BYTES {
            let problem = format!(
                "claims {limit} bytes of content, more than the {MAX_BYTES} that are read: the \
                 file is damaged or of another kind"
            );
            return Err(DataError::malformed(&self.path, problem));
        }
        // One byte more than may be unpacked tells a bomb apart.
        let bound = self.left.map_or(limit, |left| limit.min(left.saturating_add(1)));
        let mut bytes = Vec::new();
        self.reader
            .by_ref()
            .take(bound)
            .read_to_end(&mut bytes)
            .map_err(|source| DataError::read(&self.path, source))?;
        if let Some(left) = self.left {
            let taken = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.left = Some(left.checked_sub(taken).ok_or_else(|| {
                let problem = "unpacks to more than 64 times its size: the file is damaged, or made \
                               to fill memory; gunzip it where it is right";
                DataError::malformed(&self.path, problem)
            })?);
        }
        Ok(bytes)
    }

    /// The rest of the content.
    pub(super) fn rest(&mut self) -> Result<Vec<u8>, DataError> {
        let bytes = self.take(MAX_BYTES)?;
        self.expect_end()?;
        Ok(bytes)
    }

    /// Fails unless the content ends here.
    pub(super) fn expect_end(&mut self) -> Result<(), DataError> {
        if self.take(1)?.is_empty() {
            return Ok(());
        }
        let problem = "goes on after its last record: expected the file to end there; it is \
                       damaged or of another kind, get it again";
        Err(DataError::malformed(&self.path, problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn an_explicit_folder_wins() {
        assert_eq!(data_dir(Some(Path::new("here"))), Path::new("here"));
    }

    #[test]
    fn gzip_is_known_by_content() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("no-extension");
        let file = File::create(&path).expect("a writable folder");
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gz.write_all(b"hello").expect("written");
        gz.finish().expect("written");
        let mut content = Content::open(&path).expect("the file is there");
        assert_eq!(content.take(2).expect("readable"), b"he");
        assert_eq!(content.rest().expect("readable"), b"llo");
    }

    /// 300 MB of zeros in 300 KB: no more is unpacked than 64 times the file, or 256 MiB.
    #[test]
    fn a_bomb_unpacks_to_a_bounded_size() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("bomb.gz");
        let file = File::create(&path).expect("a writable folder");
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        let zeros = vec![0; 1 << 20];
        for _ in 0..300 {
            gz.write_all(&zeros).expect("written");
        }
        gz.finish().expect("written");
        let mut content = Content::open(&path).expect("the file is there");
        assert_eq!(content.take(256 << 20).expect("within the bound").len(), 256 << 20);
        let message = content.take(1).expect_err("beyond it").to_string();
        assert!(message.contains("bomb.gz: unpacks to more than"), "{message}");
    }

    #[test]
    fn a_broken_gzip_stream_is_an_error_with_the_path() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("broken.gz");
        std::fs::write(&path, [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF, 1, 2, 3]).expect("written");
        let error = Content::open(&path).and_then(|mut content| content.rest());
        let message = error.expect_err("the stream is broken").to_string();
        assert!(message.contains("broken.gz"), "{message}");
    }

    #[test]
    fn find_names_what_is_absent() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folders = [dir.path().join("a"), dir.path().join("b")];
        let [x, y] = [["x".to_string(), "x.gz".to_string()], ["y".to_string(), "y.gz".into()]];
        let find = || find("set", &folders, [&x[..], &y[..]], "its home page");

        let message = find().expect_err("nothing there").to_string();
        assert!(message.contains("expected x, y; get them from its home page"), "{message}");
        assert!(message.contains(&format!("{} and ", folders[0].display())), "{message}");

        std::fs::create_dir(&folders[1]).expect("created");
        std::fs::write(folders[1].join("x.gz"), "").expect("written");
        let message = find().expect_err("y is missing").to_string();
        assert!(message.contains("expected y;"), "{message}");
        assert!(!message.contains(&folders[0].display().to_string()), "{message}");

        std::fs::write(folders[1].join("y"), "").expect("written");
        assert_eq!(find().expect("both there"), ["x.gz", "y"].map(|f| folders[1].join(f)));
    }
}
