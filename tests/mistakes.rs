//! The compiler says what to do about the common mistakes: the programs in `mistakes/` must not compile, and why is read from its messages.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails loudly")]

use std::{collections::BTreeMap, path::Path, process::Command};

/// What has to be said of each program.
const MISTAKES: [(&str, &[&str]); 4] = [
    ("no_error", &["fails with `StatusCode`, which is no error", "implement `std::error::Error` for `StatusCode`", ".map_err("]),
    (
        "no_problem",
        &["`OutOfCredit` does not say which problem it is", "implement `donjon::error_mapping::ToProblem` for `OutOfCredit`"],
    ),
    ("body_read_once", &["cannot be sent again", "put the body into a `ReplayBody` before the retry layer"]),
    ("unseen_error", &["`Mine` cannot be looked at as an error", "implement `donjon::error_mapping::AsError` for `Mine`"]),
];

/// All that the compiler says, by program.
fn messages() -> BTreeMap<String, String> {
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
            let said: &mut String = messages.entry(line["target"]["name"].as_str().unwrap().to_owned()).or_default();
            said.push_str(line["message"]["rendered"].as_str().unwrap());
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
            assert!(said.contains(sentence), "{program}: no `{sentence}` in\n{said}");
        }
    }
}
