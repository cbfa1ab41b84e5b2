//! Choosing the form of an error, [RFC 9110 §12.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1).

use http::{HeaderMap, HeaderValue, header};

use crate::core::header::{Parameter, Quality, elements_of, parameters};

/// How many media ranges are read: a bound on what a hostile field can cost a request that succeeds.
const RANGES: usize = 32;

/// The forms of a problem, in the order in which they are preferred where the client does not care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Json,
    Html,
    Text,
}

impl Form {
    #[inline]
    pub(super) fn negotiate(headers: &HeaderMap) -> Self {
        if headers.is_empty() {
            return Self::Json;
        }
        Self::read(headers)
    }

    fn read(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(header::ACCEPT).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Self::Json,
            (Some(line), None) => Self::well_known(line.as_bytes()).unwrap_or_else(|| Self::best([line])),
            (Some(first), Some(second)) => Self::best([first, second].into_iter().chain(lines)),
        }
    }

    /// What the common clients send, answered without being read, since it comes with nearly every request.
    fn well_known(line: &[u8]) -> Option<Self> {
        WELL_KNOWN.iter().find(|(known, _)| known.as_bytes() == line).map(|(_, form)| *form)
    }

    fn best<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let [mut json, mut html, mut text] = [Match::NONE; 3];
        for element in lines.into_iter().flat_map(|line| elements_of(line.as_bytes())).take(RANGES) {
            let Some((range, quality)) = media_range(element) else { continue };
            let [for_json, for_html, for_text] = specificities(range);
            json.note(for_json, quality);
            html.note(for_html, quality);
            text.note(for_text, quality);
        }
        [(html, Self::Html), (text, Self::Text)]
            .into_iter()
            .fold((json, Self::Json), |best, other| if other.0.is_better_than(best.0) { other } else { best })
            .1
    }
}

/// Of Chrome, Safari, Edge, Firefox (its older values too, which are still around), axios, curl and the like.
const WELL_KNOWN: [(&str, Form); 9] = [
    ("*/*", Form::Json),
    ("application/json", Form::Json),
    ("application/json, text/plain, */*", Form::Json),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Html),
    (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
         application/signed-exchange;v=b3;q=0.7",
        Form::Html,
    ),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", Form::Html),
    ("text/css,*/*;q=0.1", Form::Json),
    ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", Form::Json),
    ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", Form::Json),
];

/// The most specific range that a form matches. Of equals the greatest quality counts.
#[derive(Clone, Copy)]
struct Match {
    specificity: u8,
    quality: Quality,
}

impl Match {
    const NONE: Self = Self { specificity: 0, quality: Quality::NONE };

    fn note(&mut self, specificity: u8, quality: Quality) {
        let new = (specificity, quality);
        if specificity > 0 && new > (self.specificity, self.quality) {
            *self = Self { specificity, quality };
        }
    }

    /// Of two forms of one quality the one that was named wins over the one that a wildcard let in.
    fn is_better_than(self, other: Self) -> bool {
        let rank = |of: Self| (of.quality, of.specificity.min(NAMED));
        rank(self) > rank(other) && self.quality > Quality::NONE
    }
}

/// The specificity of a range that names a form.
const NAMED: u8 = 3;

/// How closely a media range, in lower or upper case, matches JSON, HTML and text; 0 is not at all.
fn specificities(range: &[u8]) -> [u8; 3] {
    let is = |name: &str| range.eq_ignore_ascii_case(name.as_bytes());
    match range.len() {
        3 if is("*/*") => [1, 1, 1],
        6 if is("text/*") => [0, 2, 2],
        9 if is("text/html") => [0, NAMED, 0],
        10 if is("text/plain") => [0, 0, NAMED],
        13 if is("application/*") => [2, 0, 0],
        // It is what nearly every client of an API names when it means JSON.
        16 if is("application/json") => [NAMED, 0, 0],
        24 if is("application/problem+json") => [NAMED + 1, 0, 0],
        _ => [0, 0, 0],
    }
}

