//! The grammar that header fields share, [RFC 9110 §5.6](https://www.rfc-editor.org/rfc/rfc9110#section-5.6).
//!
//! Everything takes bytes, since a field value need not be UTF-8, and never fails on what a hostile peer may send: what is malformed is
//! skipped or reported, each function says which.

mod list;
mod parameter;
mod quality;
mod quoted;
mod vary;

pub(crate) use self::{
    list::{contains_token, elements, elements_of, trim_ows},
    parameter::{Parameter, parameter, parameters},
    quality::Quality,
    quoted::{quote, unquote},
    vary::add_vary,
};

/// `tchar`, the characters of a token ([RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)).
pub(crate) const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Whether `bytes` is a token: one or more `tchar`.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_tchar)
}

/// Entry points for `fuzz/`.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::{elements_of, parameters, quote, unquote};

    /// Lists, parameters and quoted strings of any bytes.
    pub fn header(data: &[u8]) {
        for element in elements_of(data) {
            assert!(!element.is_empty() && element.len() <= data.len());
            let (head, parameters) = parameters(element);
            assert!(head.len() <= element.len() && parameters.count() <= element.len());
        }
        if let Some(content) = unquote(data) {
            assert!(content.len() + 2 <= data.len());
        }
        if let Ok(text) = std::str::from_utf8(data) {
            assert!(http::HeaderValue::from_str(&quote(text)).is_ok());
        }
    }
}
