use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use proptest::prelude::*;

use super::*;
use crate::{
    Principal,
    conditional_cache::shared::{
        key::KeyPolicy,
        store::{Selecting, StoredBody, Tags},
    },
};

const KIB: u64 = 1024;

fn key(uri: &str) -> CacheKey {
    KeyPolicy::new().key(&uri.parse::<Uri>().unwrap(), &HeaderMap::new(), None).unwrap()
}

fn key_of(uri: &str, subject: &str) -> CacheKey {
    let principal = Principal::builder().subject(subject).build();
    KeyPolicy::new().key(&uri.parse::<Uri>().unwrap(), &HeaderMap::new(), Some(&principal)).unwrap()
}

fn head() -> StoredHead {
    StoredHead::new(StatusCode::OK, UNIX_EPOCH, UNIX_EPOCH)
}

fn variant(body: impl Into<Bytes>) -> Variant {
    Variant::new(head(), StoredBody::whole([body.into()]))
}

fn selected(value: &str, body: &'static str) -> Variant {
    let mut head = head();
    head.selecting = Selecting::new([(header::ACCEPT_LANGUAGE, Some(value.as_bytes().into()))]);
    Variant::new(head, StoredBody::whole([Bytes::from(body)]))
}

fn bodies(store: &MemoryStore, key: &CacheKey) -> Vec<Bytes> {
    let variants = store.peek(key).unwrap();
    variants.as_slice().iter().map(|variant| variant.body().find(0).unwrap_or_default()).collect()
}

#[test]
fn what_is_put_is_found_under_its_key_alone() {
    let store = MemoryStore::new(KIB * 256);
    assert_eq!(store.put_now(&key("/a"), variant("a")), Kept::Stored);
    assert_eq!(bodies(&store, &key("/a")), ["a"]);
    assert!(bodies(&store, &key("/b")).is_empty());
    assert!(bodies(&store, &key_of("/a", "alice")).is_empty());
    store.put_now(&key("/a"), variant("b"));
    assert_eq!(bodies(&store, &key("/a")), ["b"]);
}

