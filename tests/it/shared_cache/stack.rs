//! The shared cache among the other layers, in every order.

use std::future::Ready;

use axum::{Router, body::Body, routing::get};
use donjon::{
    Principal, Problem,
    conditional_cache::{
        CacheControl, CachePolicy, CacheRule, ConditionalCacheLayer,
        shared::{Profile, SharedCacheLayer},
    },
    error_mapping::ErrorMappingLayer,
    token_auth::{TokenAuthLayer, TokenError, Verdict, VerifyToken},
};
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use crate::support::{orders, whole};

/// Takes every token for a name.
struct Named;

impl VerifyToken for Named {
    type Future = Ready<Result<Principal, TokenError>>;

    fn verify(&self, token: &str) -> Verdict<Self::Future> {
        Verdict::Now(Ok(Principal::builder().issuer("i").subject(token).build()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Floor {
    ErrorMapping,
    TokenAuth,
    ConditionalCache,
    SharedCache,
}

const FLOORS: [Floor; 4] = [Floor::ErrorMapping, Floor::TokenAuth, Floor::ConditionalCache, Floor::SharedCache];

fn stack(order: &[Floor], profile: Profile) -> Router {
    async fn mine(principal: Option<axum::Extension<Principal>>) -> ([(&'static str, &'static str); 1], String) {
        let name = principal.and_then(|principal| principal.subject().map(str::to_owned)).unwrap_or_default();
        ([("cache-control", "max-age=60")], name)
    }
    let app = Router::new()
        .route("/mine", get(mine))
        .route("/all", get(|| async { ([("cache-control", "public, max-age=60")], "for all") }))
        .route("/page", get(|| async { "a page" }))
        .route("/refuse", get(|| async { Problem::new(StatusCode::CONFLICT) }));
    let rule = CacheRule::new(CacheControl::parse(b"public, max-age=60")).path("/page");
    order.iter().fold(app, |app, floor| match floor {
        Floor::ErrorMapping => app.layer(ErrorMappingLayer::new()),
        Floor::TokenAuth => app.layer(TokenAuthLayer::new(Named).allow_anonymous()),
        Floor::ConditionalCache => {
            app.layer(ConditionalCacheLayer::new().policy(CachePolicy::builder().rule(rule.clone()).build().unwrap()))
        }
        Floor::SharedCache => app.layer(SharedCacheLayer::new().profile(profile)),
    })
}

async fn ask(app: &Router, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::get(path).header("host", "app.example");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let (parts, body) = whole(app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()).await;
    (parts.status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn nobody_gets_what_is_anothers_in_any_order() {
    for order in orders(&FLOORS) {
        for profile in [Profile::Safe, Profile::Rfc9111, Profile::Eager] {
            let app = stack(&order, profile);
            for token in [Some("alice"), Some("bob"), None, Some("alice")] {
                // What a stranger was given without a word about callers may be given to all: the handler says nothing else.
                let expected = token.unwrap_or_default();
                let (_, got) = ask(&app, "/mine", token).await;
                assert!(got == expected || got.is_empty(), "{order:?} {profile:?}: {token:?} got {got}");
            }
            for token in [Some("alice"), None, Some("bob")] {
                assert_eq!(ask(&app, "/all", token).await, (StatusCode::OK, "for all".to_owned()), "{order:?}");
                assert_eq!(ask(&app, "/page", token).await, (StatusCode::OK, "a page".to_owned()), "{order:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_is_never_stored_in_any_order() {
    for order in orders(&FLOORS) {
        let app = stack(&order, Profile::Eager);
        for _ in 0..2 {
            assert_eq!(ask(&app, "/refuse", None).await.0, StatusCode::CONFLICT, "{order:?}");
        }
    }
}