/// A range and its weight. `None` for one that no form of ours can match: it has a parameter that ours have not, or its weight is none.
fn media_range(element: &[u8]) -> Option<(&[u8], Quality)> {
    // Undoing an escape costs an allocation, and no parameter of ours has one.
    if !element.contains(&b';') || element.contains(&b'\\') {
        return (!element.contains(&b'\\')).then_some((element, Quality::FULL));
    }
    let (range, parameters) = parameters(element);
    for parameter in parameters {
        let Parameter::Named { name, value: Some(value) } = parameter else { return None };
        if name.eq_ignore_ascii_case(b"q") {
            // What comes after the weight was an extension that RFC 9110 has dropped.
            return Some((range, Quality::parse(&value)?));
        }
        if !(name.eq_ignore_ascii_case(b"charset") && value.eq_ignore_ascii_case(b"utf-8")) {
            return None;
        }
    }
    Some((range, Quality::FULL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accepting(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::ACCEPT, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn accept() {
        use Form::{Html, Json, Text};
        for (name, lines, expected) in [
            ("absent", &[][..], Json),
            ("empty", &[""], Json),
            ("anything", &["*/*"], Json),
            ("json", &["application/json"], Json),
            ("problem", &["application/problem+json"], Json),
            ("json in utf-8", &["application/json; charset=\"UTF-8\""], Json),
            ("html", &["text/html"], Html),
            ("html, upper case", &["TEXT/HTML;Q=0.5"], Html),
            ("html in utf-8", &["text/html;charset=utf-8"], Html),
            ("text", &["text/plain"], Text),
            ("some text", &["text/*"], Html),
            ("text but not html", &["text/*, text/html;q=0"], Text),
            ("jquery", &["application/json, text/javascript, */*; q=0.01"], Json),
            ("axios", &["application/json, text/plain, */*"], Json),
            ("rails", &["text/html, */*"], Html),
            ("image of a page", &["image/avif,image/webp,*/*;q=0.8"], Json),
            ("weights", &["text/html;q=0.3, text/plain;q=0.7, application/json;q=0.5"], Text),
            ("weights in two lines", &["application/json;q=0.2", "text/html;q=0.9"], Html),
            ("three lines", &["a/b", "c/d", "text/plain"], Text),
            ("equal weights", &["text/html, application/json"], Json),
            ("equal weights of three", &["text/plain, text/html, application/problem+json"], Json),
            ("the specific range counts", &["text/*;q=0.9, text/html;q=0.1, application/json;q=0.5"], Text),
            ("zero excludes", &["*/*, application/json;q=0"], Html),
            ("zero for the problem type", &["application/problem+json;q=0, application/json, text/plain;q=0.1"], Text),
            ("nothing of ours", &["image/png"], Json),
            ("nothing at all", &["*/*;q=0"], Json),
            ("only others of a type", &["text/css, application/xml"], Json),
            ("xhtml alone", &["application/xhtml+xml"], Json),
            ("a level of html", &["text/html;level=1, text/plain;q=0.2"], Text),
            ("a broken weight", &["text/html;q=2, text/plain;q=0.1"], Text),
            ("no weight", &["text/html;q, text/plain;q=0.1"], Text),
            ("a weight in quotes", &[r#"text/html;x=";q=0.9", text/plain;q=0.1"#], Text),
            ("an escape", &[r#"text/html;x="\"", text/plain;q=0.1"#], Text),
            ("an extension", &["text/html;q=0.9;level=1"], Html),
            ("garbage", &[";;;,,==\"", "text/plain"], Text),
        ] {
            assert_eq!(Form::negotiate(&accepting(lines)), expected, "{name}");
        }
    }

    #[test]
    fn what_is_well_known_is_what_reading_it_gives() {
        for (line, form) in WELL_KNOWN {
            assert_eq!(Form::best([&HeaderValue::from_static(line)]), form, "{line}");
        }
    }

    #[test]
    fn only_so_many_ranges_are_read() {
        let many = "image/png,".repeat(RANGES - 1);
        assert_eq!(Form::negotiate(&accepting(&[&format!("{many}text/html")])), Form::Html);
        assert_eq!(Form::negotiate(&accepting(&[&format!("{many}image/png,text/html")])), Form::Json);
    }

    /// What ranges are made of, and what tears them.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let words = [
            "text/html",
            "text/plain",
            "application/json",
            "application/*",
            "text/*",
            "*/*",
            ";",
            ";q=",
            "q",
            "=",
            "0",
            "0.5",
            "1",
            "1.001",
            ",",
            "\"",
            "\\",
            " ",
            "\t",
            "charset=utf-8",
            "/",
            "*",
            "\u{e9}",
        ];
        prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn any_line_chooses_a_form_without_an_allocation(line in line()) {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_bytes(&line).unwrap())]);
            let counted = allocation_counter::measure(|| { Form::negotiate(&headers); });
            prop_assert_eq!(counted.count_total, 0);
        }

        #[test]
        fn the_greatest_weight_wins(weights in prop::sample::subsequence((1..=999_u16).collect::<Vec<_>>(), 3).prop_shuffle()) {
            let names = ["application/json", "text/html", "text/plain"];
            let line: Vec<_> = names.iter().zip(&weights).map(|(name, weight)| format!("{name};q=0.{weight:03}")).collect();
            let winner = (0..3).max_by_key(|at| weights[*at]).unwrap();
            let form = [Form::Json, Form::Html, Form::Text][winner];
            prop_assert_eq!(Form::negotiate(&accepting(&[&line.join(",")])), form);
            prop_assert_eq!(Form::negotiate(&accepting(&line.iter().map(String::as_str).collect::<Vec<_>>())), form);
        }
    }
}
