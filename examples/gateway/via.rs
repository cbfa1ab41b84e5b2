//! `Via`, RFC 9110 §7.6.3: which way a message came, and whether it has been here before.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Version, header};

/// The pseudonym under which this gateway signs. It is made anew at every start, so that a request which bears it has been here, and
/// two gateways in a row are not taken for one.
#[derive(Clone, Debug)]
pub(crate) struct Pseudonym(Arc<str>);

impl Pseudonym {
    pub(crate) fn new(distinction: u32) -> Self {
        Self(format!("donjon-{distinction:08x}").into())
    }

    /// The name itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Adds us to the way of a message that was received in `version`.
    pub(crate) fn sign(&self, headers: &mut HeaderMap, version: Version) {
        let protocol = match version {
            Version::HTTP_09 => "0.9",
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            Version::HTTP_3 => "3",
            _ => "1.1",
        };
        if let Ok(value) = HeaderValue::try_from(format!("{protocol} {}", self.0)) {
            headers.append(header::VIA, value);
        }
    }

    /// Whether the message comes round again.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        let lines = headers.get_all(header::VIA).into_iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|element| element.split_whitespace().nth(1) == Some(&*self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_grows_at_its_end() {
        let mut headers = HeaderMap::from_iter([(header::VIA, HeaderValue::from_static("1.0 fred, 2 p.example"))]);
        Pseudonym::new(10).sign(&mut headers, Version::HTTP_2);
        assert_eq!(headers.get_all(header::VIA).iter().collect::<Vec<_>>(), ["1.0 fred, 2 p.example", "2 donjon-0000000a"]);
    }

    #[test]
    fn a_loop_is_seen_and_a_namesake_is_not() {
        for (line, looped) in [
            ("1.1 donjon-0000000a", true),
            ("1.1 fred, 1.1  donjon-0000000a (donjon), 1.1 p", true),
            ("1.1 donjon-0000000b", false),
            ("1.1 donjon-0000000a.example", false),
            ("1.1 fred (donjon-0000000a)", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::VIA, HeaderValue::from_static(line))]);
            assert_eq!(Pseudonym::new(10).is_in(&headers), looped, "{line}");
        }
    }
}