#[test]
fn a_look_up_costs_no_allocation() {
    let store = MemoryStore::new(KIB * 256);
    let key = key("/a");
    store.put_now(&key, variant("a"));
    let counted = allocation_counter::measure(|| assert!(!store.peek(&key).unwrap().is_empty()));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_response_takes_the_place_of_the_one_that_was_selected_alike() {
    let store = MemoryStore::new(KIB * 256);
    for (value, body) in [("de", "ja"), ("en", "yes"), ("de", "doch")] {
        store.put_now(&key("/a"), selected(value, body));
    }
    assert_eq!(bodies(&store, &key("/a")), ["doch", "yes"]);
}

#[test]
fn values_that_a_client_invents_do_not_fill_it() {
    let store = MemoryStore::new(KIB * 256);
    for number in 0..100 {
        store.put_now(&key("/a"), selected(&number.to_string(), "a"));
    }
    let variants = store.peek(&key("/a")).unwrap();
    assert_eq!(variants.as_slice().len(), 16);
    assert_eq!(variants.as_slice()[0].head().selecting, selected("99", "").head().selecting);
}

#[test]
fn touching_changes_the_head_alone() {
    let store = MemoryStore::new(KIB * 256);
    for (value, body) in [("de", "ja"), ("en", "yes")] {
        store.put_now(&key("/a"), selected(value, body));
    }
    let mut head = StoredHead::clone(selected("de", "").head());
    head.headers.insert(header::ETAG, "\"1\"".parse().unwrap());
    store.touch_now(&key("/a"), head.clone(), u64::MAX);
    store.touch_now(&key("/b"), head, u64::MAX);
    assert_eq!(bodies(&store, &key("/a")), ["ja", "yes"]);
    assert!(store.peek(&key("/a")).unwrap().as_slice()[0].head().headers.contains_key(header::ETAG));
    assert!(store.peek(&key("/b")).unwrap().is_empty());
}

#[test]
fn a_validation_does_not_undo_a_purge_that_came_after_it_was_asked_for() {
    let store = MemoryStore::new(KIB * 256);
    for (name, asked_before, stale) in [("before", true, true), ("after", false, false)] {
        store.put_now(&key("/a"), variant("a"));
        let early = store.epoch();
        store.purge_now(&Purge::everything().soft());
        let head = StoredHead::clone(variant("").head());
        store.touch_now(&key("/a"), head, if asked_before { early } else { store.epoch() });
        assert_eq!(store.peek(&key("/a")).unwrap().as_slice()[0].head().stale, stale, "{name}");
    }
}

#[test]
fn a_validation_says_nothing_of_a_response_that_came_after_it_was_asked_for() {
    let store = MemoryStore::new(KIB * 256);
    let at = |second| std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
    for (name, asked, freshened) in [("before", 9, false), ("after", 10, true)] {
        store.put_now(&key("/a"), Variant::new(StoredHead::new(http::StatusCode::OK, at(8), at(10)), StoredBody::whole([])));
        let mut head = StoredHead::new(http::StatusCode::OK, at(asked), at(11));
        head.headers.insert(header::ETAG, "\"1\"".parse().unwrap());
        store.touch_now(&key("/a"), head, u64::MAX);
        let variants = store.peek(&key("/a")).unwrap();
        assert_eq!(variants.as_slice()[0].head().headers.contains_key(header::ETAG), freshened, "{name}");
    }
}

#[test]
fn what_is_too_large_is_refused_counted_and_makes_the_older_go() {
    let store = MemoryStore::with_largest(KIB * 256, KIB * 16);
    store.put_now(&key("/a"), variant("a"));
    assert_eq!(store.put_now(&key("/a"), variant(vec![0; 16 * 1024])), Kept::TooLarge);
    assert!(bodies(&store, &key("/a")).is_empty());
    assert_eq!((store.stats().refused, store.stats().stored, store.stats().keys), (1, 1, 0));
}

#[test]
fn what_is_not_too_large_is_never_refused() {
    for (bytes, largest) in [(64, 16), (1024, 4), (1024, 256), (64 * 1024, 4 * 1024), (64 * 1024, 16 * 1024), (100_000, 3_000)] {
        let store = MemoryStore::with_largest(bytes * KIB, largest * KIB);
        let spare = store.stats().largest - variant("").weight();
        for number in 0..40 {
            let key = key(&format!("/{number}"));
            assert_eq!(store.put_now(&key, variant(vec![0; spare as usize])), Kept::Stored);
            assert_eq!(bodies(&store, &key).len(), 1, "of {bytes} KiB, {largest} KiB, number {number}");
            assert!(store.stats().bytes <= store.stats().capacity);
        }
    }
}

#[test]
fn many_large_variants_do_not_push_out_everything() {
    let store = MemoryStore::with_largest(KIB * 256, KIB * 16);
    let large = vec![0_u8; 15 * 1024];
    for number in 0..10 {
        let mut variant = selected(&number.to_string(), "").clone();
        variant = Variant::new(StoredHead::clone(variant.head()), StoredBody::whole([Bytes::from(large.clone())]));
        assert_eq!(store.put_now(&key("/a"), variant), Kept::Stored);
    }
    assert_eq!(store.peek(&key("/a")).unwrap().as_slice().len(), 2);
}

#[test]
fn purging() {
    let fill = || {
        let store = MemoryStore::new(KIB * 256);
        store.put_now(&key("http://a.example/img/1?x"), variant("1").with_tags(Tags::new(["red", "blue"])));
        store.put_now(&key("http://a.example/img/2"), variant("2").with_tags(Tags::new(["blue"])));
        store.put_now(&key_of("http://a.example/img/2", "alice"), variant("3"));
        store.put_now(&key_of("http://a.example/img/2", "bob"), variant("4"));
        store.put_now(&key("http://b.example/img/2"), variant("5"));
        store
    };
    for (name, purge, purged) in [
        ("a URL", Purge::url(&key("http://a.example/img/1?x")), 1),
        ("a URL without its query", Purge::url(&key("http://a.example/img/1")), 0),
        ("a URL, for all callers", Purge::url(&key("http://a.example/img/2")), 3),
        ("a URL, told by one caller's key", Purge::url(&key_of("http://a.example/img/2", "alice")), 3),
        ("a prefix", Purge::prefix(&key("http://a.example/img/")), 4),
        ("a prefix of another origin", Purge::prefix(&key("https://a.example/img/")), 0),
        ("a tag", Purge::tags(Tags::new(["blue"])), 2),
        ("tags", Purge::tags(Tags::new(["red", "blue", "green"])), 2),
        ("an unknown tag", Purge::tags(Tags::new(["green"])), 0),
        ("everything", Purge::everything(), 5),
    ] {
        let store = fill();
        assert_eq!(store.purge_now(&purge.clone().soft()), purged, "{name}");
        assert_eq!(store.stats().keys, 5, "{name}, softly");
        let stale = |key| store.peek(key).unwrap().as_slice().iter().filter(|variant| variant.head().stale).count();
        let keys: Vec<_> = store.0.cache.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.iter().map(stale).sum::<usize>(), purged, "{name}, softly");
        assert_eq!(store.purge_now(&purge), purged, "{name}");
        assert_eq!(store.stats().keys, 5 - purged as u64, "{name}");
        assert_eq!(store.purge_now(&purge), 0, "{name}, again");
    }
}

