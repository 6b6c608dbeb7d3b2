//! Writing files so that a failure leaves nothing half-written, and errors that say what to do.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use thiserror::Error;

use crate::input::{self, MOST_OF_A_TEXT};

/// A file or folder that could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {doing} {}: {}", path.display(), advice(source.kind()))]
pub struct FileError {
    /// What was being done: a verb that the path completes.
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The operating system's reason.
    pub source: io::Error,
}

impl FileError {
    /// Turns an I/O error into one that names `path` and what was being done with it.
    pub(crate) fn of(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { doing, path: path.to_owned(), source }
    }
}

/// What is wrong and what the user can do about it.
fn advice(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind as Kind;
    match kind {
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
            "the disk or quota is full; free some space or choose a folder on another disk"
        }
        Kind::PermissionDenied => "access is denied; change its permissions or choose another path",
        Kind::ReadOnlyFilesystem => "the disk is read-only; choose a folder on another disk",
        Kind::NotFound => "it does not exist; check the path",
        Kind::AlreadyExists => "it exists already; remove it or choose another name",
        Kind::NotADirectory => "part of the path is a file, not a folder; choose another path",
        Kind::IsADirectory => "it is a folder, not a file; choose another path",
        Kind::InvalidInput | Kind::OutOfMemory => "it cannot be read as a file; the reason follows",
        Kind::InvalidData => "it is not UTF-8 text; restore it or choose another file",
        _ => "the operating system refused; its reason follows",
    }
}

/// Reads a whole text file.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    input::read_text(path, MOST_OF_A_TEXT).map_err(FileError::of("read", path))
}

/// Replaces `path` by a file with the given bytes, or leaves it as it was.
///
/// The bytes go into a temporary file in the same folder, reach the disk, and only then take the
/// name: whoever opens `path`, even after a crash or a power cut, finds the old file or the new one.
///
/// Only regular files are replaced. A link stays, and the file that it leads to is replaced; devices
/// and pipes, which cannot be, are written into.
///
/// # Errors
/// When the folder is missing or not writable, or the disk is full. The temporary file is removed.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_parts_atomically(path, &[bytes])
}

/// As [`write_atomically`] for a file that consists of several parts, so that large ones need not be
/// copied together.
pub(in crate::train) fn write_parts_atomically(
    path: &Path,
    parts: &[&[u8]],
) -> Result<(), FileError> {
    let started = Instant::now();
    let written = match Place::of(path) {
        Place::Name(name) => replace(&name, parts),
        Place::Stream => write_into(path, parts),
    };
    written.map_err(FileError::of("write", path))?;
    log::debug!(
        "wrote {}: {} bytes in {:.1} ms",
        path.display(),
        parts.iter().map(|part| part.len()).sum::<usize>(),
        1e3 * started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Appends `text` in one write, and has it reach the disk: a checkpoint that is written later must
/// not outlive what it counts on. When that fails the file gets its former length back, so that a
/// full disk does not leave half a line.
///
/// A file that is new or empty begins with `header`.
pub(in crate::train) fn append(path: &Path, header: &str, text: &str) -> Result<(), FileError> {
    append_after(path, header.as_bytes(), text.as_bytes())
}

/// Appends bytes to a file, all of them or, where that fails, none.
pub(in crate::train) fn append_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    append_after(path, &[], bytes)
}

fn append_after(path: &Path, header: &[u8], bytes: &[u8]) -> Result<(), FileError> {
    let error = || FileError::of("append to", path);
    let mut file =
        OpenOptions::new().append(true).create(true).open(path).map_err(|e| error()(e))?;
    let former_len = file.metadata().map_err(|e| error()(e))?.len();
    let written = if former_len == 0 {
        file.write_all(&[header, bytes].concat())
    } else {
        file.write_all(bytes)
    };
    written.and_then(|()| synced(file.sync_data())).map_err(|source| {
        let _ = file.set_len(former_len);
        error()(source)
    })
}

/// Where bytes go that are to be found at a path.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A regular file of this name, or a new one: it can be replaced.
    Name(PathBuf),
    /// A device, a pipe, or what the system opens anew by name: it can only be written into.
    Stream,
}

