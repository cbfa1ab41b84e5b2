//! The compiler says what to do about the common mistakes: the programs in `mistakes/` must not compile, and why is read from its messages.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails loudly")]

use std::{collections::BTreeMap, path::Path, process::Command};

/// What a trait bound that does not hold is called.
const UNSATISFIED: &str = "E0277";

/// What has to be said of each program.
const MISTAKES: [(&str, &[&str]); 9] = [
    ("no_error", &["fails with `StatusCode`, which is no error", "implement `std::error::Error` for `StatusCode`", ".map_err("]),
    (
        "box_without_send",
        &[
            "fails with `Box<dyn std::error::Error>`, which is no error, or none that may cross threads",
            "has to be a `tower::BoxError`",
        ],
    ),
    (
        "no_body",
        &["a body of `Vec<u8>`, which is no `http_body::Body`", "response.map(Full::<Bytes>::from)", "axum::body::Body::from"],
    ),
    (
        "no_problem",
        &["`OutOfCredit` does not say which problem it is", "implement `donjon::error_mapping::ToProblem` for `OutOfCredit`"],
    ),
    ("body_read_once", &["cannot be sent again", "put the body into a `ReplayBody` before the retry layer"]),
    ("unseen_error", &["`Mine` cannot be looked at as an error", "implement `donjon::error_mapping::AsError` for `Mine`"]),
    ("unseen_box", &["`Box<dyn std::error::Error>` cannot be looked at as an error", "has to be a `tower::BoxError`"]),
    // In axum's own words, which docs/error-mapping-axum.md explains.
    ("handler_fails", &["{report}: Handler<_, _>` is not satisfied"]),
    ("timeout_outside", &["`Infallible: From<Box<", "is not satisfied", "required by a bound in `Router::<S>::layer`"]),
];

/// All that the compiler says of a program.
#[derive(Default)]
struct Said {
    text: String,
    /// Of each error.
    codes: Vec<String>,
}

/// All that it says, by program.
fn messages() -> BTreeMap<String, Said> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO"))
        .args(["check", "--bins", "--keep-going", "--message-format", "json", "--manifest-path"])
        .arg(root.join("tests/mistakes/Cargo.toml"))
        .arg("--target-dir")
        .arg(root.join("target/mistakes"))
        .output()
        .unwrap();
    assert!(!output.status.success(), "all of them compile");
    let mut messages = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["reason"] == "compiler-message" && line["target"]["kind"][0] == "bin" {
            let said: &mut Said = messages.entry(line["target"]["name"].as_str().unwrap().to_owned()).or_default();
            let message = &line["message"];
            said.text.push_str(message["rendered"].as_str().unwrap());
            // The last one only counts the others.
            if message["level"] == "error" && !message["message"].as_str().unwrap().starts_with("aborting due to") {
                said.codes.push(message["code"]["code"].as_str().unwrap_or("none").to_owned());
            }
        }
    }
    assert!(!messages.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    messages
}

#[test]
fn each_is_told_with_what_to_do() {
    let messages = messages();
    for (program, sentences) in MISTAKES {
        let said = messages.get(program).unwrap_or_else(|| panic!("{program} compiles"));
        for sentence in sentences {
            assert!(said.text.contains(sentence), "{program}: no `{sentence}` in\n{}", said.text);
        }
        assert_eq!(said.codes, [UNSATISFIED], "{program} has a mistake that it should not have:\n{}", said.text);
    }
    assert_eq!(messages.len(), MISTAKES.len(), "a program that nothing is asked of");
}
