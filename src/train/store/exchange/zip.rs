//! Zip files in memory, as NPZ files need them: entries that are stored or deflated.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Read, Write};

use flate2::read::DeflateDecoder;
use rawzip::time::UtcDateTime;
use rawzip::{
    CompressionMethod, ZipArchive, ZipArchiveWriter, ZipFileHeaderRecord, ZipSliceArchive,
};

use crate::input::most_unpacked;
use crate::train::store::formats::ZIP;

/// The first day that the format can name, 1980-01-01, in seconds after 1970: the same content gives
/// the same bytes.
const DATE: i64 = 315_532_800;

/// Name and content of a file in the archive.
pub(super) type Entry = (String, Vec<u8>);

/// Whether a file is a zip file that has an entry with this part of a name, by its directory, which lies at its
/// end.
pub(super) fn is_zip_with(file: &[u8], name: &[u8]) -> bool {
    let end = &file[file.len().saturating_sub(1 << 20)..];
    file.starts_with(ZIP) && end.windows(name.len()).any(|part| part == name)
}

/// A zip file of stored entries.
pub(super) fn archive(entries: &[Entry]) -> Result<Vec<u8>, rawzip::Error> {
    let mut archive = ZipArchiveWriter::new(Vec::new());
    for (name, content) in entries {
        let (mut entry, config) =
            archive.new_file(name).last_modified(UtcDateTime::from_unix(DATE)).start()?;
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content)?;
        let (_, descriptor) = writer.finish()?;
        entry.finish(descriptor)?;
    }
    archive.finish()
}

/// The entries, or what is wrong with the file. Checksums are checked. No two entries have a name or
/// bytes in common, and all together unpack to no more than the file's size allows: a small file
/// takes no large memory.
pub(super) fn entries(file: &[u8]) -> Result<Vec<Entry>, Box<dyn Error>> {
    let archive = ZipArchive::from_slice(file)?;
    check_apart(&archive)?;
    let most = most_unpacked(u64::try_from(file.len())?);
    let mut left = most;
    let mut records = archive.entries();
    let mut found = Vec::new();
    while let Some(record) = records.next_entry()? {
        let name = name_of(&record);
        left = left.checked_sub(record.uncompressed_size_hint()).ok_or_else(|| {
            format!(
                "{name}: with it, the {} bytes of the file unpack to more than {most} bytes; \
                 numpy.savez, which does not compress, writes a file that can be read",
                file.len()
            )
        })?;
        let content = content(&archive, &record).map_err(|error| format!("{name}: {error}"))?;
        found.push((name, content));
    }
    if u64::try_from(found.len()) != Ok(archive.entries_hint()) {
        return Err("it was cut short or damaged".into());
    }
    Ok(found)
}

/// Checks that no two entries have a name or bytes in common.
fn check_apart(archive: &ZipSliceArchive<&[u8]>) -> Result<(), Box<dyn Error>> {
    let (mut names, mut ranges) = (BTreeSet::new(), Vec::new());
    let mut records = archive.entries();
    while let Some(record) = records.next_entry()? {
        let name = name_of(&record);
        let entry = archive.get_entry(record.wayfinder());
        let (start, end) =
            entry.map_err(|error| format!("{name}: {error}"))?.compressed_data_range();
        if !names.insert(name.clone()) {
            return Err(format!("{name} is there twice: expected each name once").into());
        }
        // From its header on, so that entries without data count, too.
        ranges.push((record.local_header_offset(), end.max(start), name));
    }
    ranges.sort_unstable();
    let shared = ranges.iter().zip(ranges.iter().skip(1)).find(|(one, next)| next.0 < one.1);
    match shared {
        Some((one, next)) => Err(format!(
            "{} and {} share bytes: expected each entry to have its own; the file is damaged, or \
             made to unpack without end",
            one.2, next.2
        )
        .into()),
        None => Ok(()),
    }
}

fn name_of(record: &ZipFileHeaderRecord<'_>) -> String {
    String::from_utf8_lossy(record.file_path().as_bytes()).into_owned()
}

fn content(
    archive: &ZipSliceArchive<&[u8]>,
    record: &ZipFileHeaderRecord<'_>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let entry = archive.get_entry(record.wayfinder())?;
    let data: Box<dyn Read + '_> = match record.compression_method() {
        CompressionMethod::STORE => Box::new(entry.data()),
        CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(entry.data())),
        method => return Err(format!("{method:?} is not supported").into()),
    };
    // One byte more than there should be tells a longer content apart.
    let limit = record.uncompressed_size_hint().saturating_add(1);
    let mut content = Vec::new();
    entry.verifying_reader(data.take(limit)).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `numpy.savez_compressed` makes them; here with a comment at the end.
    fn deflated(name: &str, content: &[u8]) -> Vec<u8> {
        let mut archive = ZipArchiveWriter::new(Vec::new());
        archive.set_comment("a comment");
        let (mut entry, config) = archive
            .new_file(name)
            .compression_method(CompressionMethod::DEFLATE)
            .start()
            .expect("into memory");
        let encoder = flate2::write::DeflateEncoder::new(&mut entry, Default::default());
        let mut writer = config.wrap(encoder);
        writer.write_all(content).expect("into memory");
        let (encoder, descriptor) = writer.finish().expect("into memory");
        encoder.finish().expect("into memory");
        entry.finish(descriptor).expect("into memory");
        archive.finish().expect("into memory")
    }

    #[test]
    fn deflated_entries_are_read() {
        let content = vec![7_u8; 300];
        let mut file = deflated("a", &content);
        assert_eq!(entries(&file).expect("complete"), [("a".to_owned(), content)]);
        // The record in the directory: checksum at byte 16, size at byte 24.
        let record = file.windows(4).rposition(|four| four == [0x50, 0x4b, 1, 2]).expect("one");
        for (at, part) in [(16, "checksum"), (24, "size")] {
            file[record + at] ^= 1;
            let error = entries(&file).expect_err("damaged").to_string();
            assert!(error.starts_with("a: ") && error.contains(part), "{error}");
            file[record + at] ^= 1;
        }
        // A bomb does not go off: no more is inflated than the directory says.
        file[record + 24] -= 1;
        assert!(entries(&file).is_err());
    }

    /// 300 MB of zeros in 300 KB.
    #[test]
    fn a_bomb_is_refused_before_it_unpacks() {
        let file = deflated("zeros", &vec![0; 300 << 20]);
        assert!(file.len() < 1 << 20, "{}", file.len());
        let error = entries(&file).expect_err("a bomb").to_string();
        assert!(error.contains("zeros: with it") && error.contains("268435456"), "{error}");
    }

    #[test]
    fn entries_share_neither_names_nor_bytes() {
        let entry = |name: &str| (name.to_owned(), vec![1, 2, 3]);
        let file = archive(&[entry("a"), entry("a")]).expect("into memory");
        let error = entries(&file).expect_err("one name").to_string();
        assert!(error.contains("a is there twice"), "{error}");

        let mut file = archive(&[entry("a"), entry("b")]).expect("into memory");
        assert_eq!(entries(&file).expect("two names").len(), 2);
        // The second record of the directory is pointed to where the first entry lies (byte 42).
        let record = file.windows(4).rposition(|four| four == [0x50, 0x4b, 1, 2]).expect("two");
        file[record + 42..record + 46].fill(0);
        let error = entries(&file).expect_err("one place").to_string();
        assert!(error.contains("share bytes"), "{error}");
    }

    #[test]
    fn nothing_is_no_archive() {
        assert!(entries(&[]).is_err());
        assert_eq!(entries(&archive(&[]).expect("empty")).expect("empty"), []);
    }
}
