//! `multipart/byteranges`, [RFC 9110 §14.6](https://www.rfc-editor.org/rfc/rfc9110#section-14.6).

use std::{
    hash::{BuildHasher as _, RandomState},
    ops::Range,
};

use bytes::Bytes;
use http::HeaderValue;

use super::cut::Segment;

/// Several parts as the content of one response.
pub(in crate::conditional_cache) struct Multipart {
    pub(in crate::conditional_cache) content_type: HeaderValue,
    pub(in crate::conditional_cache) segments: Vec<Segment>,
    /// All of it, with what stands between the parts.
    pub(in crate::conditional_cache) length: u64,
}

impl Multipart {
    /// `content_type` and `whole`, the length, are those of the representation.
    pub(in crate::conditional_cache) fn new(
        parts: &[Range<u64>],
        whole: u64,
        content_type: Option<&HeaderValue>,
    ) -> Option<Self> {
        let boundary = boundary();
        let content_type = content_type.map_or(&b""[..], HeaderValue::as_bytes);
        let mut segments = Vec::with_capacity(parts.len() * 2 + 1);
        let mut line_end = &b""[..];
        for part in parts {
            let mut head = Vec::with_capacity(160 + content_type.len());
            head.extend_from_slice(line_end);
            head.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            if !content_type.is_empty() {
                head.extend_from_slice(b"Content-Type: ");
                head.extend_from_slice(content_type);
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(format!("Content-Range: {}\r\n\r\n", content_range(part, whole)).as_bytes());
            segments.extend([Segment::Own(Bytes::from(head)), Segment::Content(part.clone())]);
            line_end = b"\r\n";
        }
        segments.push(Segment::Own(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
        let length = segments.iter().try_fold(0_u64, |length, segment| length.checked_add(segment.length()))?;
        let content_type = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")).ok()?;
        Some(Self { content_type, segments, length })
    }
}

/// The value of `Content-Range` ([RFC 9110 §14.4](https://www.rfc-editor.org/rfc/rfc9110#section-14.4)); `part` is not empty.
pub(in crate::conditional_cache) fn content_range(part: &Range<u64>, whole: u64) -> String {
    format!("bytes {}-{}/{whole}", part.start, part.end.saturating_sub(1))
}

/// 128 bits that nobody can tell beforehand, so that no content can be written which holds them
/// ([RFC 2046 §5.1.1](https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1)): each half is SipHash under keys of its own.
fn boundary() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(0_u8), RandomState::new().hash_one(1_u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts() {
        let typed = HeaderValue::from_static("text/plain");
        let multipart = Multipart::new(&[0..1, 999..1000], 1000, Some(&typed)).unwrap();
        let boundary = multipart.content_type.to_str().unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
        assert_eq!(boundary.len(), 32);
        let text: String = multipart.segments.iter().map(shown).collect();
        assert_eq!(
            text,
            format!(
                "--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/1000\r\n\r\n[0..1]\
                 \r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 999-999/1000\r\n\r\n[999..1000]\
                 \r\n--{boundary}--\r\n"
            )
        );
        assert_eq!(multipart.length, (text.len() - "[0..1]".len() - "[999..1000]".len() + 2) as u64);
    }

    fn shown(segment: &Segment) -> String {
        match segment {
            Segment::Own(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Segment::Content(range) => format!("[{range:?}]"),
        }
    }

    #[test]
    fn no_two_boundaries_are_alike() {
        let boundaries: std::collections::HashSet<_> = (0..1000).map(|_| boundary()).collect();
        assert_eq!(boundaries.len(), 1000);
    }
}
