//! What must never happen with the defaults: one person's answer given to another, or anything kept that was not to be kept.

use donjon::{
    Principal,
    conditional_cache::shared::{Partition, Profile},
};

use super::{Site, request};

const PUBLIC: (&str, &str) = ("cache-control", "public, max-age=60");
const FRESH: (&str, &str) = ("cache-control", "max-age=60");

/// A principal by this name.
fn principal(issuer: &str, subject: &str) -> Principal {
    Principal::builder().issuer(issuer).subject(subject).build()
}

async fn as_principal(site: &Site, who: &Principal) -> String {
    let mut asked = request("GET", "http://site.example/a", &[]);
    asked.extensions_mut().insert(who.clone());
    let (_, content) = crate::support::whole(site.ask(asked).await.unwrap()).await;
    String::from_utf8(content.to_vec()).unwrap()
}

#[tokio::test]
async fn a_cookie_is_set_for_one_client_only() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[PUBLIC, ("set-cookie", "sid=alice")], "alice").answers(200, &[PUBLIC], "bob");
    assert_eq!(site.gets(&[]).await.field("set-cookie"), Some("sid=alice"));
    let other = site.gets(&[]).await;
    assert_eq!((other.content.as_str(), other.field("set-cookie")), ("bob", None));
}

#[tokio::test]
async fn the_answer_to_a_cookie_is_for_its_client_unless_it_is_public() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH], "alice").answers(200, &[PUBLIC], "all");
    assert_eq!(site.gets(&[("cookie", "sid=alice")]).await.content, "alice");
    assert_eq!(site.gets(&[("cookie", "sid=bob")]).await.content, "all");
    assert_eq!(site.gets(&[]).await.content, "all");
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn the_answer_to_credentials_is_for_who_has_them_unless_it_is_public() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH], "alice").answers(200, &[PUBLIC], "all");
    assert_eq!(site.gets(&[("authorization", "Bearer alice")]).await.content, "alice");
    assert_eq!(site.gets(&[]).await.content, "all");
    assert_eq!(site.gets(&[("authorization", "Bearer bob")]).await.content, "all");
}

#[tokio::test]
async fn an_answer_beside_a_principal_is_theirs_unless_it_is_public() {
    let site = Site::new(Profile::Eager);
    site.answers(200, &[FRESH], "alice").answers(200, &[PUBLIC], "all");
    assert_eq!(as_principal(&site, &principal("i", "alice")).await, "alice");
    assert_eq!(as_principal(&site, &principal("i", "bob")).await, "all");
    assert_eq!(site.gets(&[]).await.content, "all");
}

#[tokio::test]
async fn each_caller_has_a_store_of_its_own_where_that_is_asked_for() {
    let site = Site::with(|layer| layer.partition(Partition::ByPrincipal));
    let private = ("cache-control", "private, max-age=60");
    for content in ["alice", "bob", "another alice", "nobody"] {
        site.answers(200, &[private], content);
    }
    let callers = [principal("i", "alice"), principal("i", "bob"), principal("j", "alice")];
    for (caller, content) in callers.iter().zip(["alice", "bob", "another alice"]) {
        assert_eq!(as_principal(&site, caller).await, content);
    }
    for (caller, content) in callers.iter().zip(["alice", "bob", "another alice"]) {
        assert_eq!(as_principal(&site, caller).await, content);
    }
    assert_eq!(site.asked(), 3);
    assert_eq!(site.gets(&[]).await.content, "nobody");
    // A write is everybody's business.
    site.answers(200, &[], "").answers(200, &[private], "new");
    site.sends("POST", "http://site.example/a", &[]).await;
    assert_eq!(as_principal(&site, &callers[1]).await, "new");
}

#[tokio::test]
async fn who_may_do_less_for_a_caller_does_not_get_what_came_of_more() {
    let site = Site::with(|layer| layer.partition(Partition::ByPrincipal));
    let alice = |scopes: &[&str]| Principal::builder().subject("alice").scopes(scopes.iter().copied()).build();
    site.answers(200, &[("cache-control", "private, max-age=60")], "the account").answers(403, &[], "refused");
    assert_eq!(as_principal(&site, &alice(&["account", "profile"])).await, "the account");
    assert_eq!(as_principal(&site, &alice(&["profile"])).await, "refused");
}

