//! A box of errors that cannot cross threads, beneath the circuit breaker.

use std::error::Error;

use donjon::error_mapping::CircuitBreakerLayer;
use http::{Request, Response};
use tower::{Layer as _, Service, service_fn};

fn main() {
    let client = service_fn(|_: Request<()>| async { Err::<Response<String>, Box<dyn Error>>("late".into()) });
    serve(CircuitBreakerLayer::new().layer(client));
}

fn serve(_: impl Service<Request<()>>) {}
