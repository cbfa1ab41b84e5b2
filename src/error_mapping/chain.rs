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

/// Whether the sources end where they are capped, so that foreign code may walk them to their end.
pub(super) fn ends(error: &(dyn Error + 'static)) -> bool {
    successors(Some(error), |error| (*error).source()).take(DEPTH).count() < DEPTH
}

fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|within| within as _),
        None => error.source(),
    }
}

/// The texts of a chain, outermost first. Many an error shows its source as its own text, which is told once.
pub(super) fn texts(error: &(dyn Error + 'static)) -> impl Iterator<Item = String> {
    let mut last = None;
    chain(error).map(ToString::to_string).filter(move |text| {
        let again = last.as_ref() == Some(text);
        last = Some(text.clone());
        !again
    })
}

/// A chain on one line of a log.
pub(super) struct Chain<'a>(pub(super) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        for text in texts(self.0) {
            line += if line.is_empty() { "" } else { ": " };
            line += &text;
            if line.len() > LOGGED {
                break;
            }
        }
        Scrubbed(&line).fmt(f)
    }
}

/// A foreign text on one line of a log, see [`scrub`].
pub(super) struct Scrubbed<'a>(pub(super) &'a str);

impl fmt::Display for Scrubbed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&scrub(self.0))
    }
}

/// The text without what must not be logged. Controls are escaped, what is too long is cut, and in each word goes
///
/// - what stands between the first `:` and the last `@`, a URL's user information. The `/` in a password ends an authority by the standard
///   ([RFC 3986 §3.2](https://www.rfc-editor.org/rfc/rfc3986#section-3.2)), but not for who wrote it there; and one word may hold two URLs,
///   so what is harmless between them goes with the rest;
/// - what follows a `?` or a `#`, a URL's query and fragment, where keys and tokens travel;
/// - what begins as every JSON Web Token does.
pub(super) fn scrub(text: &str) -> String {
    let mut out = String::new();
    let end = text.char_indices().nth(LOGGED).map_or(text.len(), |(at, _)| at);
    let (text, cut) = text.split_at(end);
    for word in text.split_inclusive(char::is_whitespace) {
        let (word, space) = word.split_at(word.trim_end().len());
        // The `@` of a word that is cut may be in the part that is gone.
        let is_cut = !cut.is_empty() && space.is_empty();
        scrub_word(&mut out, word, is_cut);
        escape_controls(&mut out, space);
    }
    if !cut.is_empty() {
        out.push('…');
    }
    out
}

fn scrub_word(out: &mut String, word: &str, is_cut: bool) {
    let Some((scheme, rest)) = word.split_once(':').filter(|(scheme, _)| !scheme.contains(QUERY)) else {
        return scrub_query(out, word);
    };
    let (secret, rest) = match rest.rsplit_once('@') {
        _ if is_cut => (rest, None),
        Some((secret, rest)) => (secret, Some(rest)),
        None => return scrub_query(out, word),
    };
    scrub_tokens(out, scheme);
    out.push_str(if secret.starts_with("//") { "://" } else { ":" });
    match rest {
        // The `@` was not that of an authority, or the `?` is one of a password.
        Some(_) if secret.contains(QUERY) => out.push('…'),
        Some(rest) => {
            out.push_str("…@");
            scrub_query(out, rest);
        }
        None => {}
    }
}

const QUERY: [char; 2] = ['?', '#'];

fn scrub_query(out: &mut String, text: &str) {
    let (text, query) = text.split_at(text.find(QUERY).unwrap_or(text.len()));
    scrub_tokens(out, text);
    let mut query = query.chars();
    out.extend(query.next());
    if query.next().is_some() {
        out.push('…');
    }
}

/// How every JSON object begins in base64: a JSON Web Token, sealed or signed
/// ([RFC 7515 §3.1](https://www.rfc-editor.org/rfc/rfc7515#section-3.1)), and many a session.
const TOKEN: &str = "eyJ";

fn scrub_tokens(out: &mut String, mut text: &str) {
    while let Some((before, token)) = text.split_once(TOKEN) {
        escape_controls(out, before);
        out.push('…');
        text = token.trim_start_matches(is_of_token);
    }
    escape_controls(out, text);
}

/// Whether it may stand in a token: both alphabets of base64 and the dot between the parts.
fn is_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '+' | '/' | '=' | '.')
}

fn escape_controls(out: &mut String, text: &str) {
    for character in text.chars() {
        if is_obeyed(character) { out.extend(character.escape_default()) } else { out.push(character) }
    }
}

