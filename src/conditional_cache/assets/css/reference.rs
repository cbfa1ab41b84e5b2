//! The URLs of a stylesheet that are fetched relative to it.

use std::ops::Range;

use super::{
    escape::unescape,
    token::{Token, Tokens},
};

/// A URL, and the token that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Reference {
    pub(in super::super) range: Range<usize>,
    pub(in super::super) url: String,
    pub(in super::super) form: Form,
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Form {
    /// As a string, quotes included.
    Quoted,
    /// As `url(...)` without quotes.
    Unquoted,
}

/// Every `url(...)`, `src("...")`, `@import "..."` and string of `image-set(...)`, in order.
///
/// Not those that are no address of this stylesheet's: the names in `@namespace`, the patterns of `@document`, and the values of custom
/// properties, which may be resolved against the stylesheet that uses them.
pub(in super::super) fn references(css: &str) -> Vec<Reference> {
    let mut reader = Reader { css, found: Vec::new(), open: Vec::new(), counts: [0; 3], statement: Statement::Start };
    for (token, range) in Tokens::of(css) {
        reader.read(token, range);
    }
    reader.found
}

struct Reader<'a> {
    css: &'a str,
    found: Vec<Reference>,
    open: Vec<Bracket>,
    /// How many of `open` are round, square and curly: what closes nothing is not looked for, or many would be looked for through all.
    counts: [usize; 3],
    statement: Statement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    /// `url(` or `src(`: its first string is a URL.
    Address,
    /// `image-set(`: its strings are URLs.
    Images,
    Other(u8),
}

/// Which bracket closes which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Round,
    Square,
    Curly,
}

impl Shape {
    fn of(bracket: u8) -> Self {
        match bracket {
            b'{' | b'}' => Self::Curly,
            b'[' | b']' => Self::Square,
            _ => Self::Round,
        }
    }
}

impl Bracket {
    fn shape(self) -> Shape {
        match self {
            Self::Address | Self::Images => Shape::Round,
            Self::Other(bracket) => Shape::of(bracket),
        }
    }
}

/// What was read of a rule or declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statement {
    Start,
    /// After `@import`.
    Import,
    /// After the name of what may be a custom property.
    Dashed,
    /// In the value of a custom property, at this depth of brackets.
    Value(usize),
    /// Before the block of a rule whose URLs are no addresses, at this depth.
    Prelude(usize),
    Inside,
}

