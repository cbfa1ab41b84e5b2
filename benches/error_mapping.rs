//! What `ErrorMapping` costs: a success, an error, and a problem rendered anew.

mod support;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
};

use criterion::Criterion;
use donjon::{LayerBody, Problem, error_mapping::ErrorMappingLayer};
use http::{HeaderName, Request, Response, StatusCode, header};
use tower::{Layer as _, service_fn, util::BoxCloneSyncService};

use support::{BROWSER, Body, bare, compare, criterion, pass_through, request, request_with};

/// None of the values that browsers send today, so that it is read in full.
const OTHER_ACCEPT: [(HeaderName, &str); 1] =
    [(header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8")];

fn main() {
    let mut criterion = criterion();
    let layered = ErrorMappingLayer::new().layer(bare());
    pass_through(&mut criterion, ("error_mapping", "success"), request, layered.clone(), bare());
    pass_through(&mut criterion, ("error_mapping", "success-browser"), || request_with(&BROWSER), layered.clone(), bare());
    pass_through(&mut criterion, ("error_mapping", "success-other-accept"), || request_with(&OTHER_ACCEPT), layered, bare());
    inner_services(&mut criterion);
    failures(&mut criterion);
    criterion.final_summary();
}

/// What is inside decides how much a layer around it costs: a ready response is moved once more for having been made before it is asked for, and
/// a handler that the compiler can see through is not moved at all when it stands alone.
fn inner_services(criterion: &mut Criterion) {
    let handler = || service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::new())) });
    let boxed = || BoxCloneSyncService::new(handler());
    let layer = ErrorMappingLayer::new();
    pass_through(criterion, ("error_mapping", "success-async"), request, layer.layer(handler()), handler());
    pass_through(criterion, ("error_mapping", "success-boxed"), request, layer.layer(boxed()), boxed());
    pass_through(criterion, ("error_mapping", "success-boxed-browser"), || request_with(&BROWSER), layer.layer(boxed()), boxed());
}

fn failures(criterion: &mut Criterion) {
    let failing = service_fn(|_: Request<Body>| -> Ready<io::Result<Response<Body>>> { ready(Err(io::Error::other("disk"))) });
    let mapped = ErrorMappingLayer::new().layer(failing);
    compare(criterion, ("error_mapping", "error-as-json"), request, mapped.clone(), ("bare", bare()));
    compare(criterion, ("error_mapping", "error-as-html"), || request_with(&BROWSER), mapped, ("bare", bare()));

    let refusing = || {
        service_fn(|_: Request<Body>| {
            let response: Response<LayerBody<Body>> = Problem::new(StatusCode::FORBIDDEN).into_http_response();
            ready(Ok::<_, io::Error>(response))
        })
    };
    let rendered = ErrorMappingLayer::new().layer(refusing());
    compare(criterion, ("error_mapping", "problem-as-json"), request, rendered.clone(), ("unmapped", refusing()));
    compare(criterion, ("error_mapping", "problem-as-html"), || request_with(&BROWSER), rendered, ("unmapped", refusing()));
}
