use std::{borrow::Cow, collections::BTreeSet, collections::HashMap, fmt, fmt::Write as _, fs::File, io::BufReader, path::Path};

use image::{ImageReader, Limits, imageops::FilterType};

use super::folder::{LocalImages, ScanError, mix};
use crate::lazy_images::placeholder::PlaceholderClasses;

/// The longest side of an image that is decoded, and the memory that decoding one may take.
const LONGEST: u32 = 12_000;
const MEMORY: u64 = 256 * 1024 * 1024;

/// A placeholder in the dominant colour of each image in a folder: `lazy-8a5` for what is mostly `#8a5`.
///
/// The colours are found by decoding the PNG, JPEG, GIF and WebP files once, when the folder is read. An image that is transparent somewhere
/// has none, since the colour would show through. The classes are in [`stylesheet`](Self::stylesheet), which the app serves and the
/// page links like any other.
///
/// ```
/// use donjon::lazy_images::{LazyImagesLayer, LocalColours, LocalImages};
///
/// # let folder = std::env::temp_dir().join("donjon-doc-empty");
/// # std::fs::create_dir_all(&folder)?;
/// let images = LocalImages::new(&folder).mounted_at("/static");
/// let colours = LocalColours::scan(&images)?;
/// let stylesheet: String = colours.stylesheet();
/// let layer = LazyImagesLayer::new().dimensions(images).placeholders(colours);
/// # Ok::<(), donjon::lazy_images::ScanError>(())
/// ```
#[derive(Clone)]
pub struct LocalColours {
    classes: HashMap<String, String>,
    revision: u64,
}

impl LocalColours {
    /// Decodes the images of a folder. Blocks, and takes some milliseconds for each of them.
    ///
    /// # Errors
    /// As [`LocalImages::scan`]. An image that cannot be decoded has no colour.
    pub fn scan(images: &LocalImages) -> Result<Self, ScanError> {
        let mut classes = HashMap::new();
        images.each_file(&mut |key, path, _| {
            if let Some([red, green, blue]) = dominant(path) {
                classes.insert(key, format!("lazy-{:x}{:x}{:x}", red >> 4, green >> 4, blue >> 4));
            }
        })?;
        let revision = classes.iter().fold(0, |all, (key, class)| all ^ mix(&[key, "\0", class].concat(), None));
        Ok(Self { classes, revision })
    }

    /// The rules for all classes in use, of which there are at most 4096.
    #[must_use]
    pub fn stylesheet(&self) -> String {
        let mut css = String::new();
        for class in self.classes.values().collect::<BTreeSet<_>>() {
            // Writing to a string cannot fail.
            let _ = writeln!(css, ".{class}{{background-color:#{}}}", class.trim_start_matches("lazy-"));
        }
        css
    }
}

impl PlaceholderClasses for LocalColours {
    fn class(&self, path: &str) -> Option<Cow<'_, str>> {
        self.classes.get(path).map(|class| Cow::Borrowed(&**class))
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl fmt::Debug for LocalColours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalColours").field("known", &self.classes.len()).finish_non_exhaustive()
    }
}

/// The mean of the most frequent kind of pixel, where a kind is three bits of each channel.
fn dominant(path: &Path) -> Option<[u8; 3]> {
    let mut reader = ImageReader::new(BufReader::new(File::open(path).ok()?)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST);
    limits.max_image_height = Some(LONGEST);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let small = reader.decode().ok()?.resize(64, 64, FilterType::Triangle).into_rgba8();
    let mut kinds: HashMap<[u8; 3], (u32, [u32; 3])> = HashMap::new();
    for pixel in small.pixels() {
        let [red, green, blue, alpha] = pixel.0;
        if alpha < 0xff {
            return None;
        }
        let (count, sums) = kinds.entry([red >> 5, green >> 5, blue >> 5]).or_default();
        *count += 1;
        for (sum, channel) in sums.iter_mut().zip([red, green, blue]) {
            *sum += u32::from(channel);
        }
    }
    // Of two kinds that are as frequent the darker one, so that the same file always has the same colour.
    let (_, (count, sums)) = kinds.into_iter().max_by_key(|(kind, (count, _))| (*count, std::cmp::Reverse(*kind)))?;
    Some(sums.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)))
}
