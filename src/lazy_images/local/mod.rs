//! What is known of the image files of a folder.

mod folder;
mod header;
mod orientation;
mod svg;

#[cfg(feature = "lazy-images-colours")]
mod colour;

#[cfg(feature = "lazy-images-colours")]
pub use self::colour::LocalColours;
pub use self::folder::{LocalImages, ScanError, ScanErrorKind};

#[cfg(fuzzing)]
pub(super) use self::header::dimensions;
