use std::panic::catch_unwind;

use super::{orientation, svg};
use crate::lazy_images::size::Dimensions;

/// The dimensions of an image as a browser shows it, from the start of its file.
pub(in crate::lazy_images) fn dimensions(start: &[u8]) -> Option<Dimensions> {
    if !is_raster(start) {
        return svg::dimensions(start);
    }
    // The files of a folder may have been uploaded by anybody; a panic of the parser is a file without dimensions.
    let size = catch_unwind(|| imagesize::blob_size(start)).ok()?.ok()?;
    let size = Dimensions::new(u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?)?;
    Some(if orientation::is_turned(start) { size.turned() } else { size })
}

/// PNG, JPEG, GIF, WebP and AVIF, by their first bytes.
fn is_raster(start: &[u8]) -> bool {
    matches!(
        start,
        [0x89, b'P', b'N', b'G', ..]
            | [0xff, 0xd8, ..]
            | [b'G', b'I', b'F', b'8', ..]
            | [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..]
            | [_, _, _, _, b'f', b't', b'y', b'p', ..]
    )
}
