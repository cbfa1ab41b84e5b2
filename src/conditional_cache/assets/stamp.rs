use std::{
    fs::{File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::Path,
    time::SystemTime,
};

use bytes::Bytes;

/// By what a file is known to be the one that was scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
    /// Device and inode: another file under the same path is another file, whatever its time says.
    #[cfg(unix)]
    identity: (u64, u64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            identity: (metadata.dev(), metadata.ino()),
        }
    }

    /// Whether the open file is still the one, unchanged.
    pub(super) fn holds(&self, file: &File) -> io::Result<bool> {
        Ok(Self::of(&file.metadata()?) == *self)
    }
}

/// A scanned file that is open, read piece by piece on threads that may block.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    stamp: Stamp,
    left: u64,
}

/// How much is read at once.
const PIECE: u64 = 64 * 1024;

impl OpenFile {
    /// Opens the file to read a part or all of it; `None` if it is no longer the one that was scanned, or gone.
    pub(super) fn open(path: &Path, stamp: Stamp, part: Option<Range<u64>>) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !stamp.holds(&file)? {
            return Ok(None);
        }
        let part = part.unwrap_or(0..stamp.length);
        if part.start > 0 {
            file.seek(SeekFrom::Start(part.start))?;
        }
        Ok(Some(Self { file, stamp, left: part.end.saturating_sub(part.start) }))
    }

    /// What is still to be read.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next piece, empty at the end.
    ///
    /// The last one is given only if the file is still the same: whoever has a part of the old and a part of the new content must not
    /// take it for whole, and keep it for a year.
    pub(super) fn read(&mut self) -> io::Result<Bytes> {
        let length = self.left.min(PIECE);
        let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        (&mut self.file).take(length).read_to_end(&mut piece)?;
        self.left -= length;
        let short = (piece.len() as u64) < length;
        if short || (self.left == 0 && !self.stamp.holds(&self.file)?) {
            return Err(io::Error::other("the file has changed since it was scanned"));
        }
        Ok(piece.into())
    }
}
