//! Choosing a subprotocol, [RFC 6455 §1.9](https://www.rfc-editor.org/rfc/rfc6455#section-1.9) and
//! [§4.2.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2).

use http::{HeaderMap, HeaderValue, header};

use crate::core::header::{elements, is_token};

/// Whose order decides when client and server have several subprotocols in common.
///
/// The standard lets the server choose as it likes; the client lists its own "ordered by preference".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubprotocolPreference {
    /// The first of the server's list that the client offers.
    #[default]
    Server,
    /// The first that the client offers of those that the server has.
    Client,
}

/// The subprotocols that a server speaks, most preferred first.
#[derive(Clone, Debug, Default)]
pub(super) struct Subprotocols {
    pub(super) preference: SubprotocolPreference,
    names: Box<[HeaderValue]>,
}

/// An offer of which an element is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MalformedOffer;

impl Subprotocols {
    /// Fails with the first name that is no token.
    pub(super) fn new(names: Vec<String>, preference: SubprotocolPreference) -> Result<Self, String> {
        let mut values = Vec::with_capacity(names.len());
        for name in names {
            match HeaderValue::from_str(&name) {
                Ok(value) if is_token(name.as_bytes()) => values.push(value),
                _ => return Err(name),
            }
        }
        Ok(Self { preference, names: values.into() })
    }

    /// The subprotocol to speak, if there is one in common.
    ///
    /// The answer is always one of the server's own names, never a copy of what the client sent, so that a token which travels in
    /// the offer cannot come back. Names are compared by case ([§4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1));
    /// several lines are one list; an offer with an element that is no token is malformed as a whole, even where the server
    /// speaks none.
    pub(super) fn choose(&self, headers: &HeaderMap) -> Result<Option<&HeaderValue>, MalformedOffer> {
        let offer = || elements(headers, &header::SEC_WEBSOCKET_PROTOCOL);
        if !offer().all(is_token) {
            return Err(MalformedOffer);
        }
        Ok(match self.preference {
            SubprotocolPreference::Server => self.names.iter().find(|name| offer().any(|offered| offered == name.as_bytes())),
            SubprotocolPreference::Client => {
                offer().find_map(|offered| self.names.iter().find(|name| name.as_bytes() == offered))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn speaks(names: &[&str], preference: SubprotocolPreference) -> Subprotocols {
        Subprotocols::new(names.iter().map(ToString::to_string).collect(), preference).unwrap()
    }

    fn offer(lines: &[&str]) -> HeaderMap {
        lines.iter().fold(HeaderMap::new(), |mut headers, line| {
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(line).unwrap());
            headers
        })
    }

    #[test]
    fn choices() {
        use SubprotocolPreference::{Client, Server};
        for (row, preference, names, lines, expected) in [
            ("nothing offered", Server, &["chat"][..], &[][..], Ok(None)),
            ("nothing spoken", Server, &[], &["chat"], Ok(None)),
            ("nothing in common", Server, &["chat"], &["soap, wamp"], Ok(None)),
            ("one in common", Server, &["chat"], &["soap, chat"], Ok(Some("chat"))),
            ("the server's order", Server, &["v2", "v1"], &["v1, v2"], Ok(Some("v2"))),
            ("the client's order", Client, &["v2", "v1"], &["v1, v2"], Ok(Some("v1"))),
            ("the client's order over lines", Client, &["v2", "v1"], &["x", "v1", "v2"], Ok(Some("v1"))),
            ("several lines", Server, &["chat"], &["soap", "chat"], Ok(Some("chat"))),
            ("by case", Server, &["chat"], &["Chat"], Ok(None)),
            ("whole", Server, &["chat"], &["chat2, cha"], Ok(None)),
            ("a token beside it", Server, &["chat"], &["bearer.eyJh.eyJz.c2ln, chat"], Ok(Some("chat"))),
            ("twice", Server, &["chat"], &["chat, chat"], Ok(Some("chat"))),
            ("empty elements", Server, &["chat"], &[", chat,"], Ok(Some("chat"))),
            ("a space inside", Server, &["chat"], &["chat, a b"], Err(MalformedOffer)),
            ("quotes", Server, &["chat"], &["\"chat\""], Err(MalformedOffer)),
            ("a separator", Server, &["chat"], &["chat, a=b"], Err(MalformedOffer)),
            ("malformed where none is spoken", Server, &[], &["a/b"], Err(MalformedOffer)),
        ] {
            let names = speaks(names, preference);
            let chosen = names.choose(&offer(lines));
            assert_eq!(chosen.map(|name| name.map(|name| name.to_str().unwrap())), expected, "{row}");
        }
    }

    #[test]
    fn only_tokens_can_be_spoken() {
        for (row, name) in
            [("empty", ""), ("a space", "a b"), ("a comma", "a,b"), ("a line end", "a\r\nb"), ("beyond ASCII", "é")]
        {
            assert_eq!(Subprotocols::new(vec![name.to_owned()], SubprotocolPreference::Server).unwrap_err(), name, "{row}");
        }
    }

    proptest! {
        #[test]
        fn the_answer_is_one_that_both_named(
            names in prop::collection::vec("[a-c]{1,2}", 0..5), offered in prop::collection::vec("[a-c]{1,2}", 0..5), client in any::<bool>(),
        ) {
            let preference = if client { SubprotocolPreference::Client } else { SubprotocolPreference::Server };
            let spoken = Subprotocols::new(names.clone(), preference).unwrap();
            let headers = offer(&[&offered.join(", ")]);
            let chosen = spoken.choose(&headers).unwrap().map(|name| name.to_str().unwrap().to_owned());
            let (first, second) = if client { (&offered, &names) } else { (&names, &offered) };
            prop_assert_eq!(chosen.as_ref(), first.iter().find(|name| second.contains(name)));
        }

        #[test]
        fn any_offer_is_answered_from_the_list(line in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let spoken = speaks(&["chat"], SubprotocolPreference::Client);
                let headers = HeaderMap::from_iter([(header::SEC_WEBSOCKET_PROTOCOL, value)]);
                prop_assert!(spoken.choose(&headers).map_or(true, |name| name.is_none_or(|name| name == "chat")));
            }
        }
    }
}