impl Reader<'_> {
    fn read(&mut self, token: Token, range: Range<usize>) {
        if token == Token::Space {
            return;
        }
        let before = std::mem::replace(&mut self.statement, Statement::Inside);
        if let Statement::Value(depth) | Statement::Prelude(depth) = before {
            let ends = self.open.len() == depth
                && match token {
                    Token::Semicolon | Token::Close(b'}') => true,
                    Token::Open(b'{') => matches!(before, Statement::Prelude(_)),
                    _ => false,
                };
            self.structure(&token);
            self.statement = if ends { Statement::Start } else { before };
            return;
        }
        match token {
            Token::At(name) => self.statement = self.at_rule(name),
            Token::Ident if before == Statement::Start && self.text(range.clone()).starts_with("--") => {
                self.statement = Statement::Dashed
            }
            Token::Colon if before == Statement::Dashed => self.statement = Statement::Value(self.open.len()),
            Token::String(inner) => self.string(before, range, inner),
            Token::Url(inner) => self.add(range, inner, Form::Unquoted),
            token => self.structure(&token),
        }
    }

    /// Keeps count of the brackets.
    fn structure(&mut self, token: &Token) {
        match token {
            Token::Function(name) => {
                let bracket = self.function(name.clone());
                self.open(bracket);
            }
            Token::Open(bracket) => {
                self.open(Bracket::Other(*bracket));
                self.start_if(*bracket == b'{');
            }
            Token::Close(bracket) => {
                self.close(*bracket);
                self.start_if(*bracket == b'}');
            }
            Token::Semicolon => self.start_if(true),
            _ => {}
        }
    }

    fn start_if(&mut self, starts: bool) {
        if starts {
            self.statement = Statement::Start;
        }
    }

    /// A bracket that closes none of those that are open is stray; one that closes an outer one ends those within, for what follows is
    /// judged with more caution in fewer brackets.
    fn close(&mut self, bracket: u8) {
        let shape = Shape::of(bracket);
        if self.counts.get(shape as usize).is_none_or(|count| *count == 0) {
            return;
        }
        while let Some(open) = self.open.pop() {
            self.count(open.shape(), |count| count.saturating_sub(1));
            if open.shape() == shape {
                return;
            }
        }
    }

    fn open(&mut self, bracket: Bracket) {
        self.count(bracket.shape(), |count| count + 1);
        self.open.push(bracket);
    }

    fn count(&mut self, shape: Shape, change: impl FnOnce(usize) -> usize) {
        if let Some(count) = self.counts.get_mut(shape as usize) {
            *count = change(*count);
        }
    }

    fn at_rule(&self, name: Range<usize>) -> Statement {
        let name = unescape(self.text(name));
        if name.eq_ignore_ascii_case("import") {
            Statement::Import
        } else if ["namespace", "document", "-moz-document"].iter().any(|opaque| name.eq_ignore_ascii_case(opaque)) {
            Statement::Prelude(self.open.len())
        } else {
            Statement::Inside
        }
    }

    fn function(&self, name: Range<usize>) -> Bracket {
        let name = unescape(self.text(name));
        let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
        if is(&["url", "src"]) {
            Bracket::Address
        } else if is(&["image-set", "-webkit-image-set"]) {
            Bracket::Images
        } else {
            Bracket::Other(b'(')
        }
    }

    fn string(&mut self, before: Statement, range: Range<usize>, inner: Range<usize>) {
        match self.open.last_mut() {
            Some(open @ Bracket::Address) => *open = Bracket::Other(b'('),
            Some(Bracket::Images) => {}
            _ if before == Statement::Import => {}
            _ => return,
        }
        self.add(range, inner, Form::Quoted);
    }

    fn add(&mut self, range: Range<usize>, inner: Range<usize>, form: Form) {
        let url = unescape(self.text(inner));
        self.found.push(Reference { range, url, form });
    }

    fn text(&self, range: Range<usize>) -> &str {
        self.css.get(range).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cssparser::{Parser, ParserInput};
    use proptest::prelude::*;

    fn urls(css: &str) -> Vec<String> {
        references(css).into_iter().map(|reference| reference.url).collect()
    }

    #[test]
    fn what_is_a_url() {
        for (name, css, expected) in [
            ("unquoted", "a{b:url(x.png)}", &["x.png"][..]),
            ("spaces around", "a{b:url( \n x.png\t)}", &["x.png"]),
            ("double quotes", r#"a{b:url("x y.png")}"#, &["x y.png"]),
            ("single quotes and space", "a{b:url( 'x.png' )}", &["x.png"]),
            ("capitals", "a{b:URL(x.png)}", &["x.png"]),
            ("an escaped name", r"a{b:u\72l(x.png)}", &["x.png"]),
            ("escapes inside", r"a{b:url(x\20y\).png)}", &["x y).png"]),
            ("two", "a{b:url(x.png),url(y.png)}", &["x.png", "y.png"]),
            ("in a comment", "/* url(x.png) */a{b:url(y.png)}", &["y.png"]),
            ("a comment in a URL is none", "a{b:url(/*x*/y.png)}", &["/*x*/y.png"]),
            ("in a string", r#"a{b:"url(x.png)"}"#, &[]),
            ("after an escaped quote", r#"a{b:"\"url(x.png)";c:url(y.png)}"#, &["y.png"]),
            ("over a line that goes on", "a{b:url(\"x\\\n.png\")}", &["x.png"]),
            ("a string that a newline breaks", "a{b:\"x\n;c:url(y.png)}", &["y.png"]),
            ("malformed", "a{b:url(x y.png);c:url(z.png)}", &["z.png"]),
            ("malformed, an escape where it must end", r"a{b:url(x \);c:url(y.png);d:url(z.png)}", &["z.png"]),
            ("malformed by a quote", "a{b:url(x'y.png);c:url(z.png)}", &["z.png"]),
            ("never closed", "a{b:url(x.png", &[]),
            ("a string never closed", "@import \"x.css", &[]),
            ("another function", "a{b:curl(x.png)}", &[]),
            ("the unit of a number", "a{b:1url(x.png)}", &[]),
            ("a hash", "a{b:#url(x.png)}", &[]),
            ("no function", "a{b:url (x.png)}", &[]),
            ("import", "@import 'x.css';", &["x.css"]),
            ("import with a URL", "@import url(x.css) screen;", &["x.css"]),
            ("import after a comment", "@IMPORT/**/\"x.css\" layer(a);", &["x.css"]),
            ("only the first string of an import", "@import 'x.css' 'y.css';", &["x.css"]),
            ("another rule", "@charset \"x.css\";", &[]),
            ("a namespace is a name", "@namespace svg url(x.css);a{b:url(y.png)}", &["y.png"]),
            ("a document is a pattern", "@-moz-document url(x){a{b:url(y)}}a{b:url(z)}", &["y", "z"]),
            ("a font", "@font-face{src:url(x.woff2)format('woff2'),local('y')}", &["x.woff2"]),
            ("image-set", "a{b:image-set('x.png' 1x type('image/png'), url(y.png) 2x)}", &["x.png", "y.png"]),
            ("src()", "a{b:src('x.png')}", &["x.png"]),
            ("only the first string of src()", "a{b:src('x.png' 'y')}", &["x.png"]),
            ("a custom property", "a{--b:url(x.png);c:url(y.png)}", &["y.png"]),
            ("the last custom property", "a{--b:url(x.png)}a{c:url(y.png)}", &["y.png"]),
            ("a block in a custom property", "a{--b:{c:url(x.png);d:e};c:url(y.png)}", &["y.png"]),
            ("the use of a custom property", "a{b:var(--c,url(x.png))}", &["x.png"]),
            ("a custom property in a nested rule", "a{b{--c:url(x)}d:url(y)}", &["y"]),
            ("a stray bracket", "a)]}b{c:url(x.png)}", &["x.png"]),
            ("CDO and CDC", "<!--a{b:url(x.png)}-->", &["x.png"]),
            ("a byte order mark", "\u{feff}@import 'x.css';", &["x.css"]),
            ("nothing", "", &[]),
        ] {
            assert_eq!(urls(css), expected, "{name}");
        }
    }

    /// With a search for each of the stray ones this would take minutes.
    #[test]
    fn many_brackets_that_close_nothing_cost_no_more_than_others() {
        let css = ["(".repeat(500_000), "]".repeat(500_000), ")".repeat(500_000), "a{b:url(x.png)}".to_owned()].concat();
        assert_eq!(urls(&css), ["x.png"]);
    }

    /// Every URL and string that cssparser's tokenizer knows.
    fn tokens_of_another_reader(css: &str) -> Vec<(bool, String)> {
        fn all(parser: &mut Parser<'_, '_>, out: &mut Vec<(bool, String)>) {
            loop {
                let block = match parser.next_including_whitespace_and_comments() {
                    Err(_) => return,
                    Ok(cssparser::Token::UnquotedUrl(url)) => {
                        out.push((true, url.to_string()));
                        false
                    }
                    Ok(cssparser::Token::QuotedString(text)) => {
                        out.push((false, text.to_string()));
                        false
                    }
                    Ok(token) => matches!(
                        token,
                        cssparser::Token::Function(_)
                            | cssparser::Token::ParenthesisBlock
                            | cssparser::Token::SquareBracketBlock
                            | cssparser::Token::CurlyBracketBlock
                    ),
                };
                if block {
                    let _ = parser.parse_nested_block(|parser| {
                        all(parser, out);
                        Ok::<_, cssparser::ParseError<'_, ()>>(())
                    });
                }
            }
        }
        let mut out = Vec::new();
        all(&mut Parser::new(&mut ParserInput::new(css)), &mut out);
        out
    }

    /// Whether a malformed URL has a backslash after white space. It escapes what follows it, for the remnants begin with it (§4.3.6,
    /// §4.3.14); cssparser takes it away before them, so that an escaped parenthesis ends them.
    fn is_beyond_the_other_reader(css: &str) -> bool {
        let malformed = Tokens::of(css).filter(|(token, _)| *token == Token::Other).map(|(_, range)| &css[range]);
        malformed.into_iter().any(|text| text.contains('(') && [" \\", "\n\\", "\x0c\\"].iter().any(|place| text.contains(place)))
    }

    /// The same by our tokenizer.
    fn tokens_of_ours(css: &str) -> Vec<(bool, String)> {
        let tokens = Tokens::of(css).filter_map(|(token, _)| match token {
            Token::Url(inner) => Some((true, unescape(&css[inner]))),
            Token::String(inner) => Some((false, unescape(&css[inner]))),
            _ => None,
        });
        tokens.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// What is closed at the end is closed for both: ours leaves out what the end of the input ends.
        #[test]
        fn another_tokenizer_finds_the_same(
            parts in prop::collection::vec(prop_oneof![
                Just("url("), Just(")"), Just("\""), Just("'"), Just("\\"), Just("/*"), Just("*/"), Just("\n"), Just(" "), Just("a"),
                Just("é"), Just("6"), Just("1e"), Just("+"), Just("-"), Just("."), Just("#"), Just("@"), Just("("), Just("u\\72 l("),
                Just(";"), Just("{"), Just("}"), Just("["), Just("]"), Just("<!--"), Just("-->"), Just("\r\n"), Just("\u{c}"),
            ], 0..30),
        ) {
            let mut css = parts.concat();
            css.push_str("\n*/\n\"'\n)\n'\n)");
            if is_beyond_the_other_reader(&css) {
                return Ok(());
            }
            let ours = tokens_of_ours(&css);
            let theirs = tokens_of_another_reader(&css);
            // Theirs also knows what only the end of the input ends.
            prop_assert!(theirs.starts_with(&ours) && theirs.len() <= ours.len() + 1, "{css:?}\n{ours:?}\n{theirs:?}");
        }

        #[test]
        fn any_text_is_read_without_a_panic_and_what_is_found_stands_there(css in "[url()\"'\\\\/*{};:@a-z \n\u{e9}\0-]{0,60}") {
            let mut end = 0;
            for Reference { range, form, .. } in references(&css) {
                prop_assert!(end <= range.start && range.start < range.end);
                let text = &css[range.clone()];
                let whole = match form {
                    Form::Quoted => text.len() >= 2 && text.starts_with(['"', '\'']) && text.ends_with(['"', '\'']),
                    Form::Unquoted => text.ends_with(')'),
                };
                prop_assert!(whole, "{text}");
                end = range.end;
            }
        }
    }
}
