//! What is in an archive, within bounds: an archive of some kilobytes may unpack to petabytes.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::said::{plain, size};

/// The largest archive that is fetched: the largest answer that the `Http` port reads.
pub(super) const ARCHIVE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// The largest file that is attached.
const FILE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// All files of an archive together.
const ALL_BYTES_MAX: usize = 20 * 1024 * 1024;
/// More files of an archive are not attached.
const FILES_MAX: usize = 20;
/// An archive with more entries is not looked into.
const ENTRIES_MAX: usize = 5_000;

/// What is in an archive.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub files: Vec<Unzipped>,
    /// What is left out, and why.
    pub left_out: Vec<String>,
}

/// One file.
#[derive(Debug)]
pub(super) struct Unzipped {
    /// Its path, of which only the words are used.
    pub path: String,
    pub content: Vec<u8>,
}

/// Reads every file that there is room for.
pub(super) fn unpack(archive: &[u8]) -> Result<Unpacked, String> {
    let mut archive = ZipArchive::new(Cursor::new(archive))
        .map_err(|_| "it is no ZIP archive that can be read".to_owned())?;
    if archive.len() > ENTRIES_MAX {
        return Err(format!("it has {} files, and {ENTRIES_MAX} at most are looked at", archive.len()));
    }
    let (mut unpacked, mut too_many, mut room) = (Unpacked::default(), 0, ALL_BYTES_MAX);
    for index in 0..archive.len() {
        let is_full = unpacked.files.len() >= FILES_MAX;
        match one(&mut archive, index, room.min(FILE_BYTES_MAX), is_full) {
            Entry::None => {}
            Entry::TooMany => too_many += 1,
            Entry::LeftOut(why) => unpacked.left_out.push(why),
            Entry::File(file) => {
                room -= file.content.len();
                unpacked.files.push(file);
            }
        }
        unpacked.left_out.truncate(FILES_MAX);
    }
    if too_many > 0 {
        unpacked.left_out.push(format!("{too_many} more files are not attached: {FILES_MAX} at most are"));
    }
    Ok(unpacked)
}

enum Entry {
    None,
    TooMany,
    LeftOut(String),
    File(Unzipped),
}

/// The size that an archive states is not believed: no more than `most` bytes are unpacked.
fn one(archive: &mut ZipArchive<Cursor<&[u8]>>, index: usize, most: usize, is_full: bool) -> Entry {
    let mut entry = match archive.by_index(index) {
        Ok(entry) => entry,
        Err(_) => return Entry::LeftOut(format!("file {} of the archive cannot be unpacked", index + 1)),
    };
    let path = entry.name().map(|name| name.into_owned()).unwrap_or_default();
    if entry.is_dir() || entry.is_symlink() {
        return Entry::None;
    }
    if is_full {
        return Entry::TooMany;
    }
    let mut content = Vec::new();
    let read = entry.by_ref().take(most as u64 + 1).read_to_end(&mut content);
    match read {
        Ok(_) if content.len() > most => Entry::LeftOut(format!(
            "{}: not attached: more than {}; it stays with the run",
            plain(&path, 80),
            size(most as u64)
        )),
        Ok(_) => Entry::File(Unzipped { path, content }),
        Err(_) => Entry::LeftOut(format!("{}: not attached: it cannot be unpacked", plain(&path, 80))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in files {
            writer.start_file(*path, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn paths(unpacked: &Unpacked) -> Vec<&str> {
        unpacked.files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn every_file_comes_out_as_it_went_in() {
        let archive = zipped(&[("a/b.xml", b"<x/>"), ("c.json", b"{}")]);
        let unpacked = unpack(&archive).unwrap();
        assert_eq!(paths(&unpacked), ["a/b.xml", "c.json"]);
        assert_eq!(unpacked.files[0].content, b"<x/>");
        assert!(unpacked.left_out.is_empty());
    }

    #[test]
    fn a_bomb_is_left_out_and_what_is_beside_it_is_not() {
        let bomb = vec![0; FILE_BYTES_MAX + 1];
        let archive = zipped(&[("bomb", &bomb), ("small", b"1")]);
        assert!(archive.len() < 100_000, "it looks harmless: {} bytes", archive.len());
        let unpacked = unpack(&archive).unwrap();
        assert_eq!(paths(&unpacked), ["small"]);
        assert_eq!(unpacked.left_out, ["bomb: not attached: more than 10 MiB; it stays with the run"]);
    }

    #[test]
    fn many_large_files_share_one_bound() {
        let large = vec![0; FILE_BYTES_MAX - 1];
        let archive = zipped(&[("a", &large), ("b", &large), ("c", &large), ("d", b"1")]);
        let unpacked = unpack(&archive).unwrap();
        assert_eq!(paths(&unpacked), ["a", "b", "d"]);
        assert_eq!(unpacked.left_out.len(), 1);
    }

    #[test]
    fn of_many_files_some_are_taken_and_the_others_counted() {
        let names: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
        let unpacked = unpack(&zipped(&files)).unwrap();
        assert_eq!(unpacked.files.len(), FILES_MAX);
        assert_eq!(unpacked.left_out, ["30 more files are not attached: 20 at most are"]);
    }

    #[test]
    fn what_is_no_archive_or_is_cut_is_refused() {
        let archive = zipped(&[("a", b"content of some length")]);
        for broken in [&b"<html>"[..], &b""[..], &archive[..archive.len() / 2]] {
            assert!(unpack(broken).is_err(), "{broken:?}");
        }
        // Its directory stands, its content does not.
        let mut spoilt = archive.clone();
        spoilt[35] ^= 0xFF;
        let unpacked = unpack(&spoilt).unwrap();
        assert_eq!((unpacked.files.len(), unpacked.left_out.len()), (0, 1));
    }
}