impl Place {
    fn of(path: &Path) -> Self {
        let name = || Self::Name(path.to_owned());
        let Ok(entry) = fs::symlink_metadata(path) else { return name() };
        let kind = entry.file_type();
        if kind.is_file() || kind.is_dir() {
            return name();
        }
        // Behind the links of these folders may be what another process has open, as in
        // `/dev/stdout`: a new file of that name would not be the same one.
        let of_system = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
        if !kind.is_symlink() || of_system {
            return Self::Stream;
        }
        match fs::canonicalize(path) {
            Ok(target) if target.is_file() || target.is_dir() => Self::Name(target),
            // What it leads to does not exist, or is special.
            _ => Self::Stream,
        }
    }
}

/// Writes a file beside `path`, then gives it that name.
fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let written = write_synced(&temporary, parts).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first failure is the one to report; the leftover may not even exist.
        let _ = fs::remove_file(&temporary);
    } else {
        sync_folder_of(path);
    }
    written
}

/// Writes into what is there.
fn write_into(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    synced(file.sync_all())
}

/// Special files, such as pipes, cannot be synchronized: what they took is all there is to do.
fn synced(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}

/// The temporary name carries the process number: two processes never share one.
fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Whether a file of this name is one that [`write_atomically`] was killed over.
pub(in crate::train) fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

fn write_synced(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = File::create(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

/// Makes the rename itself durable. Not every file system can, and the file is in place by now, so
/// a failure here is no error.
fn sync_folder_of(path: &Path) {
    if cfg!(unix) {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
            let _ = folder.sync_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).expect("the folder is readable");
        entries.map(|entry| entry.expect("an entry").file_name()).collect()
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.txt");
        write_atomically(&path, b"one").expect("the first write");
        write_atomically(&path, b"two").expect("the second write");
        assert_eq!(read_text(&path).expect("it is there"), "two");
        assert_eq!(names_in(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("taken");
        fs::create_dir(&path).expect("a folder of that name");
        let error = write_atomically(&path, b"x").expect_err("a folder cannot be replaced");
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(names_in(folder.path()), ["taken"]);
    }

    /// What is no regular file is there afterwards as it was before, and has got the bytes.
    #[cfg(unix)]
    #[test]
    fn links_pipes_and_devices_are_written_through() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        let is_link =
            |name: &str| fs::symlink_metadata(at(name)).expect("it is there").is_symlink();
        fs::write(at("target"), "old").expect("a file");
        symlink("target", at("link")).expect("a link");
        symlink("link", at("chain")).expect("a link to a link");
        symlink("absent", at("dangling")).expect("a link to nothing");
        for (name, target) in [("link", "target"), ("chain", "target"), ("dangling", "absent")] {
            write_atomically(&at(name), name.as_bytes()).expect(name);
            assert!(is_link(name), "{name} is no link any more");
            assert_eq!(read_text(&at(target)).expect("the target"), name);
        }
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status();
        assert!(made.expect("mkfifo runs").success());
        let pipe = at("pipe");
        let reader = std::thread::spawn(move || fs::read(pipe));
        write_parts_atomically(&at("pipe"), &[b"one ", b"two"]).expect("somebody reads");
        assert_eq!(reader.join().expect("no panic").expect("it can be read"), b"one two");
        let kind = fs::symlink_metadata(at("pipe")).expect("it is there").file_type();
        assert!(kind.is_fifo(), "the pipe was replaced");
        assert_eq!(names_in(folder.path()).len(), 6, "nothing else is left");
        assert_eq!(Place::of(Path::new("/dev/null")), Place::Stream);
        write_atomically(Path::new("/dev/null"), b"x").expect("it takes all");
        let null = fs::metadata("/dev/null").expect("it is there").file_type();
        assert!(null.is_char_device(), "the device was replaced");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_an_error() {
        let error = write_atomically(Path::new("/dev/full"), b"x").expect_err("no space");
        assert!(error.to_string().contains("free some space"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = write_atomically(&folder.path().join("no/such/file"), b"x")
            .expect_err("the folder is missing");
        assert!(error.to_string().contains("does not exist"), "{error}");
    }

    /// `/dev/full` answers every write as a full disk does.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_apart() {
        let error = append(Path::new("/dev/full"), "", "x").expect_err("no space");
        assert!(error.to_string().contains("free some space"), "{error}");
    }

    #[test]
    fn only_an_empty_file_gets_the_header() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.csv");
        append(&path, "x\n", "1\n").expect("the first line");
        append(&path, "x\n", "2\n").expect("the second line");
        assert_eq!(read_text(&path).expect("it is there"), "x\n1\n2\n");
    }
}
