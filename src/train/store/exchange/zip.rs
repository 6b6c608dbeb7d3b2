//! Zip files in memory, as NPZ files need them: entries that are stored or deflated.

use std::error::Error;
use std::io::{Read, Write};

use flate2::read::DeflateDecoder;
use rawzip::time::UtcDateTime;
use rawzip::{
    CompressionMethod, ZipArchive, ZipArchiveWriter, ZipFileHeaderRecord, ZipSliceArchive,
};

/// The first day that the format can name, 1980-01-01, in seconds after 1970: the same content gives
/// the same bytes.
const DATE: i64 = 315_532_800;

/// Name and content of a file in the archive.
pub(super) type Entry = (String, Vec<u8>);

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

/// The entries, or what is wrong with the file. Checksums are checked.
pub(super) fn entries(file: &[u8]) -> Result<Vec<Entry>, Box<dyn Error>> {
    let archive = ZipArchive::from_slice(file)?;
    let mut records = archive.entries();
    let mut found = Vec::new();
    while let Some(record) = records.next_entry()? {
        let name = String::from_utf8_lossy(record.file_path().as_bytes()).into_owned();
        let content = content(&archive, &record).map_err(|error| format!("{name}: {error}"))?;
        found.push((name, content));
    }
    if u64::try_from(found.len()) != Ok(archive.entries_hint()) {
        return Err("it was cut short or damaged".into());
    }
    Ok(found)
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

    #[test]
    fn nothing_is_no_archive() {
        assert!(entries(&[]).is_err());
        assert_eq!(entries(&archive(&[]).expect("empty")).expect("empty"), []);
    }
}
