//! A body that can be read only once, beneath a policy that sends requests again.

use donjon::error_mapping::GatewayRetryPolicy;
use http::{Request, Response};
use hyper::body::Incoming;
use tower::{BoxError, Service, ServiceBuilder, service_fn};

fn main() {
    let client = service_fn(|_: Request<Incoming>| async { Ok::<_, BoxError>(Response::new(String::new())) });
    serve(ServiceBuilder::new().retry(GatewayRetryPolicy::new()).service(client));
}

fn serve(_: impl Service<Request<Incoming>>) {}