/// What a terminal or a reader of logs does not show but follows: controls, Unicode's own line ends, and what turns the order of the text around
/// it ([UAX 9 §2](https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters)).
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scrubbing() {
        for (name, text, expected) in [
            ("plain", "no such file: a.txt", "no such file: a.txt"),
            ("question", "what now?", "what now?"),
            ("query", "error for url (https://a.example/x?key=1&b=2): refused", "error for url (https://a.example/x?… refused"),
            ("relative", "GET /x?token=1 failed", "GET /x?… failed"),
            ("fragment", "GET https://h/cb#access_token=hunter2 failed", "GET https://h/cb#… failed"),
            ("user information", "postgres://me:secret@db:5432/x down", "postgres://…@db:5432/x down"),
            ("a slash in it", "connect postgres://app:p/hunter2@db:5432/x failed", "connect postgres://…@db:5432/x failed"),
            ("an at in it", "a://me:s@cret@db/x", "a://…@db/x"),
            ("a question in it", "a://me:hun?ter2@db/x", "a://…"),
            ("a comma and a quote in it", "a://me:h,u\"nter2@db", "a://…@db"),
            ("a name alone", "https://t0ken@git.example/x", "https://…@git.example/x"),
            ("no scheme", "root:hunter2@tcp(db)", "root:…@tcp(db)"),
            ("an address", "mail to me@example.com: refused", "mail to me@example.com: refused"),
            ("an at in the query", "https://h/x?mail=me@hunter2", "https://…"),
            ("an at in a relative query", "/x?u=a:b@hunter2", "/x?…"),
            ("two in a word", "url=http://a/x,proxy=http://root:hunter2@db/", "url=http://…@db/"),
            ("two with an arrow", "redirect(https://a/b)->https://u:hunter2@c/d", "redirect(https://…@c/d"),
            ("a token", "bad token eyJhbGciOiJIUzI1NiJ9.e30.hunter2, sorry", "bad token …, sorry"),
            ("a sealed token", "t=eyJh.b.c.d.e;", "t=…;"),
            ("two tokens", "eyJh.e30.a|eyJh.e30.b", "…|…"),
            ("a token in a path", "https://h/eyJh.e30.hunter2", "https://h/…"),
            ("control", "a\r\nb\u{1b}[2J", "a\\r\\nb\\u{1b}[2J"),
            ("a line end of Unicode's", "a\u{2028}b", "a\\u{2028}b"),
            ("text turned around", "a\u{202e}b", "a\\u{202e}b"),
            ("control in a host", "a://\u{1}b", "a://\\u{1}b"),
            ("control before a token", "\u{1}eyJx", "\\u{1}…"),
        ] {
            assert_eq!(scrub(text), expected, "{name}");
            assert_eq!(scrub(expected), expected, "{name}: again");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(scrub(&"é".repeat(LOGGED + 1)), "é".repeat(LOGGED) + "…");
    }

    #[test]
    fn the_cut_uncovers_nothing() {
        for secret in ["http://root:hunter2@db/", "https://h/?hunter2", "eyJh.hunter2.x"] {
            for before in LOGGED - secret.len()..LOGGED {
                let text = scrub(&format!("{} {secret}", "x".repeat(before)));
                assert!(!text.contains("hun") && !text.contains("root"), "{text}");
            }
        }
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
        fn no_secret_and_no_control_is_left(
            before in any::<String>(),
            [a, b, c] in prop::array::uniform3("\\S{0,20}"),
            secret in "[A-Z]{12}",
        ) {
            for text in [
                format!("{before} http://user:{secret}@host/?key={secret}"),
                format!("{before} http://host/{a}#{b}{secret}{c}"),
                format!("{before} {a}://{b}{secret}{c}@host"),
                format!("{before} {a}://b/{b},c=d://e:{secret}@host/{c}"),
                format!("{before} {a}eyJ{secret}.{secret}.{secret}{c}"),
            ] {
                let scrubbed = scrub(&text);
                prop_assert!(!scrubbed.contains(&secret), "{scrubbed}");
                prop_assert!(!scrubbed.contains(char::is_control), "{scrubbed}");
            }
        }

        #[test]
        fn any_text_stays_within_bounds(text in any::<String>()) {
            // A control is written in at most eight characters, `\u{2028}` and its like.
            prop_assert!(scrub(&text).chars().count() <= 8 * text.chars().count() + 1);
        }
    }
}
