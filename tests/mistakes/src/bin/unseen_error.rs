//! An error that the circuit breaker cannot look at.

use donjon::error_mapping::CircuitBreakerLayer;
use http::{Request, Response};
use tower::{Layer as _, Service, service_fn};

struct Mine;

fn main() {
    let client = service_fn(|_: Request<()>| async { Err::<Response<String>, Mine>(Mine) });
    serve(CircuitBreakerLayer::new().layer(client));
}

fn serve(_: impl Service<Request<()>>) {}
