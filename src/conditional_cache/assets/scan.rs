//! The files beneath a folder.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{
    error::{AssetsError, AssetsErrorKind},
    name::{Digest, is_servable_segment},
    stamp::Stamp,
};
use crate::core::trace::event;

/// A file, by the name of the asset that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

/// Every file beneath `root`, in the order of the names.
///
/// The root may be a symbolic link, as the `current` of many deployments is. Beneath it links are left out, so nothing leads out of the
/// root; so are names that begin with a dot and names that no URL can say in only one way.
pub(super) fn walk(root: &Path) -> Result<Vec<Found>, AssetsError> {
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(missing(root)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(root)),
        Err(error) => return Err(AssetsError::unreadable(root, error)),
    }
    let mut found = Vec::new();
    let mut open = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = open.pop() {
        let unreadable = |error| AssetsError::unreadable(&folder, error);
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            // Of the entry itself: a link is not followed.
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Gone since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(AssetsError::unreadable(&path, error)),
            };
            let file_name = entry.file_name();
            let Some(segment) = file_name.to_str().filter(|segment| is_servable_segment(segment)) else { continue };
            let name = [&prefix, segment].concat();
            if metadata.is_dir() {
                open.push((path, name + "/"));
            } else if metadata.is_file() {
                found.push(Found { name, path, stamp: Stamp::of(&metadata) });
            } else {
                event!(DEBUG, "not an asset: neither a file nor a folder", name = name);
            }
        }
    }
    found.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn missing(root: &Path) -> AssetsError {
    AssetsError::new(AssetsErrorKind::RootMissing, root.display().to_string())
}

/// What was read of a file.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) digest: Digest,
    /// The content, if it was to be kept.
    pub(super) content: Option<Bytes>,
    pub(super) stamp: Stamp,
}

/// How often a file that changes meanwhile is read.
const ATTEMPTS: usize = 3;

/// Reads a file whole; keeps its content if it has at most `keep` bytes.
pub(super) fn read(path: &Path, keep: u64) -> Result<Read, AssetsError> {
    for _ in 0..ATTEMPTS {
        if let Some(read) = attempt(path, keep).map_err(|error| AssetsError::unreadable(path, error))? {
            return Ok(read);
        }
    }
    Err(AssetsError::new(AssetsErrorKind::Unsteady, path.display().to_string()))
}

/// `None` if the file changed while it was read.
fn attempt(path: &Path, keep: u64) -> io::Result<Option<Read>> {
    // Of the path itself: it must not have become a link since it was found.
    let stamp = Stamp::of(&fs::symlink_metadata(path)?);
    let mut file = File::open(path)?;
    if !stamp.holds(&file)? {
        return Ok(None);
    }
    let mut kept = (stamp.length <= keep).then(Vec::new);
    let mut hasher = Sha256::new();
    let mut piece = Vec::with_capacity(64 * 1024);
    let mut length = 0;
    loop {
        piece.clear();
        if (&mut file).take(64 * 1024).read_to_end(&mut piece)? == 0 {
            break;
        }
        length += piece.len() as u64;
        if length > stamp.length {
            return Ok(None);
        }
        hasher.update(&piece);
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&piece);
        }
    }
    let steady = length == stamp.length && stamp.holds(&file)?;
    Ok(steady.then(|| Read { digest: hasher.finalize().into(), content: kept.map(Bytes::from), stamp }))
}
