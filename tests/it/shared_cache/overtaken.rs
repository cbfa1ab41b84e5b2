//! What was asked for before a purge, and comes after it.

use std::convert::Infallible;

use bytes::Bytes;
use donjon::conditional_cache::shared::{CacheKey, Purge, SharedCacheLayer, Store as _, Tags};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty, Full};
use proptest::prelude::*;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{
    coalescing::{FRESH, Slow, content, settle},
    request,
};

fn key(uri: &str) -> CacheKey {
    SharedCacheLayer::new().key_policy().key(&uri.parse::<Uri>().unwrap(), &HeaderMap::new(), None).unwrap()
}

fn group(origin: &str) -> Purge {
    Purge::tags(Tags::from_written([format!("group {} {origin}g", origin.len())]))
}

/// Purges of a store that somebody else holds too, and whether they may name `http://site.example/a` while nobody knows its tags.
fn purges() -> [(&'static str, Purge, bool); 10] {
    [
        ("its URL", Purge::url(&key("http://site.example/a")), true),
        ("its URL, softly", Purge::url(&key("http://site.example/a")).soft(), true),
        ("all below", Purge::prefix(&key("http://site.example/")), true),
        ("everything", Purge::everything(), true),
        ("a tag", Purge::tags(Tags::new(["any"])), true),
        ("a group of its origin", group("http://site.example"), true),
        ("another URL", Purge::url(&key("http://site.example/b")), false),
        ("its path elsewhere", Purge::url(&key("http://other.example/a")), false),
        ("all below another path", Purge::prefix(&key("http://site.example/b/")), false),
        ("a group of another origin", group("http://other.example"), false),
    ]
}

#[tokio::test]
async fn who_comes_after_a_purge_does_not_join_what_began_before_it() {
    for head_has_come in [false, true] {
        for (name, purge, ends) in purges() {
            let layer = SharedCacheLayer::new();
            let slow = Slow::new(layer.clone(), FRESH);
            let before = [slow.gets(), slow.gets()];
            settle().await;
            slow.lets_through(usize::from(head_has_come));
            settle().await;
            layer.store().purge(&purge).await.unwrap();
            let after = [slow.gets(), slow.gets()];
            settle().await;
            assert_eq!(slow.calls(), 1 + usize::from(ends), "{name}, head: {head_has_come}");
            slow.lets_through(2);
            settle().await;
            slow.ends_all("a");
            for answer in before {
                assert_eq!(content(answer).await.0.headers["x-call"], "0", "{name}: who came before it is content with that");
            }
            for answer in after {
                let expected = if ends { "1" } else { "0" };
                assert_eq!(content(answer).await.0.headers["x-call"], expected, "{name}");
            }
            // What is stored is what was asked for last.
            let expected = if ends { "1" } else { "0" };
            assert_eq!(content(slow.gets()).await.0.headers["x-call"], expected, "{name}");
            assert_eq!(slow.calls(), 1 + usize::from(ends), "{name}: and it is a hit");
        }
    }
}

/// What may happen, in any order.
#[derive(Clone, Debug)]
enum Step {
    Ask,
    Purge(Purge),
    PurgeAnother,
    /// A head comes of what was asked for first.
    Head,
    /// All contents end whose heads have come.
    End,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let it = || Purge::url(&key("http://site.example/a"));
    let step = prop_oneof![
        4 => Just(Step::Ask),
        1 => prop_oneof![Just(it()), Just(it().soft()), Just(Purge::everything())].prop_map(Step::Purge),
        1 => Just(Step::PurgeAnother),
        2 => Just(Step::Head),
        1 => Just(Step::End),
    ];
    prop::collection::vec(step, 1..40)
}

/// For each request, the step of the last purge before it, and the step in which the call began that answered it; and how many calls there were.
async fn played(steps: &[Step]) -> (Vec<(usize, usize)>, usize) {
    let layer = SharedCacheLayer::new();
    let slow = Slow::new(layer.clone(), FRESH);
    let (mut asked, mut begun, mut purged) = (Vec::new(), Vec::new(), 0);
    for (now, step) in steps.iter().enumerate() {
        match step {
            Step::Ask => asked.push((purged, slow.gets())),
            Step::Purge(purge) => {
                layer.store().purge(purge).await.unwrap();
                purged = now;
            }
            Step::PurgeAnother => drop(layer.store().purge(&Purge::url(&key("http://site.example/b"))).await),
            Step::Head => slow.lets_through(1),
            Step::End => slow.ends_all("a"),
        }
        settle().await;
        begun.resize(slow.calls(), now);
    }
    let feeding = slow.clone();
    let feeder = tokio::spawn(async move {
        loop {
            feeding.lets_through(1);
            feeding.ends_all("a");
            tokio::task::yield_now().await;
        }
    });
    let mut answered = Vec::new();
    for (purged, answer) in asked {
        let call = content(answer).await.0.headers["x-call"].to_str().unwrap().parse::<usize>().unwrap();
        answered.push((purged, begun.get(call).copied().unwrap_or(steps.len())));
    }
    feeder.abort();
    (answered, slow.calls())
}

proptest! {
    #[test]
    fn nobody_is_given_what_was_asked_for_before_a_purge_that_came_before_it(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (answered, calls) = runtime.block_on(played(&steps));
        for (purged, begun) in answered {
            prop_assert!(begun >= purged, "a call of step {begun}, after a purge in step {purged}");
        }
        let purges = steps.iter().filter(|step| matches!(step, Step::Purge(_))).count();
        prop_assert!(calls <= purges + 1, "{calls} calls for {purges} purges");
    }
}

#[tokio::test]
async fn a_group_that_a_write_invalidates_ends_what_is_on_its_way_in_the_origin() {
    for (name, fields, ends) in [
        ("none named", FRESH, false),
        ("one named", &[("cache-control", "max-age=60"), ("cache-group-invalidation", "\"g\"")][..], true),
    ] {
        let slow = Slow::new(SharedCacheLayer::new(), fields);
        let before = slow.gets();
        settle().await;
        slow.lets_through(2);
        let written = slow.asks(request("POST", "http://site.example/write", &[]));
        settle().await;
        let after = slow.gets();
        settle().await;
        assert_eq!(slow.calls(), 2 + usize::from(ends), "{name}");
        slow.lets_through(1);
        settle().await;
        slow.ends_all("a");
        content(written).await;
        assert_eq!(content(before).await.0.headers["x-call"], "0", "{name}");
        assert_eq!(content(after).await.0.headers["x-call"], if ends { "2" } else { "0" }, "{name}");
    }
}

/// When somebody else purges.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// While the inner service is at work.
    BeforeTheHead,
    /// While the content comes.
    BeforeTheEnd,
}

