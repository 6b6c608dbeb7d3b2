//! Archives of one folder with files, as CIFAR is published: gzipped tar.
//!
//! Format: <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06>. Nothing but
//! files right below that folder is taken: no link, no path that leads elsewhere.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::download::FetchError;
use crate::input::{self, most_unpacked};

/// Bytes of a header, and what contents are filled up to.
const BLOCK: usize = 512;
/// Bytes that are copied at a time.
const COPIED: usize = 64 << 10;
/// Most files of an archive.
const MOST_FILES: usize = 1000;

/// Unpacks the files of the folder `name` of an archive into `into`/`name`: all of them, or none.
pub(super) fn unpack(archive: &Path, name: &str, into: &Path) -> Result<(), FetchError> {
    let place = into.join(name);
    let unpacking = into.join(format!("{name}.part"));
    match fs::remove_dir_all(&unpacking) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FetchError::write(&unpacking)(error));
        }
        _ => {}
    }
    fs::create_dir(&unpacking).map_err(FetchError::write(&unpacking))?;
    let unpacked = files_into(archive, name, &unpacking).and_then(|files| {
        if !place.exists() {
            return fs::rename(&unpacking, &place).map_err(FetchError::write(&place));
        }
        // A folder that lacks files, or has damaged ones.
        for file in files {
            let target = place.join(&file);
            fs::rename(unpacking.join(&file), &target).map_err(FetchError::write(&target))?;
        }
        fs::remove_dir(&unpacking).map_err(FetchError::write(&unpacking))
    });
    if unpacked.is_err()
        && let Err(error) = fs::remove_dir_all(&unpacking)
    {
        log::debug!("{}: {error}", unpacking.display());
    }
    unpacked
}

/// Writes the files into a folder; gives their names.
fn files_into(archive: &Path, name: &str, folder: &Path) -> Result<Vec<String>, FetchError> {
    let fail = |problem: String| FetchError::Archive { path: archive.to_owned(), problem };
    let broken = |error: io::Error| fail(format!("the archive is damaged: {error}"));
    let (file, size) = input::open(archive, u64::MAX).map_err(broken)?;
    let mut left = most_unpacked(size);
    let mut tar = MultiGzDecoder::new(BufReader::new(file)).take(left);
    let mut names = Vec::new();
    let mut header = [0; BLOCK];
    loop {
        tar.read_exact(&mut header).map_err(broken)?;
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        let entry = Entry::of(&header).map_err(fail)?;
        left = left.checked_sub(entry.bytes).ok_or_else(|| {
            fail(format!("{}: the archive unpacks to more than it can hold", entry.path))
        })?;
        let padding = entry.bytes.next_multiple_of(512) - entry.bytes;
        match entry.kind {
            b'0' | 0 => {
                let file = entry.path.strip_prefix(name).and_then(|rest| rest.strip_prefix('/'));
                let is_plain = |file: &&str| {
                    !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\', ':'])
                };
                let file = file.filter(is_plain).filter(|_| names.len() < MOST_FILES);
                let file = file.ok_or_else(|| {
                    fail(format!("it holds {}: expected files in {name} alone", entry.path))
                })?;
                let target = folder.join(file);
                let mut out = File::create(&target).map_err(FetchError::write(&target))?;
                let mut content = tar.by_ref().take(entry.bytes);
                let mut block = vec![0; COPIED];
                let mut missing = entry.bytes;
                while missing > 0 {
                    let count = content.read(&mut block).map_err(broken)?;
                    if count == 0 {
                        return Err(fail(format!("{}: the archive was cut short", entry.path)));
                    }
                    out.write_all(&block[..count]).map_err(FetchError::write(&target))?;
                    missing -= u64::try_from(count).unwrap_or(missing);
                }
                out.sync_all().map_err(FetchError::write(&target))?;
                names.push(file.to_owned());
            }
            // Folders are made anyway, and attributes are not taken over.
            b'5' | b'g' | b'x' => {
                io::copy(&mut tar.by_ref().take(entry.bytes), &mut io::sink()).map_err(broken)?;
            }
            kind => {
                let kind = char::from(kind).escape_default();
                return Err(fail(format!(
                    "{}: an entry of kind {kind}: expected files",
                    entry.path
                )));
            }
        }
        io::copy(&mut tar.by_ref().take(padding), &mut io::sink()).map_err(broken)?;
    }
    if names.is_empty() {
        return Err(fail("the archive holds no files".to_owned()));
    }
    Ok(names)
}

/// What a header says.
struct Entry {
    path: String,
    bytes: u64,
    kind: u8,
}

impl Entry {
    fn of(header: &[u8; BLOCK]) -> Result<Self, String> {
        let text = |from: usize, to: usize| {
            let field = &header[from..to];
            let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        let octal = |from: usize, to: usize| match text(from, to).trim_matches(' ') {
            "" => Ok(0),
            digits => u64::from_str_radix(digits, 8)
                .map_err(|_| "the archive is damaged: a header holds no number".to_owned()),
        };
        // The checksum counts as spaces in itself.
        let outside = header[..148].iter().chain(&header[156..]).map(|&byte| u64::from(byte));
        if octal(148, 156)? != outside.sum::<u64>() + 8 * u64::from(b' ') {
            return Err("the archive is damaged: a header lacks its checksum".to_owned());
        }
        let prefix =
            if header[257..].starts_with(b"ustar\0") { text(345, 500) } else { String::new() };
        let name = text(0, 100);
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let path = path.trim_start_matches("./").to_owned();
        Ok(Self { path, bytes: octal(124, 136)?, kind: header[156] })
    }
}
