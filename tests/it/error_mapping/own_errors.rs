//! Errors of an application's own, as people write them: with `thiserror`, and wrapped by `anyhow`.

use std::io;

use anyhow::Context as _;
use bytes::Bytes;
use donjon::{
    Problem,
    error_mapping::{Cause, ErrorMappingLayer, ToProblem, UpstreamError},
};
use http::{Response, StatusCode};
use http_body_util::Full;
use tower::{BoxError, ServiceExt as _, service_fn};

use super::{Answer, Asked, answer, failing};
use crate::support::{empty, get};

#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("no order {0}")]
    Unknown(u64),
    #[error("the order book cannot be read")]
    Book(#[from] io::Error),
}

impl ToProblem for OrderError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Unknown(_) => Problem::new(StatusCode::NOT_FOUND).with_detail("There is no such order."),
            Self::Book(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// What a larger application wraps it in.
#[derive(Debug, thiserror::Error)]
enum ShopError {
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("the warehouse did not answer")]
    Warehouse(#[source] UpstreamError),
}

impl ToProblem for ShopError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Order(order) => order.to_problem(),
            Self::Warehouse(_) => Problem::new(StatusCode::BAD_GATEWAY),
        }
    }
}

async fn mapped(error: impl Into<BoxError>) -> Answer {
    answer(&ErrorMappingLayer::new().map_own::<OrderError>(), failing(error), empty(get("/"))).await
}

#[tokio::test]
async fn an_error_says_which_problem_it_is() {
    let answer = mapped(OrderError::Unknown(7)).await;
    assert_eq!(answer.problem, Some(OrderError::Unknown(7).to_problem()));
    assert!(!answer.body.contains("no order 7"), "its text is for the log");
    assert_eq!(mapped(OrderError::from(io::Error::other("disk"))).await.status, 500);
}

/// `#[error(transparent)]` hands on the source of what it wraps, not the wrapped itself.
#[tokio::test]
async fn what_wraps_it_transparently_has_to_say_so_too() {
    let error = || ShopError::from(OrderError::Unknown(7));
    assert_eq!(mapped(error()).await.status, 500);
    let layer = ErrorMappingLayer::new().map_own::<ShopError>();
    assert_eq!(answer(&layer, failing(error()), empty(get("/"))).await.status, 404);
}

#[tokio::test]
async fn a_source_is_found_through_what_wraps_it() {
    let answer = mapped(ShopError::Warehouse(UpstreamError::new(io::Error::from(io::ErrorKind::ConnectionRefused)))).await;
    assert_eq!((answer.status.as_u16(), answer.cause), (502, Some(Cause::ConnectionRefused)));
}

/// Its own conversion into a standard error hides the type of an error that has no context.
#[tokio::test]
async fn through_anyhow_an_error_is_found() {
    let bare = || anyhow::Error::new(OrderError::Unknown(7));
    assert_eq!(mapped(bare().reallocate_into_boxed_dyn_error_without_backtrace()).await.status, 404);
    assert_eq!(mapped(bare()).await.status, 500);
    let in_context = anyhow::Error::new(OrderError::Unknown(7)).context("while it was shipped").context("in the evening");
    assert_eq!(mapped(in_context).await.status, 404);
    let marked = anyhow::Error::new(UpstreamError::new("gone")).context("asking the warehouse");
    assert_eq!(mapped(marked).await.cause, Some(Cause::UpstreamFailed));
}

#[tokio::test]
async fn a_service_may_fail_with_anyhow() {
    async fn ship(_: Asked) -> anyhow::Result<Response<Full<Bytes>>> {
        Err(OrderError::Unknown(7))?
    }
    async fn ship_tomorrow(_: Asked) -> anyhow::Result<Response<Full<Bytes>>> {
        Err(OrderError::Unknown(7)).context("tomorrow")
    }
    let layer = ErrorMappingLayer::new().map_own::<OrderError>();
    let shipping = service_fn(ship).map_err(anyhow::Error::reallocate_into_boxed_dyn_error_without_backtrace);
    assert_eq!(answer(&layer, shipping, empty(get("/"))).await.status, 404);
    assert_eq!(answer(&layer, service_fn(ship_tomorrow), empty(get("/"))).await.status, 404);
}
