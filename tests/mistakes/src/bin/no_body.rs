//! The service within answers with a body that is no body of HTTP.

use donjon::error_mapping::ErrorMappingLayer;
use http::{Request, Response};
use tower::{BoxError, Layer as _, Service, service_fn};

fn main() {
    let inner = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(vec![0_u8])) });
    serve(ErrorMappingLayer::new().layer(inner));
}

fn serve(_: impl Service<Request<()>>) {}