#[test]
fn a_tag_goes_with_the_variant_that_has_it() {
    let store = MemoryStore::new(KIB * 256);
    store.put_now(&key("/a"), selected("de", "ja").with_tags(Tags::new(["german"])));
    store.put_now(&key("/a"), selected("en", "yes").with_tags(Tags::new(["english"])));
    assert_eq!(store.purge_now(&Purge::tags(Tags::new(["german"]))), 1);
    assert_eq!(bodies(&store, &key("/a")), ["yes"]);
    store.put_now(&key("/a"), selected("en", "yes"));
    assert_eq!(store.purge_now(&Purge::tags(Tags::new(["english"]))), 0);
    assert!(store.writing().index.is_empty());
}

#[test]
fn what_is_purged_on_its_way_is_not_stored() {
    let tagged = |epoch| variant("a").with_tags(Tags::new(["blue"])).with_epoch(epoch);
    for (name, purge, kept) in [
        ("another URL", Purge::url(&key("/b")), Kept::Stored),
        ("its URL", Purge::url(&key("/a")), Kept::Purged),
        ("another tag", Purge::tags(Tags::new(["red"])), Kept::Stored),
        ("its tag", Purge::tags(Tags::new(["blue"])), Kept::Purged),
        ("everything", Purge::everything(), Kept::Purged),
    ] {
        let store = MemoryStore::new(KIB * 256);
        let before = store.epoch();
        store.purge_now(&purge);
        assert_eq!(store.put_now(&key("/a"), tagged(before)), kept, "{name}");
        assert_eq!(store.put_now(&key("/a"), tagged(store.epoch())), Kept::Stored, "{name}, asked for after it");
        let before = store.epoch();
        store.purge_now(&purge.soft());
        store.put_now(&key("/a"), tagged(before));
        assert_eq!(store.peek(&key("/a")).unwrap().as_slice()[0].head().stale, kept == Kept::Purged, "{name}, softly");
    }
}

#[test]
fn what_was_asked_for_before_too_many_purges_is_not_stored() {
    let store = MemoryStore::new(KIB * 256);
    let before = store.epoch();
    for number in 0..256 {
        store.purge_now(&Purge::url(&key(&format!("/{number}"))));
    }
    assert_eq!(store.put_now(&key("/a"), variant("a").with_epoch(before)), Kept::Stored);
    store.purge_now(&Purge::url(&key("/256")));
    assert_eq!(store.put_now(&key("/a"), variant("a").with_epoch(before)), Kept::Purged);
}

#[test]
fn what_gives_way_leaves_nothing_in_the_index() {
    let store = MemoryStore::new(KIB * 64);
    for number in 0..1000 {
        let uri = format!("/{number}");
        let tags = Tags::new([format!("tag {number}")]);
        store.put_now(&key_of(&uri, "alice"), variant(vec![0; 1000]).with_tags(tags));
    }
    let stats = store.stats();
    assert!(stats.evicted > 900 && stats.keys < 100 && stats.bytes <= stats.capacity, "{stats:?}");
    assert_eq!(store.purge_now(&Purge::everything()) as u64, stats.keys);
    assert!(store.writing().index.is_empty());
    assert_eq!((store.stats().keys, store.stats().bytes), (0, 0));
}

