//! Content codings, [RFC 9110 §8.4.1](https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1), and which of them a client accepts.

use http::{HeaderMap, header};

use crate::core::header::{Parameter, Quality, elements, parameters};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Brotli,
}

impl Coding {
    /// Best last.
    pub(super) const ALL: [Self; 2] = [Self::Gzip, Self::Brotli];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }

    /// What a build tool adds to the name of a file that it compresses.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Brotli => ".br",
        }
    }
}

/// How a representation is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Identity,
    Coded(Coding),
    /// There is no representation that the client accepts.
    None,
}

/// Chooses among what is there ([RFC 9110 §12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)).
///
/// The greatest quality wins; of equals br, which is smaller than gzip, which is smaller than nothing. A client without the field is sent
/// no coding: it may accept one, but those that leave the field out often understand none. An element that is malformed is skipped.
pub(super) fn choose(headers: &HeaderMap, available: impl Fn(Coding) -> bool) -> Choice {
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return Choice::Identity;
    }
    let mut accepted = Accepted::default();
    for element in elements(headers, &header::ACCEPT_ENCODING) {
        accepted.note(element);
    }
    let mut best = Choice::None;
    let mut greatest = Quality::NONE;
    // Not being named does not exclude what is not coded, but anything that is named comes before it.
    match accepted.identity.or(accepted.any) {
        Some(quality) if quality > Quality::NONE => (best, greatest) = (Choice::Identity, quality),
        None => best = Choice::Identity,
        Some(_) => {}
    }
    for coding in Coding::ALL.into_iter().filter(|coding| available(*coding)) {
        let quality = accepted.of(coding).or(accepted.any).unwrap_or(Quality::NONE);
        if quality > Quality::NONE && quality >= greatest {
            (best, greatest) = (Choice::Coded(coding), quality);
        }
    }
    best
}

#[derive(Default)]
struct Accepted {
    identity: Option<Quality>,
    gzip: Option<Quality>,
    brotli: Option<Quality>,
    any: Option<Quality>,
}

impl Accepted {
    fn note(&mut self, element: &[u8]) {
        let (coding, parameters) = parameters(element);
        let mut quality = Quality::FULL;
        for parameter in parameters {
            match parameter {
                Parameter::Named { name, value: Some(value) } if name.eq_ignore_ascii_case(b"q") => {
                    let Some(read) = Quality::parse(&value) else { return };
                    quality = read;
                }
                Parameter::Named { .. } | Parameter::Malformed(_) => {}
            }
        }
        let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
        let slot = if is(b"br") {
            &mut self.brotli
        } else if is(b"gzip") || is(b"x-gzip") {
            &mut self.gzip
        } else if is(b"identity") {
            &mut self.identity
        } else if is(b"*") {
            &mut self.any
        } else {
            return;
        };
        *slot = Some(quality);
    }

    fn of(&self, coding: Coding) -> Option<Quality> {
        match coding {
            Coding::Gzip => self.gzip,
            Coding::Brotli => self.brotli,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const BOTH: &[Coding] = &Coding::ALL;
    const GZIP: &[Coding] = &[Coding::Gzip];

    fn chosen(lines: &[&[u8]], available: &[Coding]) -> Choice {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_bytes(line).unwrap());
        }
        choose(&headers, |coding| available.contains(&coding))
    }

    #[test]
    fn negotiation() {
        use Choice::{Coded, Identity, None};
        let (gzip, br) = (Coded(Coding::Gzip), Coded(Coding::Brotli));
        for (name, lines, available, expected) in [
            ("no field", &[][..], BOTH, Identity),
            ("an empty field", &[""], BOTH, Identity),
            ("a browser", &["gzip, deflate, br, zstd"], BOTH, br),
            ("a browser, without br", &["gzip, deflate, br, zstd"], GZIP, gzip),
            ("nothing is coded", &["gzip, br"], &[], Identity),
            ("over two lines", &["gzip;q=0.5", "br"], BOTH, br),
            ("gzip preferred", &["br;q=0.5, gzip;q=0.9"], BOTH, gzip),
            ("case", &["GZIP"], BOTH, gzip),
            ("the old name", &["x-gzip"], BOTH, gzip),
            ("refused", &["gzip;q=0"], BOTH, Identity),
            ("refused with three digits", &["br;q=0.000, gzip;q=0.001"], BOTH, gzip),
            ("identity preferred", &["identity, gzip;q=0.5"], BOTH, Identity),
            ("identity as good", &["identity, gzip"], BOTH, gzip),
            ("a lesser one is named, identity is not", &["gzip;q=0.1"], BOTH, gzip),
            ("any", &["*"], BOTH, br),
            ("any but one", &["*, br;q=0"], BOTH, gzip),
            ("any less than one", &["*;q=0.2, gzip;q=0.3"], BOTH, gzip),
            ("identity refused", &["identity;q=0, gzip"], BOTH, gzip),
            ("identity refused and nothing else there", &["identity;q=0, zstd"], BOTH, None),
            ("all refused", &["*;q=0"], BOTH, None),
            ("all but identity refused", &["*;q=0, identity"], BOTH, Identity),
            ("a malformed quality is skipped", &["br;q=2, gzip"], BOTH, gzip),
            ("another parameter means nothing", &["br;level=9"], BOTH, br),
            ("unknown", &["zstd"], BOTH, Identity),
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(chosen(&lines, available), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_field_is_read_without_a_panic(line in prop::collection::vec(32_u8..127, 0..100)) {
            let choice = chosen(&[&line], GZIP);
            prop_assert_ne!(choice, Choice::Coded(Coding::Brotli));
        }
    }
}
