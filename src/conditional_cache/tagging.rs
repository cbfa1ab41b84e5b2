//! Which responses get a tag of the layer's making, and how strong.

use http::{HeaderMap, StatusCode, header};

use super::{cache_control::CacheControl, entity_tag::Strength};
use crate::core::header::{Parameter, Quality, elements_of, parameters};

/// Whether and how the layer makes entity tags for responses that have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntityTags {
    /// Strong, unless the client accepts a content coding and the response has none yet: a compressing layer further out would then
    /// send other bytes under the same tag, so the tag is weak and nobody takes the two for equal byte by byte.
    ///
    /// `If-Match` compares strongly, so a client that accepts a coding cannot lock with such a tag: a resource that is written to should
    /// have the handler's own, from its revision.
    #[default]
    Automatic,
    /// Always weak.
    Weak,
    /// None are made. What the handler says of itself is still evaluated.
    Off,
}

/// Whether, how and of how much the layer makes tags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tagger {
    pub(super) setting: EntityTags,
    /// How many bytes may be held back.
    pub(super) limit: usize,
}

impl Default for Tagger {
    fn default() -> Self {
        Self { setting: EntityTags::default(), limit: 256 * 1024 }
    }
}

/// What is to be done about the tag of one response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tagging {
    /// Nothing; the response is sent with the tag that it has, or without.
    Keep,
    /// The content is held back and hashed.
    Generate(Strength),
}

/// How many codings of a line are read: a bound on what a hostile field can cost. One that lists more is taken to accept one of them.
const CODINGS: usize = 32;

/// Whether this line of `Accept-Encoding` takes the content in another coding than as it is
/// ([RFC 9110 §12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)).
#[inline]
pub(super) fn accepts_coding(line: &[u8]) -> bool {
    // So nearly every client begins, and what follows takes nothing back.
    line.starts_with(b"gzip,") || lists_coding(line)
}

fn lists_coding(line: &[u8]) -> bool {
    elements_of(line).enumerate().any(|(index, element)| {
        if index == CODINGS {
            return true;
        }
        let (coding, mut parameters) = parameters(element);
        let refused = parameters.any(|parameter| match parameter {
            Parameter::Named { name, value: Some(value) } => {
                name.eq_ignore_ascii_case(b"q") && Quality::parse(&value) == Some(Quality::NONE)
            }
            Parameter::Named { .. } | Parameter::Malformed(_) => false,
        });
        !refused && !coding.eq_ignore_ascii_case(b"identity")
    })
}

/// Decides by the head of the response.
///
/// A tag is only for a whole representation (200) that may be kept. `no-transform` asks that nothing between the handler and the
/// client touch the response, and a stream of events has no end at which it could be hashed.
pub(super) fn decide(setting: EntityTags, may_be_coded: bool, status: StatusCode, headers: &HeaderMap) -> Tagging {
    if setting == EntityTags::Off || status != StatusCode::OK || headers.contains_key(header::ETAG) || is_endless(headers) {
        return Tagging::Keep;
    }
    if headers.contains_key(header::CACHE_CONTROL) {
        let directives = CacheControl::from_headers(headers);
        if directives.is_no_store() || directives.is_no_transform() {
            return Tagging::Keep;
        }
    }
    let coded_later = may_be_coded && !headers.contains_key(header::CONTENT_ENCODING);
    Tagging::Generate(if setting == EntityTags::Weak || coded_later { Strength::Weak } else { Strength::Strong })
}

fn is_endless(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let (essence, _) = parameters(content_type);
    [&b"text/event-stream"[..], b"multipart/x-mixed-replace"].iter().any(|endless| essence.eq_ignore_ascii_case(endless))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn responses() {
        use Tagging::{Generate, Keep};
        let (strong, weak) = (Generate(Strength::Strong), Generate(Strength::Weak));
        for (name, setting, may_be_coded, status, fields, expected) in [
            ("plain", EntityTags::Automatic, false, 200, &[][..], strong),
            ("perhaps coded further out", EntityTags::Automatic, true, 200, &[], weak),
            ("coded already", EntityTags::Automatic, true, 200, &[("content-encoding", "gzip")], strong),
            ("weak by setting", EntityTags::Weak, false, 200, &[], weak),
            ("off", EntityTags::Off, false, 200, &[], Keep),
            ("the handler's own", EntityTags::Automatic, false, 200, &[("etag", "\"a\"")], Keep),
            ("the handler's own, malformed", EntityTags::Automatic, false, 200, &[("etag", "a")], Keep),
            ("beside the handler's date", EntityTags::Automatic, false, 200, &[("last-modified", "x")], strong),
            ("created", EntityTags::Automatic, false, 201, &[], Keep),
            ("a part", EntityTags::Automatic, false, 206, &[], Keep),
            ("missing", EntityTags::Automatic, false, 404, &[], Keep),
            ("no-store", EntityTags::Automatic, false, 200, &[("cache-control", "private, NO-STORE")], Keep),
            ("no-transform", EntityTags::Automatic, false, 200, &[("cache-control", "no-transform")], Keep),
            ("no-cache", EntityTags::Automatic, false, 200, &[("cache-control", "no-cache")], strong),
            ("events", EntityTags::Automatic, false, 200, &[("content-type", "Text/Event-Stream; charset=utf-8")], Keep),
            (
                "pushed frames",
                EntityTags::Automatic,
                false,
                200,
                &[("content-type", "multipart/x-mixed-replace;boundary=x")],
                Keep,
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(decide(setting, may_be_coded, status, &headers(fields)), expected, "{name}");
        }
    }

    #[test]
    fn accepted_codings() {
        for (value, expected) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("gzip,identity;q=0", true),
            ("gzipped;q=0", false),
            ("gzip;q=0, br", true),
            ("*", true),
            ("identity", false),
            ("Identity;q=1", false),
            ("gzip;q=0", false),
            ("gzip; Q=0.000, identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_coding(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn a_hostile_list_is_not_read_to_its_end() {
        assert!(!accepts_coding("a;q=0,".repeat(CODINGS).as_bytes()));
        assert!(accepts_coding("a;q=0,".repeat(10_000).as_bytes()));
    }
}
