//! The service within fails with a box of errors that cannot cross threads.

use std::error::Error;

use donjon::error_mapping::ErrorMappingLayer;
use http::{Request, Response};
use tower::{Layer as _, Service, service_fn};

fn main() {
    let inner = service_fn(|_: Request<()>| async { Err::<Response<String>, Box<dyn Error>>("late".into()) });
    serve(ErrorMappingLayer::new().layer(inner));
}

fn serve(_: impl Service<Request<()>>) {}
