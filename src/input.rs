//! Opening files that users name: regular files only, and no more of them than can be meant.
//!
//! A pipe would wait for ever and a device such as `/dev/zero` never ends, so that each is an error at
//! once; so is a file above the limit of its kind, before any of it is read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a text at most that a run leaves: metrics of many epochs, predictions.
pub(crate) const MOST_OF_A_TEXT: u64 = 4 << 30;
/// Bytes of a picture at most.
pub(crate) const MOST_OF_A_PICTURE: u64 = 1 << 30;
/// Bytes of a file at most that holds weights or a checkpoint.
pub(crate) const MOST_OF_WEIGHTS: u64 = 32 << 30;

/// What a packed file may unpack to in any case, in bytes.
const UNPACKED_IN_ANY_CASE: u64 = 256 << 20;
/// How often its own size a packed file may unpack to: deflate gets to 1032 times with nothing but
/// zeros, and to less than 10 with weights or pictures.
const UNPACKED_TIMES: u64 = 64;

/// The most bytes that a packed file of `packed` bytes may unpack to: no small file takes all memory.
pub(crate) fn most_unpacked(packed: u64) -> u64 {
    packed.saturating_mul(UNPACKED_TIMES).max(UNPACKED_IN_ANY_CASE)
}

/// Opens a regular file of at most `most` bytes; tells its size.
pub(crate) fn open(path: &Path, most: u64) -> io::Result<(File, u64)> {
    // Before it is opened: opening a pipe waits for a writer.
    check(&fs::metadata(path)?, most)?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    check(&metadata, most)?;
    Ok((file, metadata.len()))
}

/// Reads a regular file of at most `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, size) = open(path, most)?;
    let mut bytes = Vec::new();
    let reserved = usize::try_from(size).ok().and_then(|size| bytes.try_reserve_exact(size).ok());
    if reserved.is_none() {
        return Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            format!("its {size} bytes do not fit in memory"),
        ));
    }
    // It may grow while it is read.
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read > most) {
        return Err(too_large(u64::try_from(read).unwrap_or(u64::MAX), most));
    }
    Ok(bytes)
}

/// Reads a regular file of UTF-8 text of at most `most` bytes.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

fn check(metadata: &fs::Metadata, most: u64) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not a file"));
    }
    if !kind.is_file() {
        let problem = format!("it is a {}: expected a regular file", name_of(kind));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    if metadata.len() > most {
        return Err(too_large(metadata.len(), most));
    }
    Ok(())
}

fn too_large(size: u64, most: u64) -> io::Error {
    let problem = format!(
        "it holds {size} bytes or more: expected at most {most}; it is damaged or of another kind"
    );
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

/// What is no regular file.
#[cfg(unix)]
fn name_of(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    match () {
        () if kind.is_fifo() => "named pipe",
        () if kind.is_char_device() || kind.is_block_device() => "device",
        () if kind.is_socket() => "socket",
        () => "special file",
    }
}

/// What is no regular file.
#[cfg(not(unix))]
fn name_of(_kind: fs::FileType) -> &'static str {
    "special file"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_their_limit() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("x");
        fs::write(&path, "12345").expect("written");
        assert_eq!(read(&path, 5).expect("five bytes"), b"12345");
        assert_eq!(read_text(&path, 5).expect("five bytes"), "12345");
        let error = read(&path, 4).expect_err("one too many").to_string();
        assert!(error.contains("holds 5 bytes") && error.contains("at most 4"), "{error}");
        fs::write(&path, [0xFF]).expect("written");
        let error = read_text(&path, 5).expect_err("no text");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = read(dir.path(), 5).expect_err("a folder");
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let error = read(&dir.path().join("absent"), 5).expect_err("absent");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    /// A sparse file of a terabyte takes no memory: its size alone is looked at.
    #[test]
    fn a_huge_file_is_refused_by_its_size() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("huge");
        File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
        let error = read(&path, MOST_OF_WEIGHTS).expect_err("too large").to_string();
        assert!(error.contains("1099511627776 bytes"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_sockets_are_refused_at_once() {
        let error = read(Path::new("/dev/zero"), 5).expect_err("a device").to_string();
        assert!(error.contains("a device: expected a regular file"), "{error}");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        let error = read(&path, 5).expect_err("a socket").to_string();
        assert!(error.contains("a socket"), "{error}");
    }

    #[test]
    fn small_files_may_unpack_to_a_fair_size() {
        assert_eq!(most_unpacked(10), 256 << 20);
        assert_eq!(most_unpacked(10 << 20), 640 << 20);
        assert_eq!(most_unpacked(u64::MAX), u64::MAX);
    }
}
