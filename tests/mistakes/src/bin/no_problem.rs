//! An error of one's own that does not say which problem it is.

use donjon::error_mapping::ErrorMappingLayer;

#[derive(Debug)]
struct OutOfCredit;

impl std::fmt::Display for OutOfCredit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("out of credit")
    }
}

impl std::error::Error for OutOfCredit {}

fn main() {
    let _ = ErrorMappingLayer::new().map_own::<OutOfCredit>();
}
