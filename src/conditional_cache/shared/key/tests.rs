use super::*;
use proptest::prelude::*;

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

#[track_caller]
fn key(policy: &KeyPolicy, uri: &str, fields: &[(&'static str, &str)]) -> Option<CacheKey> {
    policy.key(&uri.parse().unwrap(), &headers(fields), None)
}

fn caller(issuer: Option<&str>, subject: &str) -> Principal {
    let principal = Principal::builder().subject(subject);
    match issuer {
        Some(issuer) => principal.issuer(issuer).build(),
        None => principal.build(),
    }
}

#[test]
fn what_is_one_url_and_what_is_not() {
    let policy = KeyPolicy::new();
    for (name, one, other, same) in [
        ("letter case of the host", ("/a", "Example.COM"), ("/a", "example.com"), true),
        ("the scheme's own port", ("/a", "example.com:80"), ("/a", "example.com"), true),
        ("an empty port", ("/a", "example.com:"), ("/a", "example.com"), true),
        ("another port", ("/a", "example.com:8080"), ("/a", "example.com"), false),
        ("another scheme's port", ("/a", "example.com:443"), ("/a", "example.com"), false),
        ("another host", ("/a", "a.example"), ("/a", "b.example"), false),
        ("absolute and origin form", ("http://example.com/a", "example.com"), ("/a", "example.com"), true),
        ("another scheme", ("https://example.com/a", "example.com"), ("/a", "example.com"), false),
        ("letter case of the path", ("/A", "example.com"), ("/a", "example.com"), false),
        ("an escape that is none", ("/%61", "example.com"), ("/a", "example.com"), false),
        ("dots in the path", ("/b/../a", "example.com"), ("/a", "example.com"), false),
        ("an empty query", ("/a?", "example.com"), ("/a", "example.com"), false),
        ("the order of parameters", ("/a?x&y", "example.com"), ("/a?y&x", "example.com"), false),
        ("path against query", ("/a/b?c", "example.com"), ("/a?b/c", "example.com"), false),
        ("an address", ("/", "[::1]:80"), ("/", "[::1]"), true),
    ] {
        let one = key(&policy, one.0, &[("host", one.1)]).unwrap();
        let other = key(&policy, other.0, &[("host", other.1)]).unwrap();
        assert_eq!(one == other, same, "{name}");
    }
}

#[test]
fn a_request_of_two_authorities_has_no_key() {
    let policy = KeyPolicy::new();
    let mut twice = headers(&[("host", "a.example")]);
    twice.append(header::HOST, "a.example".parse().unwrap());
    assert_eq!(policy.key(&Uri::from_static("/"), &twice, None), None);
    assert_eq!(key(&policy, "http://a.example/", &[("host", "b.example")]), None);
    assert_eq!(key(&policy, "http://user@a.example/", &[]), None);
    assert_ne!(key(&policy, "/", &[]), key(&policy, "/", &[("host", "a.example")]));
}

#[test]
fn callers_never_share() {
    let policy = KeyPolicy::new();
    let uri = Uri::from_static("/me");
    let of = |principal: &Principal| policy.key(&uri, &HeaderMap::new(), Some(principal)).unwrap();
    let everyone = policy.key(&uri, &HeaderMap::new(), None).unwrap();
    let keys = [
        everyone.clone(),
        of(&caller(None, "alice")),
        of(&caller(None, "bob")),
        of(&caller(Some(""), "alice")),
        of(&caller(Some("a"), "lice")),
        of(&caller(Some("b"), "lice")),
        of(&Principal::builder().subject("alice").scopes(["read"]).build()),
        of(&Principal::builder().subject("alice").scopes(["read", "write"]).build()),
        of(&Principal::builder().subject("alice").scopes(["readwrite"]).build()),
    ];
    for (number, one) in keys.iter().enumerate() {
        assert!(keys[number + 1..].iter().all(|other| one != other), "{number}");
        assert!(one.same_url(&everyone));
        assert_eq!(one.is_divided(), number > 0);
    }
    assert_eq!(policy.key(&uri, &HeaderMap::new(), Some(&Principal::builder().issuer("a").build())), None);
}

#[test]
fn fields_divide() {
    let policy = KeyPolicy::new().field(HeaderName::from_static("x-one")).field(HeaderName::from_static("x-two"));
    let of = |fields: &[(&'static str, &str)]| key(&policy, "/", fields).unwrap();
    assert_ne!(of(&[]), of(&[("x-one", "")]));
    assert_ne!(of(&[("x-one", "a")]), of(&[("x-two", "a")]));
    assert_eq!(of(&[("x-one", "a"), ("x-three", "b")]), of(&[("x-one", "a")]));
}

#[test]
fn what_selects_divides() {
    let key = key(&KeyPolicy::new(), "/a", &[]).unwrap();
    let of = |parts: &[&'static [u8]]| key.divided_by(parts.iter().copied());
    let keys = [key.clone(), of(&[]), of(&[b""]), of(&[b"de"]), of(&[b"d", b"e"]), of(&[b"d", b"e", b""])];
    for (number, one) in keys.iter().enumerate() {
        assert!(keys[number + 1..].iter().all(|other| one != other), "{number}");
        assert!(one.same_url(&key));
    }
    assert_eq!(of(&[b"de"]), of(&[b"de"]));
}

#[test]
fn below_is_of_the_same_origin() {
    let policy = KeyPolicy::new();
    let of = |uri: &str| key(&policy, uri, &[]).unwrap();
    let images = of("http://a.example/images/");
    assert!(of("http://a.example/images/1?size=2").is_below(&images));
    assert!(!of("http://a.example/image").is_below(&images));
    assert!(!of("http://a.example.evil/images/1").is_below(&images));
    assert!(!of("https://a.example/images/1").is_below(&images));
}

#[test]
fn debug_says_nothing_of_the_query() {
    assert!(!format!("{:?}", key(&KeyPolicy::new(), "/?secret", &[])).contains("secret"));
}

#[test]
fn a_key_is_one_allocation() {
    let policy = KeyPolicy::new().ignore_query(["utm_source"]).field(HeaderName::from_static("x-one"));
    let uri = Uri::from_static("/articles/1?page=2&utm_source=x");
    let headers = headers(&[("host", "Example.com:80"), ("x-one", "a")]);
    let alice = caller(Some("https://login.example"), "alice");
    let counted = allocation_counter::measure(|| assert!(policy.key(&uri, &headers, Some(&alice)).is_some()));
    assert_eq!(counted.count_total, 1);
}

proptest! {
    /// Two requests have one key only if all that is in it is equal: no text can be moved over a border.
    #[test]
    fn nothing_moves_from_part_to_part(
        one in ("[ab:/]{0,3}", "[ab]{0,2}", proptest::option::of("[ab&=]{0,2}"), "[ab]{1,2}", proptest::option::of("[ab]{0,2}")),
        other in ("[ab:/]{0,3}", "[ab]{0,2}", proptest::option::of("[ab&=]{0,2}"), "[ab]{1,2}", proptest::option::of("[ab]{0,2}")),
    ) {
        let of = |(host, path, query, subject, issuer): &(String, String, Option<String>, String, Option<String>)| {
            let uri = match query {
                Some(query) => format!("/{path}?{query}"),
                None => format!("/{path}"),
            };
            let fields = headers(&[("host", host)]);
            KeyPolicy::new().key(&uri.parse().unwrap(), &fields, Some(&caller(issuer.as_deref(), subject))).unwrap()
        };
        let alike = |(host, path, query, subject, issuer): &(String, String, Option<String>, String, Option<String>)| {
            (host.strip_suffix(':').unwrap_or(host).to_owned(), path.clone(), query.clone(), subject.clone(), issuer.clone())
        };
        prop_assert_eq!(of(&one) == of(&other), alike(&one) == alike(&other));
        prop_assert_eq!(CacheKey::from_bytes(of(&one).as_bytes()), Some(of(&one)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Some(key) = CacheKey::from_bytes(&bytes) {
            prop_assert_eq!(key.as_bytes(), &bytes[..]);
            prop_assert!(key.same_url(&key) && key.is_below(&key));
        }
    }
}
