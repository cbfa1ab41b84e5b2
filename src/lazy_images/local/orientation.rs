//! The orientation that a camera wrote beside the pixels: browsers turn the image by it, so width and height may have to change places.

/// Whether an EXIF block says that the image lies on its side (orientations 5 to 8;
/// [EXIF 2.32](https://www.cipa.jp/std/documents/e/DC-008-Translation-2019-E.pdf) §4.6.4). What is malformed says nothing.
fn lies_on_its_side(tiff: &[u8]) -> bool {
    orientation(tiff).is_some_and(|orientation| (5..=8).contains(&orientation))
}

fn orientation(tiff: &[u8]) -> Option<u16> {
    let big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let directory = usize::try_from(u32_at(4)?).ok()?;
    let entries = usize::from(u16_at(directory)?);
    (0..entries).map_while(|entry| directory.checked_add(2 + 12 * entry)).find_map(|entry| {
        // Tag 0x0112 of type SHORT, once.
        (u16_at(entry)? == 0x0112 && u16_at(entry + 2)? == 3).then(|| u16_at(entry + 8))?
    })
}

/// Whether a file is shown on its side: the EXIF block of a JPEG, a PNG or a WebP.
pub(super) fn is_turned(file: &[u8]) -> bool {
    let tiff = match file {
        [0xff, 0xd8, segments @ ..] => exif_of_jpeg(segments),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', chunks @ ..] => chunk(chunks, b"eXIf", Chunks::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', chunks @ ..] => chunk(chunks, b"EXIF", Chunks::Riff),
        _ => None,
    };
    tiff.is_some_and(lies_on_its_side)
}

fn exif_of_jpeg(mut segments: &[u8]) -> Option<&[u8]> {
    loop {
        let [0xff, marker, rest @ ..] = segments else { return None };
        // Start of scan: pixels from here on.
        if *marker == 0xda {
            return None;
        }
        let [high, low, ..] = rest else { return None };
        let (segment, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        if *marker == 0xe1
            && let Some(tiff) = segment.get(2..).and_then(|data| data.strip_prefix(b"Exif\0\0"))
        {
            return Some(tiff);
        }
        segments = after;
    }
}

#[derive(Clone, Copy)]
enum Chunks {
    /// Length, name, data, checksum ([PNG §5.3](https://www.w3.org/TR/png-3/#5Chunk-layout)).
    Png,
    /// Name, length, data, padded to an even length ([WebP](https://developers.google.com/speed/webp/docs/riff_container#riff_file_format)).
    Riff,
}

fn chunk<'a>(mut chunks: &'a [u8], name: &[u8; 4], kind: Chunks) -> Option<&'a [u8]> {
    loop {
        let (head, rest) = chunks.split_first_chunk::<8>()?;
        let [a, b, c, d, e, f, g, h] = *head;
        let (found, length) = match kind {
            Chunks::Png => ([e, f, g, h], u32::from_be_bytes([a, b, c, d])),
            Chunks::Riff => ([a, b, c, d], u32::from_le_bytes([e, f, g, h])),
        };
        let length = usize::try_from(length).ok()?;
        if found == *name {
            return rest.get(..length);
        }
        let behind = match kind {
            Chunks::Png => 4,
            Chunks::Riff => length % 2,
        };
        chunks = rest.get(length.checked_add(behind)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tiff(big: bool, orientation: u8) -> Vec<u8> {
        match big {
            true => {
                [b"MM\0*\0\0\0\x08\0\x02\x01\0\0\x03\0\0\0\x01\0\x09\0\0\x01\x12\0\x03\0\0\0\x01\0", &[orientation][..], b"\0\0"]
                    .concat()
            }
            false => [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[orientation][..], b"\0\0\0"].concat(),
        }
    }

    fn jpeg(tiff: &[u8]) -> Vec<u8> {
        let length = u16::try_from(tiff.len() + 8).unwrap().to_be_bytes();
        [b"\xff\xd8\xff\xe0\0\x04JF\xff\xe1", &length[..], b"Exif\0\0", tiff, b"\xff\xda\0\x02"].concat()
    }

    #[test]
    fn orientations() {
        for (orientation, turned) in [(0, false), (1, false), (4, false), (5, true), (6, true), (8, true), (9, false)] {
            for big in [true, false] {
                let tiff = tiff(big, orientation);
                assert_eq!(is_turned(&jpeg(&tiff)), turned, "JPEG {orientation}");
                let length = u32::try_from(tiff.len()).unwrap();
                let png =
                    [b"\x89PNG\r\n\x1a\n\0\0\0\0IHDR\0\0\0\0", &length.to_be_bytes()[..], b"eXIf", &tiff, b"\0\0\0\0"].concat();
                assert_eq!(is_turned(&png), turned, "PNG {orientation}");
                let webp = [b"RIFF\0\0\0\0WEBPVP8X\x01\0\0\0x\0EXIF", &length.to_le_bytes()[..], &tiff].concat();
                assert_eq!(is_turned(&webp), turned, "WebP {orientation}");
            }
        }
    }

    #[test]
    fn what_is_cut_short_says_nothing() {
        let whole = jpeg(&tiff(true, 6));
        assert!(is_turned(&whole));
        for length in 0..30 {
            assert!(!is_turned(&whole[..length]), "{length}");
        }
        assert!(!is_turned(b"GIF89a"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..20) {
            let _ = (is_turned(&bytes), orientation(&bytes));
            let valid = jpeg(&tiff(false, 6));
            bytes.splice(0..0, valid.into_iter().take(at + 12));
            let _ = is_turned(&bytes);
        }
    }
}
