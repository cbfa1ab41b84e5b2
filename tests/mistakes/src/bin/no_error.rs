//! The service within fails with something that is no error.

use donjon::error_mapping::ErrorMappingLayer;
use http::{Request, Response, StatusCode};
use tower::{Layer as _, Service, service_fn};

fn main() {
    let inner = service_fn(|_: Request<()>| async { Err::<Response<String>, StatusCode>(StatusCode::CONFLICT) });
    serve(ErrorMappingLayer::new().layer(inner));
}

fn serve(_: impl Service<Request<()>>) {}
