//! Walking an error's sources, and telling them to the log.

use std::{error::Error, fmt, io, iter::successors};

/// How many errors of a chain are looked at. Real chains have fewer than ten; a cycle has no end.
const DEPTH: usize = 64;

/// How many characters of a chain or a panic are logged.
const LOGGED: usize = 2_000;

/// The error and its sources, outermost first.
///
/// An `io::Error` leads to the error within, which its `source` leaves out.
pub(super) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error| beneath(*error)).take(DEPTH)
}

fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|within| within as _),
        None => error.source(),
    }
}

/// A chain on one line of a log.
pub(super) struct Chain<'a>(pub(super) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut texts, mut last) = (String::new(), String::new());
        for error in chain(self.0) {
            let text = error.to_string();
            // Many an error shows its source as its own text.
            if text != last {
                texts += if texts.is_empty() { "" } else { ": " };
                texts += &text;
            }
            if texts.len() > LOGGED {
                break;
            }
            last = text;
        }
        Scrubbed(&texts).fmt(f)
    }
}

/// A foreign text on one line of a log, see [`scrub`].
pub(super) struct Scrubbed<'a>(pub(super) &'a str);

impl fmt::Display for Scrubbed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&scrub(self.0))
    }
}

/// The text without what must not be logged: in each word what follows a `?` (a URL's query, where keys and tokens travel) and what
/// stands between `://` and `@` (its user information). Controls are escaped, and what is too long is cut.
pub(super) fn scrub(text: &str) -> String {
    let mut out = String::new();
    let end = text.char_indices().nth(LOGGED).map_or(text.len(), |(at, _)| at);
    let (text, cut) = text.split_at(end);
    for word in text.split_inclusive(char::is_whitespace) {
        let (word, space) = word.split_at(word.trim_end().len());
        scrub_word(&mut out, word);
        escape_controls(&mut out, space);
    }
    if !cut.is_empty() {
        out.push('…');
    }
    out
}

fn scrub_word(out: &mut String, word: &str) {
    let (word, query) = word.split_once('?').map_or((word, None), |(word, query)| (word, Some(query)));
    match word.split_once("://") {
        Some((scheme, rest)) => {
            let authority_end = rest.find('/').unwrap_or(rest.len());
            let host = rest.get(..authority_end).and_then(|authority| authority.rfind('@')).map_or(0, |at| at + 1);
            escape_controls(out, scheme);
            out.push_str("://");
            escape_controls(out, rest.get(host..).unwrap_or_default());
        }
        None => escape_controls(out, word),
    }
    match query {
        Some("") => out.push('?'),
        Some(_) => out.push_str("?…"),
        None => {}
    }
}

fn escape_controls(out: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() { out.extend(character.escape_default()) } else { out.push(character) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scrubbing() {
        for (name, text, expected) in [
            ("plain", "no such file", "no such file"),
            ("question", "what now?", "what now?"),
            ("query", "error for url (https://a.example/x?key=1&b=2): refused", "error for url (https://a.example/x?… refused"),
            ("relative", "GET /x?token=1 failed", "GET /x?… failed"),
            ("user information", "postgres://me:secret@db:5432/x down", "postgres://db:5432/x down"),
            ("user information with an at", "a://me:s@cret@db/x@y", "a://db/x@y"),
            ("control", "a\r\nb\u{1b}[2J", "a\\r\\nb\\u{1b}[2J"),
            ("control in a host", "a://\u{1}b", "a://\\u{1}b"),
        ] {
            assert_eq!(scrub(text), expected, "{name}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(scrub(&"é".repeat(LOGGED + 1)), "é".repeat(LOGGED) + "…");
    }

    #[test]
    fn a_chain_is_one_line_and_repeats_nothing() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let inner = crate::error_mapping::UpstreamError::new("beneath");
        assert_eq!(Chain(&Outer(io::Error::other(inner))).to_string(), "an upstream failed: beneath");
    }

    #[test]
    fn a_cycle_ends() {
        #[derive(Debug)]
        struct Cycle;
        impl fmt::Display for Cycle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("again")
            }
        }
        impl Error for Cycle {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(self)
            }
        }
        assert_eq!(chain(&Cycle).count(), DEPTH);
        assert_eq!(Chain(&Cycle).to_string(), "again");
    }

    proptest! {
        #[test]
        fn no_query_and_no_control_is_left(before in any::<String>(), secret in "[A-Z]{12}") {
            let text = scrub(&format!("{before} http://user:{secret}@host/?key={secret}"));
            prop_assert!(!text.contains(&secret));
            prop_assert!(!text.contains(char::is_control));
        }
    }
}
