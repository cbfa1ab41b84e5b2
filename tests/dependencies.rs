//! The README's table of features and dependencies, compared with what cargo says.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails loudly")]

use std::{collections::BTreeSet, path::Path, process::Command};

const CORE: [&str; 6] = ["bytes", "http", "http-body", "pin-project-lite", "tower-layer", "tower-service"];

/// The direct dependencies of the crate with one feature enabled.
fn dependencies(feature: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal", "--depth", "1", "--prefix", "none", "--format", "{p}", "--no-default-features"])
        .args(["--features", feature, "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    tree.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Rows of `| ... | `feature` | ... | `dependency`, `dependency` |`.
fn rows() -> Vec<(String, BTreeSet<String>)> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table = readme.split("\n\n").find(|part| part.starts_with("| layer | feature |")).expect("the README has the table");
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    table
        .lines()
        .skip(2)
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (names(cells[2]).join(","), names(cells[4]).into_iter().collect())
        })
        .collect()
}

#[test]
fn the_core_depends_on_six_small_crates() {
    assert_eq!(dependencies(""), CORE.map(str::to_owned).into());
}

#[test]
fn the_table_in_the_readme_is_true() {
    let rows = rows();
    assert!(rows.len() >= 6, "the table was not read");
    for (feature, named) in rows {
        let beyond_core: BTreeSet<String> =
            dependencies(&feature).into_iter().filter(|name| !CORE.contains(&name.as_str())).collect();
        assert_eq!(beyond_core, named, "{feature}");
    }
}

#[test]
fn full_is_every_layer_and_the_table_has_a_row_for_each_feature() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let features = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    let named: BTreeSet<String> = rows().into_iter().map(|(feature, _)| feature).collect();
    for line in features.lines().filter(|line| line.contains(" = [")) {
        let feature = line.split(' ').next().unwrap();
        assert!(["default", "full"].contains(&feature) || named.contains(feature), "{feature} is not in the table");
    }
}

/// The compiler is not here to try, but every dependency says what it needs.
#[test]
fn no_dependency_needs_a_newer_compiler_than_we_promise() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--features", "full,rust-crypto", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let version = |text: &str| text.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    let promised = version(env!("CARGO_PKG_RUST_VERSION"));
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "the metadata was not read");
    for package in packages {
        if let Some(needed) = package["rust_version"].as_str() {
            assert!(version(needed)[..2] <= promised[..2], "{} needs Rust {needed}", package["name"]);
        }
    }
}