#[tokio::test]
async fn vary_is_respected() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[PUBLIC, ("vary", "accept-language")], "deutsch");
    site.answers(200, &[PUBLIC, ("vary", "accept-language")], "english");
    for _ in 0..2 {
        assert_eq!(site.gets(&[("accept-language", "de")]).await.content, "deutsch");
        assert_eq!(site.gets(&[("accept-language", "en")]).await.content, "english");
    }
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn what_varies_by_anything_is_never_used_again() {
    let site = Site::new(Profile::Eager);
    site.answers(200, &[PUBLIC, ("vary", "*")], "one").answers(200, &[PUBLIC, ("vary", "*")], "two");
    assert_eq!(site.gets(&[]).await.content, "one");
    assert_eq!(site.gets(&[]).await.content, "two");
}

#[tokio::test]
async fn another_host_has_its_own() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[PUBLIC], "here").answers(200, &[PUBLIC], "there").answers(200, &[PUBLIC], "there too");
    for (uri, host, content) in [
        ("http://site.example/a", None, "here"),
        ("http://other.example/a", None, "there"),
        ("/a", Some("third.example"), "there too"),
        ("/a", Some("SITE.example:80"), "here"),
    ] {
        let fields: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
        assert_eq!(site.sends("GET", uri, &fields).await.content, content, "{uri} {host:?}");
    }
}

#[tokio::test]
async fn a_request_with_two_hosts_is_nobodys() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[PUBLIC], "one").answers(200, &[PUBLIC], "two");
    let got = site.sends("GET", "/a", &[("host", "a"), ("host", "b")]).await;
    assert_eq!(got.handling(), "fwd=bypass; detail=no-key");
    assert_eq!(site.sends("GET", "http://a/a", &[("host", "b")]).await.content, "two");
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_not() {
    for (name, fields, reason) in [
        ("no-store", &[("cache-control", "no-store, max-age=60")][..], "no-store"),
        ("private", &[("cache-control", "private, max-age=60")], "private"),
        ("nothing said", &[], "no-freshness"),
        ("only a tag", &[("etag", "\"a\"")], "no-freshness"),
        ("only a date", &[("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT")], "no-freshness"),
    ] {
        let site = Site::new(Profile::Safe);
        site.answers(200, fields, "one").answers(200, fields, "two");
        let first = site.gets(&[]).await;
        assert_eq!(first.handling(), format!("fwd=uri-miss; fwd-status=200; detail={reason}"), "{name}");
        assert_eq!(site.gets(&[]).await.content, "two", "{name}");
        assert_eq!(site.layer.store().stats().keys, 0, "{name}");
    }
}

#[tokio::test]
async fn what_becomes_private_is_forgotten() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[("cache-control", "max-age=60, stale-if-error=600")], "for all");
    site.gets(&[]).await;
    site.passes(60).answers(200, &[("cache-control", "private")], "for one").answers(503, &[], "down");
    assert_eq!(site.gets(&[]).await.content, "for one");
    assert_eq!(site.gets(&[]).await.status, 503);
}

#[tokio::test]
async fn a_clients_no_cache_makes_no_work_for_the_inner_service() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[PUBLIC], "hello");
    for _ in 0..10 {
        site.gets(&[("cache-control", "no-cache"), ("pragma", "no-cache")]).await;
    }
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn a_cookie_of_a_confirmation_reaches_who_asked_only() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[PUBLIC, ("etag", "\"a\"")], "hello");
    site.gets(&[]).await;
    site.passes(60).answers(304, &[PUBLIC, ("set-cookie", "sid=alice")], "");
    assert_eq!(site.gets(&[]).await.field("set-cookie"), Some("sid=alice"));
    let other = site.gets(&[]).await;
    assert_eq!((other.is_hit(), other.field("set-cookie")), (true, None));
}
