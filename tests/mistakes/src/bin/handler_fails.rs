//! A handler of axum whose error is no response.

use axum::{Router, routing::get};
use donjon::error_mapping::ErrorMappingLayer;

async fn report() -> Result<String, std::io::Error> {
    std::fs::read_to_string("report.txt")
}

fn main() {
    let _: Router = Router::new().route("/", get(report)).layer(ErrorMappingLayer::new());
}
