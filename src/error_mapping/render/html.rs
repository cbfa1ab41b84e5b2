//! A problem as a page of its own: no script, no request for anything else, and nothing in it but the problem's texts, escaped.

use super::advice::{causes, detail_and_advice, reference, wait};
use crate::Problem;

/// Nothing may be loaded or run; the one style is known by its hash
/// ([CSP3 §2.3.1](https://www.w3.org/TR/CSP3/#framework-directive-source-list)).
pub(super) const POLICY: &str = "default-src 'none'; style-src 'sha256-OONWwenjkWVHbi/47403A//5p32rdzlXsfZ2pf2eHKk='; \
                                 base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

const STYLE: &str = ":root{color-scheme:light dark;--ink:#1c1f24;--soft:#5b6270;--paper:#f4f5f7;--card:#fff;--line:#dcdfe5;--mark:#b3261e}\
@media(prefers-color-scheme:dark){:root{--ink:#eceef2;--soft:#a3abb9;--paper:#14161a;--card:#1d2026;--line:#343943;--mark:#ffb4ab}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--paper);color:var(--ink);\
font:1.0625rem/1.6 system-ui,sans-serif}\
main{width:100%;max-width:36rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem;\
border-top:.3rem solid var(--mark);overflow-wrap:anywhere}\
.status{margin:0;color:var(--mark);font-weight:600}\
h1{margin:.25rem 0 1rem;font-size:1.6rem;line-height:1.25}\
p{margin:.75rem 0}\
.advice{padding-top:.75rem;border-top:1px solid var(--line)}\
.reference{color:var(--soft);font-size:.9rem}";

pub(super) fn page(problem: &Problem) -> String {
    let mut out = String::with_capacity(2_048);
    out.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"robots\" content=\"noindex\">\n<title>");
    escape(&mut out, problem.title());
    out.push_str("</title>\n<style>");
    out.push_str(STYLE);
    out.push_str("</style>\n</head>\n<body>\n<main>\n<p class=\"status\">Error ");
    out.push_str(problem.status().as_str());
    out.push_str("</p>\n<h1>");
    escape(&mut out, problem.title());
    out.push_str("</h1>\n");
    let (detail, advice) = detail_and_advice(problem);
    if let Some(detail) = detail {
        paragraph(&mut out, "<p>", detail);
    }
    paragraph(&mut out, "<p class=\"advice\">", advice);
    if let Some(wait) = wait(problem) {
        paragraph(&mut out, "<p>", &wait);
    }
    if let Some(reference) = reference(problem) {
        paragraph(&mut out, "<p class=\"reference\">Reference: ", reference);
    }
    list(&mut out, &causes(problem));
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn paragraph(out: &mut String, start: &str, text: &str) {
    out.push_str(start);
    escape(out, text);
    out.push_str("</p>\n");
}

fn list(out: &mut String, causes: &[&str]) {
    if causes.is_empty() {
        return;
    }
    out.push_str("<h2>Causes</h2>\n<ol>\n");
    for cause in causes {
        out.push_str("<li>");
        escape(out, cause);
        out.push_str("</li>\n");
    }
    out.push_str("</ol>\n");
}

/// Text that can be nothing else, within an element or a quoted attribute
/// ([HTML §13.3](https://html.spec.whatwg.org/multipage/parsing.html#escapingString)).
pub(in crate::error_mapping) fn escape(out: &mut String, text: &str) {
    // Most texts go in one piece. A loop that has no way out looks at many bytes together.
    if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        return out.push_str(text);
    }
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            // Not allowed in a document, not even as a reference.
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}

fn is_plain(byte: u8) -> bool {
    // Without a branch, as a pattern would have, so that it is done for many at once.
    (b' '..=b'~').contains(&byte) & (byte != b'&') & (byte != b'<') & (byte != b'>') & (byte != b'"') & (byte != b'\'')
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use http::StatusCode;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn the_policy_names_the_style() {
        let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}';")), "the hash is {hash}");
        assert!(!POLICY.contains("unsafe"));
    }

    #[test]
    fn the_style_cannot_close_its_element() {
        assert!(!STYLE.contains(['<', '&']));
    }

    #[test]
    fn every_text_is_escaped() {
        let evil = "<script>alert('1')</script>&\"\u{1}";
        let problem = Problem::new(StatusCode::BAD_REQUEST).with_title(evil).with_detail(evil).with_instance(evil);
        let page = page(&problem);
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;\u{fffd}").count(), 4);
    }

    proptest! {
        #[test]
        fn no_text_opens_a_tag_or_ends_an_attribute(text in any::<String>()) {
            let mut out = String::new();
            escape(&mut out, &text);
            prop_assert!(!out.contains(['<', '>', '"', '\'']));
        }
    }
}
