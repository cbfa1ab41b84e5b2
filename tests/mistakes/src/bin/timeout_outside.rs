//! A layer that fails around the one that answers failures: the two are in the wrong order.

use std::time::Duration;

use axum::Router;
use donjon::error_mapping::ErrorMappingLayer;
use tower::timeout::TimeoutLayer;

fn main() {
    let _: Router = Router::new().layer(ErrorMappingLayer::new()).layer(TimeoutLayer::new(Duration::from_secs(1)));
}
