use http::{HeaderMap, HeaderValue, header};

use super::config::{Deflate, MAX_WINDOW_BITS, MIN_WINDOW_BITS};
use crate::core::header::{Parameter, elements, parameters};

/// What both sides hold to ([RFC 7692 §7.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ws_upgrade) struct Agreement {
    /// Whether our messages may refer to earlier ones.
    pub(super) server_takeover: bool,
    /// Whether the client's may.
    pub(super) client_takeover: bool,
    pub(super) server_bits: u8,
    /// Said only if the client offered to be told.
    client_bits: Option<u8>,
}

/// One offer of the client.
#[derive(Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<Option<u8>>,
}

impl Agreement {
    /// Agrees to the first offer that can be kept; the client has put them in its order of preference
    /// ([RFC 7692 §5.1](https://www.rfc-editor.org/rfc/rfc7692#section-5.1)).
    pub(in crate::ws_upgrade) fn reach(config: &Deflate, headers: &HeaderMap) -> Option<Self> {
        elements(headers, &header::SEC_WEBSOCKET_EXTENSIONS).filter_map(Offer::parse).find_map(|offer| offer.agree(config))
    }

    /// What the client is told of it.
    pub(in crate::ws_upgrade) fn header_value(&self) -> Option<HeaderValue> {
        let mut said = String::from("permessage-deflate");
        if !self.server_takeover {
            said += "; server_no_context_takeover";
        }
        if !self.client_takeover {
            said += "; client_no_context_takeover";
        }
        if self.server_bits < MAX_WINDOW_BITS {
            said += &format!("; server_max_window_bits={}", self.server_bits);
        }
        if let Some(bits) = self.client_bits {
            said += &format!("; client_max_window_bits={bits}");
        }
        said.try_into().ok()
    }
}

impl Offer {
    /// `None` for another extension and for an offer that a server must decline: a parameter that is unknown, given twice, or whose
    /// value is wrong ([RFC 7692 §7](https://www.rfc-editor.org/rfc/rfc7692#section-7)).
    fn parse(element: &[u8]) -> Option<Self> {
        let (name, parameters) = parameters(element);
        if name != b"permessage-deflate" {
            return None;
        }
        let mut offer = Self::default();
        for parameter in parameters {
            let Parameter::Named { name, value } = parameter else { return None };
            let repeated = match (name, value.as_deref()) {
                (b"server_no_context_takeover", None) => std::mem::replace(&mut offer.server_no_context_takeover, true),
                (b"client_no_context_takeover", None) => std::mem::replace(&mut offer.client_no_context_takeover, true),
                (b"server_max_window_bits", Some(value)) => offer.server_max_window_bits.replace(bits(value)?).is_some(),
                (b"client_max_window_bits", None) => offer.client_max_window_bits.replace(None).is_some(),
                (b"client_max_window_bits", Some(value)) => offer.client_max_window_bits.replace(Some(bits(value)?)).is_some(),
                _ => return None,
            };
            if repeated {
                return None;
            }
        }
        Some(offer)
    }

    fn agree(&self, config: &Deflate) -> Option<Agreement> {
        let server_bits = config.server_max_window_bits.min(self.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS));
        if server_bits < MIN_WINDOW_BITS {
            return None;
        }
        let limit = config.client_max_window_bits;
        let client_bits = self.client_max_window_bits.filter(|_| limit < MAX_WINDOW_BITS);
        Some(Agreement {
            server_takeover: config.takeover && !self.server_no_context_takeover,
            client_takeover: config.takeover && !self.client_no_context_takeover,
            server_bits,
            client_bits: client_bits.map(|offered| offered.unwrap_or(MAX_WINDOW_BITS).min(limit)),
        })
    }
}

