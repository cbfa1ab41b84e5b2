use std::{
    collections::HashMap,
    error::Error,
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use super::header;
use crate::lazy_images::size::{DimensionSource, Dimensions};

/// How much of a file is read for its header: colour profiles and thumbnails may stand before it.
const HEADER: u64 = 256 * 1024;

/// Folders deeper than this are a loop, or a mistake.
const DEEPEST: usize = 32;

const EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "gif", "webp", "avif", "svg"];

/// The dimensions of the image files in a folder, read once and kept.
///
/// [`scan`](Self::scan) reads the header of every PNG, JPEG, GIF, WebP, AVIF and SVG beneath the folder, turned as its EXIF orientation
/// says. While a page streams only that memory is asked: nothing blocks, the first page knows as much as the last, and no path of a page
/// ever reaches the file system. Symbolic links and names that start with a dot are left out.
///
/// ```
/// use donjon::lazy_images::{LazyImagesLayer, LocalImages};
///
/// # let folder = std::env::temp_dir().join("donjon-doc-empty");
/// # std::fs::create_dir_all(&folder)?;
/// let images = LocalImages::new(&folder).mounted_at("/static");
/// images.scan()?;
/// let layer = LazyImagesLayer::new().dimensions(images.clone());
/// // Later, on a thread that may block, when files have changed: images.scan()?;
/// # Ok::<(), donjon::lazy_images::ScanError>(())
/// ```
///
/// # Clone
/// Clones share one memory, so that one of them can [`scan`](Self::scan) again for all.
#[derive(Clone)]
pub struct LocalImages {
    folder: PathBuf,
    mount: String,
    limit: usize,
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    files: HashMap<String, Image>,
    revision: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Image {
    dimensions: Option<Dimensions>,
    length: u64,
    modified: Option<SystemTime>,
}

impl LocalImages {
    /// The files of `folder`, served from `/`; at most 100,000 of them. Nothing is known before the first [`scan`](Self::scan).
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), mount: "/".to_owned(), limit: 100_000, known: Arc::default() }
    }

    /// The path at which the folder is served, such as `/static`. The memory is not shared with what it was made from.
    #[must_use]
    pub fn mounted_at(mut self, path: &str) -> Self {
        self.mount = ["/", path.trim_matches('/'), "/"].concat().replace("//", "/");
        self.known = Arc::default();
        self
    }

    /// How many images there may be; each takes about a hundred bytes.
    #[must_use]
    pub fn limit(mut self, images: usize) -> Self {
        self.limit = images;
        self
    }

    /// Reads the folder anew, and of its files those that have changed. Blocks; in an async context it belongs onto a thread for that,
    /// such as tokio's `spawn_blocking`.
    ///
    /// An image that cannot be read, or that states no size, is known to have none.
    ///
    /// # Errors
    /// If a folder cannot be read, is nested too deep, or holds more images than the limit. What was known stays.
    pub fn scan(&self) -> Result<(), ScanError> {
        let mut files = HashMap::new();
        self.each_file(&mut |key, path, metadata| {
            let (length, modified) = (metadata.len(), metadata.modified().ok());
            let known = self.known(|known| known.files.get(&key).copied());
            let same = known.filter(|known| known.length == length && known.modified == modified && modified.is_some());
            let image = same.unwrap_or_else(|| Image { dimensions: read(path), length, modified });
            files.insert(key, image);
        })?;
        let revision = files.iter().fold(0, |all, (key, image)| all ^ mix(key, image.dimensions));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { files, revision };
        Ok(())
    }

    /// Calls `found` with the key, the path and the metadata of every image.
    pub(super) fn each_file(&self, found: &mut dyn FnMut(String, &Path, &fs::Metadata)) -> Result<(), ScanError> {
        let mut count = 0;
        let mut open = vec![(self.folder.clone(), self.mount.clone(), 0)];
        while let Some((folder, prefix, depth)) = open.pop() {
            if depth > DEEPEST {
                return Err(ScanError { kind: ScanErrorKind::TooDeep, source: None });
            }
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                // What is not UTF-8 no page can name.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let kind = entry.file_type()?;
                if name.starts_with('.') {
                    continue;
                }
                if kind.is_dir() {
                    open.push((entry.path(), [&*prefix, &*name, "/"].concat(), depth + 1));
                } else if kind.is_file() && is_image(&name) {
                    count += 1;
                    if count > self.limit {
                        return Err(ScanError { kind: ScanErrorKind::TooMany, source: None });
                    }
                    found([&*prefix, &*name].concat(), &entry.path(), &entry.metadata()?);
                }
            }
        }
        Ok(())
    }

    fn known<T>(&self, ask: impl FnOnce(&Known) -> T) -> T {
        ask(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DimensionSource for LocalImages {
    fn dimensions(&self, path: &str) -> Option<Dimensions> {
        self.known(|known| known.files.get(path)?.dimensions)
    }

    fn revision(&self) -> u64 {
        self.known(|known| known.revision)
    }
}

impl fmt::Debug for LocalImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known(|known| known.files.len());
        f.debug_struct("LocalImages")
            .field("mount", &self.mount)
            .field("limit", &self.limit)
            .field("known", &known)
            .finish_non_exhaustive()
    }
}

fn is_image(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn read(path: &Path) -> Option<Dimensions> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(HEADER).read_to_end(&mut start).ok()?;
    header::dimensions(&start)
}

/// A number for one file, the same in every process (FNV-1a); XORed over all of them it does not depend on their order.
pub(super) fn mix(key: &str, dimensions: Option<Dimensions>) -> u64 {
    let (width, height) = dimensions.map_or((0, 0), |size| (size.width(), size.height()));
    let bytes = key.bytes().chain(width.to_be_bytes()).chain(height.to_be_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Why a folder of images could not be read.
#[derive(Debug)]
pub struct ScanError {
    kind: ScanErrorKind,
    source: Option<io::Error>,
}

/// What was wrong with a folder of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanErrorKind {
    /// A folder could not be read.
    Unreadable,
    /// It holds more images than [`LocalImages::limit`].
    TooMany,
    /// It is nested deeper than 32 folders.
    TooDeep,
}

impl ScanError {
    /// What was wrong.
    #[must_use]
    pub fn kind(&self) -> ScanErrorKind {
        self.kind
    }
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self { kind: ScanErrorKind::Unreadable, source: Some(error) }
    }
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ScanErrorKind::Unreadable => "a folder of images could not be read",
            ScanErrorKind::TooMany => "a folder holds more images than its limit",
            ScanErrorKind::TooDeep => "a folder of images is nested too deep",
        })
    }
}

impl Error for ScanError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
