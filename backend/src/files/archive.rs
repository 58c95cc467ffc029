//! Several pictures as one ZIP file, written piece by piece: nothing is packed (PNG is packed already), and never more
//! than one picture is held.
//!
//! Plain ZIP without its 64-bit extension: the caller keeps the archive under 4 GiB and 65,535 files.

/// More does not fit into a plain ZIP.
const MOST_BYTES: u64 = u32::MAX as u64 - (1 << 20);
/// 1980-01-01, the first date of ZIP: the studio does not say when a picture was fetched.
const DATE: u16 = 0x0021;

/// An archive would become too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an archive holds at most 4 GiB\nhint: choose fewer pictures")]
pub struct ArchiveError;

/// A ZIP file in the making.
#[derive(Debug, Default)]
pub struct Archive {
    offset: u64,
    files: u16,
    directory: Vec<u8>,
}

impl Archive {
    /// The header of a file, to be sent right before its bytes.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let size = u32::try_from(bytes.len()).map_err(|_| ArchiveError)?;
        let next = self.offset + 30 + name.len() as u64 + u64::from(size);
        let name_length = u16::try_from(name.len()).map_err(|_| ArchiveError)?;
        if next + self.directory.len() as u64 > MOST_BYTES || self.files == u16::MAX {
            return Err(ArchiveError);
        }
        // Version to read it, names in UTF-8, not packed, time, date, check sum, size twice, length of name, nothing extra.
        let mut shared = Vec::with_capacity(26);
        for value in [20, 0x0800, 0, 0, DATE] {
            shared.extend(u16::to_le_bytes(value));
        }
        shared.extend(crc32fast::hash(bytes).to_le_bytes());
        shared.extend(size.to_le_bytes());
        shared.extend(size.to_le_bytes());
        shared.extend(name_length.to_le_bytes());
        shared.extend([0, 0]);

        let mut header = b"PK\x03\x04".to_vec();
        header.extend(&shared);
        header.extend(name.as_bytes());

        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(&shared);
        // No comment, first disk, no attributes, and where the file begins.
        self.directory.extend([0; 10]);
        self.directory.extend((self.offset as u32).to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.offset = next;
        self.files += 1;
        Ok(header)
    }

    /// The end of the archive: its list of files.
    pub fn finish(self) -> Vec<u8> {
        let size = self.directory.len() as u32;
        let mut end = self.directory;
        end.extend(b"PK\x05\x06\x00\x00\x00\x00");
        end.extend(self.files.to_le_bytes());
        end.extend(self.files.to_le_bytes());
        end.extend(size.to_le_bytes());
        end.extend((self.offset as u32).to_le_bytes());
        end.extend([0, 0]);
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_lists_its_files_and_where_they_begin() {
        let mut archive = Archive::default();
        let mut file = archive.add("a.png", b"abc").unwrap();
        file.extend(b"abc");
        file.extend(archive.add("б.png", b"").unwrap());
        file.extend(archive.finish());
        assert_eq!(&file[..4], b"PK\x03\x04");
        assert_eq!(&file[14..26], [0xc2, 0x41, 0x24, 0x35, 3, 0, 0, 0, 3, 0, 0, 0]);
        let end = &file[file.len() - 22..];
        assert_eq!((&end[..4], end[8], end[10]), (b"PK\x05\x06".as_slice(), 2, 2));
        let start = u32::from_le_bytes(end[16..20].try_into().unwrap()) as usize;
        assert_eq!(&file[start..start + 4], b"PK\x01\x02");
    }

    #[test]
    fn more_than_a_plain_archive_holds_is_refused() {
        let mut archive = Archive { offset: MOST_BYTES - 10, ..Archive::default() };
        assert_eq!(archive.add("a.png", b"abc"), Err(ArchiveError));
    }
}
