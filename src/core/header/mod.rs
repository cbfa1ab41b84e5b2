//! The grammar that header fields share, [RFC 9110 §5.6](https://www.rfc-editor.org/rfc/rfc9110#section-5.6).
//!
//! Everything takes bytes, since a field value need not be UTF-8, and never fails on what a hostile peer may send: what is malformed is
//! skipped or reported, each function says which.

mod bare_item;
mod list;
mod parameter;
mod quality;
mod quoted;
mod representation;
mod single;
#[cfg(test)]
pub(crate) mod structured_field_tests;
mod token;
mod vary;

pub(crate) use self::{
    bare_item::bare_item,
    list::{contains_token, elements, elements_of, trim_ows},
    parameter::{Parameter, parameter, parameters},
    quality::Quality,
    quoted::quote,
    representation::{remove_content, remove_representation},
    single::only,
    token::is_token,
    vary::add_vary,
};

#[cfg(any(test, fuzzing))]
pub(crate) use self::quoted::unquote;

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
