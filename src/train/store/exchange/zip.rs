//! As much of the zip format as NPZ files need: entries that are stored or deflated, below 4 GiB.
//! Format: <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>.
//!
//! Own code because the `zip` crate brings six crates and other features of those that wgpu is made
//! of, which then are built again; checksums and inflation are flate2's.

use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Bytes of the records without names, extra fields and comments.
const LOCAL_SIZE: usize = 30;
const CENTRAL_SIZE: usize = 46;
const END_SIZE: usize = 22;
/// Longest comment at the end of a file.
const COMMENT_SIZE: usize = 65_535;
/// The first day that the format can name, 1980-01-01: the same content gives the same bytes.
const DATE: u16 = 0x21;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A zip file of stored entries, or what stands in the way.
pub(in crate::train) fn archive(entries: &[(String, Vec<u8>)]) -> Result<Vec<u8>, String> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    let fits = |n: usize| u32::try_from(n).map_err(|_| "an NPZ file ends at 4 GiB".to_owned());
    for (name, content) in entries {
        let mut crc = Crc::new();
        crc.update(content);
        let (offset, size) = (fits(file.len())?, fits(content.len())?);
        let length = u16::try_from(name.len()).map_err(|_| format!("{name} is too long a name"))?;
        let mut shared = Vec::new();
        // Version 2.0, no flags, stored, time 0:00.
        for word in [20, 0, STORED, 0, DATE] {
            shared.extend(u16::to_le_bytes(word));
        }
        for word in [crc.sum(), size, size] {
            shared.extend(word.to_le_bytes());
        }
        shared.extend(length.to_le_bytes());
        shared.extend([0; 2]);
        file.extend(LOCAL.to_le_bytes());
        file.extend(&shared);
        file.extend(name.as_bytes());
        file.extend(content);
        directory.extend(CENTRAL.to_le_bytes());
        directory.extend(20_u16.to_le_bytes());
        directory.extend(&shared);
        // No comment, first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(entries.len()).map_err(|_| "too many arrays".to_owned())?;
    let (start, size) = (fits(file.len())?, fits(directory.len())?);
    file.extend(directory);
    file.extend(END.to_le_bytes());
    file.extend([0; 4]);
    file.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    file.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    file.extend([0; 2]);
    Ok(file)
}

/// Name and content of each entry, or what is wrong with the file. Checksums are checked.
pub(in crate::train) fn entries(file: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let cut = || "it was cut short or damaged".to_owned();
    let first = file.len().saturating_sub(END_SIZE + COMMENT_SIZE);
    let last = file.len().checked_sub(END_SIZE).ok_or_else(cut)?;
    // The end record is the last one that is there: a comment may follow it.
    let end = (first..=last).rev().find(|&at| long(file, at) == Some(END)).ok_or_else(cut)?;
    let count = short(file, end + 10).ok_or_else(cut)?;
    let mut at = offset(file, end + 16).ok_or_else(cut)?;
    let mut found = Vec::with_capacity(count.into());
    for _ in 0..count {
        if long(file, at) != Some(CENTRAL) {
            return Err(cut());
        }
        let [name, extra, comment] = [28, 30, 32].map(|field| short(file, at + field));
        let name = usize::from(name.ok_or_else(cut)?);
        let after = extra.zip(comment).map(|(a, b)| usize::from(a) + usize::from(b));
        let text = file.get(at + CENTRAL_SIZE..at + CENTRAL_SIZE + name).ok_or_else(cut)?;
        let text = String::from_utf8_lossy(text).into_owned();
        let content = content(file, at).ok_or_else(cut)?;
        let content = content.map_err(|problem| format!("{text}: {problem}"))?;
        found.push((text, content));
        at += CENTRAL_SIZE + name + after.ok_or_else(cut)?;
    }
    Ok(found)
}

/// The content of the entry whose record in the directory is at `at`; none where the file is cut.
fn content(file: &[u8], at: usize) -> Option<Result<Vec<u8>, String>> {
    let (method, crc) = (short(file, at + 10)?, long(file, at + 16)?);
    let (packed, size) = (offset(file, at + 20)?, offset(file, at + 24)?);
    let local = offset(file, at + 42)?;
    if long(file, local)? != LOCAL {
        return None;
    }
    let skipped = [26, 28].map(|field| short(file, local.saturating_add(field)).map(usize::from));
    let start = local + LOCAL_SIZE + skipped[0]? + skipped[1]?;
    let data = file.get(start..start.checked_add(packed)?)?;
    let content = match method {
        STORED => data.to_vec(),
        DEFLATED => {
            let mut content = Vec::new();
            // One byte more than there should be tells a longer content apart.
            let limit = u64::try_from(size).ok()?.saturating_add(1);
            if let Err(error) = DeflateDecoder::new(data).take(limit).read_to_end(&mut content) {
                return Some(Err(error.to_string()));
            }
            content
        }
        _ => return Some(Err(format!("compression method {method} is not supported"))),
    };
    let mut found = Crc::new();
    found.update(&content);
    if content.len() != size || found.sum() != crc {
        return Some(Err("the checksum is wrong: the file is damaged".to_owned()));
    }
    Some(Ok(content))
}

fn short(file: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

fn long(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

fn offset(file: &[u8], at: usize) -> Option<usize> {
    usize::try_from(long(file, at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.savez_compressed` deflates; here Python's `zipfile` has, with a comment at the end.
    #[test]
    fn deflated_entries_are_read() {
        let content = vec![7_u8; 300];
        let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
        std::io::Write::write_all(&mut packed, &content).expect("into memory");
        let packed = packed.finish().expect("into memory");
        let mut file = archive(&[("a".to_owned(), packed.clone())]).expect("small");
        let mut crc = Crc::new();
        crc.update(&content);
        let directory = LOCAL_SIZE + 1 + packed.len();
        file[directory + 10] = 8;
        file[directory + 16..][..4].copy_from_slice(&crc.sum().to_le_bytes());
        file[directory + 24..][..4].copy_from_slice(&300_u32.to_le_bytes());
        file.extend(b"a comment");
        assert_eq!(entries(&file).expect("complete"), [("a".to_owned(), content)]);
        file[directory + 24] -= 1;
        let error = entries(&file).expect_err("another size");
        assert!(error.contains("checksum"), "{error}");
    }

    #[test]
    fn nothing_is_no_archive() {
        assert!(entries(&[]).is_err());
        assert_eq!(entries(&archive(&[]).expect("empty")).expect("empty"), []);
    }
}