/// What it says it takes is what it takes: at most a fifth more, whatever is in it.
#[test]
fn it_counts_what_it_takes() {
    for (name, body, fields, tags) in
        [("bodies", 8 * 1024, 3, 0), ("small ones", 100, 3, 0), ("heads", 0, 40, 0), ("tags", 10, 0, 30), ("nothing", 0, 0, 0)]
    {
        let mut store = None;
        let counted = allocation_counter::measure(|| {
            let filled = MemoryStore::with_largest(8 * 1024 * KIB, 64 * KIB);
            for number in 0.. {
                let mut head = head();
                for field in 0..fields {
                    let name = HeaderName::try_from(format!("x-field-{field}")).unwrap();
                    head.headers.insert(name, format!("a value of {number}").parse().unwrap());
                }
                let tags = Tags::new((0..tags).map(|tag| format!("{number} {tag}")));
                let chunks = [Bytes::from(vec![0; body])];
                filled.put_now(&key(&format!("/{number}")), Variant::new(head, StoredBody::whole(chunks)).with_tags(tags));
                if filled.stats().evicted > filled.stats().keys {
                    break;
                }
            }
            store = Some(filled);
        });
        let stats = store.as_ref().unwrap().stats();
        assert!(stats.bytes * 10 > stats.capacity * 9, "{name}: {stats:?}");
        let taken = counted.bytes_current as u64;
        assert!(taken * 10 < stats.capacity * 12, "{name}: {taken} bytes taken, {stats:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put { key: u8, selecting: u8, tag: u8, size: u16 },
    Touch { key: u8, selecting: u8 },
    PurgeTag { tag: u8, soft: bool },
    PurgeUrl { key: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..20_u8, 0..3_u8, 0..4_u8, 0..5000_u16).prop_map(|(key, selecting, tag, size)| Step::Put { key, selecting, tag, size }),
        1 => (0..20_u8, 0..3_u8).prop_map(|(key, selecting)| Step::Touch { key, selecting }),
        1 => (0..4_u8, any::<bool>()).prop_map(|(tag, soft)| Step::PurgeTag { tag, soft }),
        1 => (0..20_u8).prop_map(|key| Step::PurgeUrl { key }),
    ]
}

proptest! {
    /// Whatever happens: it stays within its bytes, and the index knows all that is there and nothing else.
    #[test]
    fn the_index_and_the_responses_agree(steps in prop::collection::vec(step(), 0..100)) {
        let store = MemoryStore::new(64 * KIB);
        let selecting = |number: u8| selected(&number.to_string(), "");
        for step in steps {
            match step {
                Step::Put { key: number, selecting: which, tag, size } => {
                    let head = StoredHead::clone(selecting(which).head());
                    let variant = Variant::new(head, StoredBody::whole([Bytes::from(vec![0; size.into()])]));
                    store.put_now(&key_of(&format!("/{number}"), "alice"), variant.with_tags(Tags::new([tag.to_string()])));
                }
                Step::Touch { key: number, selecting: which } => {
                    store.touch_now(&key_of(&format!("/{number}"), "alice"), StoredHead::clone(selecting(which).head()), u64::MAX);
                }
                Step::PurgeTag { tag, soft } => {
                    let purge = Purge::tags(Tags::new([tag.to_string()]));
                    store.purge_now(&if soft { purge.soft() } else { purge });
                }
                Step::PurgeUrl { key: number } => {
                    store.purge_now(&Purge::url(&key(&format!("/{number}"))));
                    let left = bodies(&store, &key_of(&format!("/{number}"), "alice"));
                    prop_assert!(left.is_empty());
                }
            }
            prop_assert!(store.stats().bytes <= store.stats().capacity);
        }
        for tag in 0..4_u8 {
            store.purge_now(&Purge::tags(Tags::new([tag.to_string()])));
        }
        prop_assert_eq!(store.stats().keys, 0, "each has a tag");
        prop_assert!(store.writing().index.is_empty());
    }
}