/// A power of two from 8 to 15, without leading zeros ([RFC 7692 §7.1.2.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.1.2.1)).
fn bits(value: &[u8]) -> Option<u8> {
    match value {
        b"8" => Some(8),
        b"9" => Some(9),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(config: &Deflate, lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, line.parse().unwrap());
        }
        let said = Agreement::reach(config, &headers)?.header_value()?;
        Some(said.to_str().unwrap().to_owned())
    }

    #[test]
    fn offers() {
        let pmd = "permessage-deflate";
        for (row, lines, expected) in [
            ("none", &[][..], None),
            ("another extension", &["x-webkit-deflate-frame"], None),
            ("the plain offer", &[pmd], Some("")),
            ("a browser's", &["permessage-deflate; client_max_window_bits"], Some("")),
            ("behind another", &["foo, permessage-deflate"], Some("")),
            ("in the second line", &["foo", pmd], Some("")),
            ("no context of ours", &["permessage-deflate; server_no_context_takeover"], Some("; server_no_context_takeover")),
            ("no context of theirs", &["permessage-deflate; client_no_context_takeover"], Some("; client_no_context_takeover")),
            ("a small window", &["permessage-deflate; server_max_window_bits=10"], Some("; server_max_window_bits=10")),
            (
                "a small window in quotes",
                &[r#"permessage-deflate; server_max_window_bits="10""#],
                Some("; server_max_window_bits=10"),
            ),
            ("the full window", &["permessage-deflate; server_max_window_bits=15"], Some("")),
            ("a window that we have not", &["permessage-deflate; server_max_window_bits=8"], None),
            ("the second choice", &["permessage-deflate; server_max_window_bits=8, permessage-deflate"], Some("")),
            ("an unknown parameter", &["permessage-deflate; level=9"], None),
            ("twice the same", &["permessage-deflate; server_no_context_takeover; server_no_context_takeover"], None),
            ("a flag with a value", &["permessage-deflate; server_no_context_takeover=true"], None),
            ("a window without a value", &["permessage-deflate; server_max_window_bits"], None),
            ("a window too large", &["permessage-deflate; server_max_window_bits=16"], None),
            ("a window too small", &["permessage-deflate; server_max_window_bits=7"], None),
            ("a leading zero", &["permessage-deflate; server_max_window_bits=09"], None),
            ("their window", &["permessage-deflate; client_max_window_bits=10"], Some("")),
            ("their window wrong", &["permessage-deflate; client_max_window_bits=x"], None),
        ] {
            let expected = expected.map(|parameters| format!("{pmd}{parameters}"));
            assert_eq!(answer(&Deflate::new(), lines), expected, "{row}");
        }
    }

    #[test]
    fn the_configuration_has_its_say() {
        let small = Deflate::new().server_max_window_bits(11).client_max_window_bits(12);
        for (row, config, offer, expected) in [
            ("lean", Deflate::lean(), "", "; server_no_context_takeover; client_no_context_takeover"),
            ("a smaller window of ours", small, "", "; server_max_window_bits=11"),
            ("theirs, not asked", small, "; server_max_window_bits=10", "; server_max_window_bits=10"),
            ("theirs, asked", small, "; client_max_window_bits", "; server_max_window_bits=11; client_max_window_bits=12"),
            ("theirs is smaller", small, "; client_max_window_bits=9", "; server_max_window_bits=11; client_max_window_bits=9"),
        ] {
            let said = answer(&config, &[&format!("permessage-deflate{offer}")]);
            assert_eq!(said, Some(format!("permessage-deflate{expected}")), "{row}");
        }
    }

    proptest! {
        #[test]
        fn what_is_agreed_is_possible(line in "(permessage-deflate|, |; |=|server_max_window_bits|client_max_window_bits|server_no_context_takeover|[0-9]{1,2}|\"){0,16}") {
            let mut headers = HeaderMap::new();
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, line.parse().unwrap());
            if let Some(agreement) = Agreement::reach(&Deflate::new(), &headers) {
                prop_assert!((MIN_WINDOW_BITS..=MAX_WINDOW_BITS).contains(&agreement.server_bits));
                prop_assert!(agreement.header_value().is_some());
            }
        }
    }
}
