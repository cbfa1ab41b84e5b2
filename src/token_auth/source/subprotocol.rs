//! A token among the subprotocols of an opening handshake.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::candidates::{Candidates, FoundAt};
use crate::core::header::{contains_token, elements, is_token};

/// A `CONNECT` with subprotocols is an extended one: a plain one opens a tunnel, which has none.
pub(super) fn is_opening_handshake(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::CONNECT || contains_token(headers, &header::UPGRADE, "websocket")
}

const MARKER: &[u8] = b"bearer";

pub(super) fn find<'a>(headers: &'a HeaderMap, seen: &mut Candidates<'a>) {
    for element in marked(elements(headers, &header::SEC_WEBSOCKET_PROTOCOL)) {
        if let Some(token) = element.token {
            seen.add(token, FoundAt::Subprotocol);
        }
    }
}

struct Element<'a> {
    whole: &'a [u8],
    /// The token that it is, or carries.
    token: Option<&'a [u8]>,
}

/// Tells the elements that carry tokens from those that name subprotocols.
fn marked<'a>(elements: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Element<'a>> {
    let mut after_marker = false;
    elements.map(move |whole| {
        let carried = whole.strip_prefix(MARKER).and_then(|rest| rest.strip_prefix(b"."));
        let token = if std::mem::take(&mut after_marker) { Some(whole) } else { carried };
        after_marker = token.is_none() && whole == MARKER;
        Element { whole, token }
    })
}

/// Takes the token out of the subprotocols that the service will see. What is no subprotocol goes, too. Where there is no token, all stays.
pub(super) fn strip_subprotocol(headers: &mut HeaderMap) {
    let name = HeaderName::from_static("sec-websocket-protocol");
    if !marked(elements(headers, &name)).any(|element| element.token.is_some()) {
        return;
    }
    let mut rest = Vec::new();
    for element in marked(elements(headers, &name)) {
        if element.token.is_none() && is_token(element.whole) {
            if !rest.is_empty() {
                rest.extend_from_slice(b", ");
            }
            rest.extend_from_slice(element.whole);
        }
    }
    headers.remove(&name);
    if !rest.is_empty()
        && let Ok(rest) = HeaderValue::from_bytes(&rest)
    {
        // There is room: a field was taken out just now.
        let _ = headers.try_insert(name, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_stripped_header_carries_a_token(line in "(bearer|chat|bearer[.]|[a-z.]{1,4}|[ ,=\"]){0,12}") {
            let mut headers = HeaderMap::from_iter([(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(&line).unwrap())]);
            let mut carried = Vec::new();
            for element in marked(elements(&headers, &header::SEC_WEBSOCKET_PROTOCOL)) {
                carried.extend(element.token.map(<[u8]>::to_vec));
            }
            let before = elements(&headers, &header::SEC_WEBSOCKET_PROTOCOL).count();
            strip_subprotocol(&mut headers);
            let after = elements(&headers, &header::SEC_WEBSOCKET_PROTOCOL).count();
            prop_assert!(after + carried.len() <= before);
            prop_assert!(!elements(&headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|element| element.starts_with(b"bearer.")));
        }
    }
}