#[tokio::test]
async fn the_answer_to_a_post_is_kept_unless_a_purge_meanwhile_names_it() {
    let url = |path: &str| Purge::url(&key(&format!("http://site.example{path}")));
    for moment in [Moment::BeforeTheHead, Moment::BeforeTheEnd] {
        for (name, purges, kept) in [
            ("none", vec![], true),
            ("of another URL", vec![url("/b")], true),
            ("of its URL", vec![url("/a")], false),
            ("of its URL, softly", vec![url("/a").soft()], false),
            ("of its URL among others", vec![url("/b"), url("/a"), url("/c")], false),
            ("of all below", vec![Purge::prefix(&key("http://site.example/"))], false),
            ("of everything", vec![Purge::everything()], false),
            ("of its tag", vec![Purge::tags(Tags::new(["own"]))], false),
            ("of another tag", vec![Purge::tags(Tags::new(["other"]))], true),
            ("of its group", vec![group("http://site.example")], false),
            ("of such a group in another origin", vec![group("http://other.example")], true),
            ("of so many that nobody knows them all", vec![url("/b"); 300], false),
        ] {
            let layer = SharedCacheLayer::new();
            let store = layer.store().clone();
            let meanwhile = (moment == Moment::BeforeTheHead).then(|| purges.clone());
            let service = layer.layer(service_fn(move |request: Request<Empty<Bytes>>| {
                let (store, meanwhile) = (store.clone(), meanwhile.clone());
                async move {
                    if request.method() == "POST" {
                        for purge in meanwhile.into_iter().flatten() {
                            store.purge(&purge).await?;
                        }
                    }
                    let mut answer = Response::new(Full::new(Bytes::from(request.method().to_string())));
                    for (name, value) in [("cache-control", "max-age=60"), ("content-location", "/a"), ("cache-groups", "\"g\"")]
                    {
                        answer.headers_mut().insert(name, value.parse().unwrap());
                    }
                    answer.extensions_mut().insert(Tags::new(["own"]));
                    Ok::<_, Infallible>(answer)
                }
            }));
            let asks = |method| service.clone().oneshot(request(method, "http://site.example/a", &[]));
            let posted = asks("POST").await.unwrap();
            if moment == Moment::BeforeTheEnd {
                for purge in &purges {
                    layer.store().purge(purge).await.unwrap();
                }
            }
            posted.into_body().collect().await.unwrap();
            let got = asks("GET").await.unwrap().into_body().collect().await.unwrap().to_bytes();
            assert_eq!(got == "POST", kept, "{name}, {moment:?}");
        }
    }
}

#[tokio::test]
async fn what_is_asked_for_after_a_purge_outlives_what_was_asked_for_before_it() {
    let layer = SharedCacheLayer::new();
    let slow = Slow::new(layer.clone(), FRESH);
    slow.lets_through(2);
    let before = slow.gets();
    settle().await;
    layer.store().purge(&Purge::everything()).await.unwrap();
    let after = slow.gets();
    settle().await;
    // The later one ends first.
    let (old, new) = (slow.body(0), slow.body(1));
    slow.ends_all("a");
    drop(new);
    assert_eq!(content(after).await.0.headers["x-call"], "1");
    drop(old);
    assert_eq!(content(before).await.0.headers["x-call"], "0");
    assert_eq!(content(slow.gets()).await.0.headers["x-call"], "1");
    assert_eq!(slow.calls(), 2);
}
