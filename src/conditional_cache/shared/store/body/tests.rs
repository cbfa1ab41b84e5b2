use proptest::prelude::*;

use super::*;

fn part(start: u64, text: &'static str, length: Option<u64>) -> StoredBody {
    StoredBody::part(start, Bytes::from_static(text.as_bytes()), length).unwrap()
}

fn text(body: &StoredBody) -> Vec<(u64, String)> {
    body.pieces().map(|(start, piece)| (start, String::from_utf8(piece.to_vec()).unwrap())).collect()
}

#[test]
fn a_whole_content_of_one_piece_costs_no_allocation() {
    let body = StoredBody::whole([Bytes::from_static(b"abc")]);
    let (mut clone, mut found) = (None, None);
    let counted = allocation_counter::measure(|| {
        clone = Some(body.clone());
        found = body.find(1);
    });
    assert_eq!((counted.count_total, found.unwrap()), (0, Bytes::from_static(b"bc")));
}

#[test]
fn what_is_there() {
    let whole = StoredBody::whole(["ab", "", "cde"].map(Bytes::from));
    assert_eq!((whole.complete_length(), whole.stored_length(), whole.is_whole()), (Some(5), 5, true));
    assert_eq!(whole.find(1).as_deref(), Some(&b"b"[..]));
    assert_eq!(whole.find(2).as_deref(), Some(&b"cde"[..]));
    assert_eq!(whole.find(5), None);
    assert!(whole.holds(0..5) && whole.holds(2..3) && !whole.holds(2..6));

    let partial = part(2, "cd", Some(10)).combined(&part(6, "g", None)).unwrap();
    assert_eq!((partial.complete_length(), partial.stored_length(), partial.is_whole()), (Some(10), 3, false));
    assert!(partial.holds(2..4) && partial.holds(3..4) && partial.holds(6..7));
    assert!(!partial.holds(1..3) && !partial.holds(3..5) && !partial.holds(2..7) && !partial.holds(7..8));
    assert_eq!((partial.find(1), partial.find(3), partial.find(4)), (None, Some(Bytes::from_static(b"d")), None));
}

#[test]
fn a_part_lies_within_its_content() {
    assert!(StoredBody::part(8, Bytes::from_static(b"abc"), Some(10)).is_none());
    assert!(StoredBody::part(u64::MAX, Bytes::from_static(b"a"), None).is_none());
    assert!(StoredBody::part(0, Bytes::new(), Some(10)).is_none());
    assert!(part(0, "abc", Some(3)).is_whole());
    assert!(!part(0, "abc", None).is_whole());
}

#[test]
fn parts_become_one() {
    for (name, old, new, expected) in [
        ("apart", part(0, "ab", None), part(3, "d", None), vec![(0, "ab"), (3, "d")]),
        ("touching", part(0, "ab", None), part(2, "c", None), vec![(0, "abc")]),
        ("touching from before", part(2, "c", None), part(0, "ab", None), vec![(0, "abc")]),
        ("overlapping", part(0, "abc", None), part(2, "CD", None), vec![(0, "abCD")]),
        ("within", part(0, "abcd", None), part(1, "BC", None), vec![(0, "aBCd")]),
        ("around", part(1, "b", None), part(0, "ABC", None), vec![(0, "ABC")]),
        ("all of it", part(0, "ab", Some(3)), part(2, "c", Some(3)), vec![(0, "abc")]),
        ("all of it at once", part(0, "ab", Some(3)), StoredBody::whole([Bytes::from("xyz")]), vec![(0, "xyz")]),
    ] {
        let combined = old.combined(&new).unwrap();
        assert_eq!(text(&combined), expected.into_iter().map(|(at, text)| (at, text.to_owned())).collect::<Vec<_>>(), "{name}");
        assert_eq!(combined.is_whole(), name.starts_with("all"), "{name}");
    }
    assert!(part(0, "ab", Some(3)).combined(&part(2, "c", Some(4))).is_none());
    assert!(part(0, "ab", Some(3)).combined(&part(2, "cde", None)).is_none());
}

#[test]
fn a_copy_has_memory_of_its_own_size() {
    let large = Bytes::from(vec![7; 1 << 20]);
    let mut copy = None;
    let counted = allocation_counter::measure(|| copy = Some(StoredBody::copied(&[large.slice(10..13), large.slice(0..2)])));
    assert_eq!(copy.as_ref().unwrap().stored_length(), 5);
    assert!(counted.bytes_current < 100, "{counted:?}");
    let copy = StoredBody::copied(&[large.slice(1..), large.clone()]);
    assert_eq!(copy.stored_length(), (2 << 20) - 1);
    assert_eq!(copy.pieces().map(|(_, piece)| piece.len()).max(), Some(PIECE));
}

proptest! {
    /// Parts put together byte by byte say the same.
    #[test]
    fn combining_is_writing_over(parts in prop::collection::vec((0..20_u64, 1..10_usize), 1..8)) {
        let mut model = [None; 40];
        let mut combined: Option<StoredBody> = None;
        for (number, (start, length)) in parts.into_iter().enumerate() {
            let byte = number as u8;
            model[start as usize..start as usize + length].fill(Some(byte));
            let part = StoredBody::part(start, vec![byte; length].into(), None).unwrap();
            combined = Some(combined.map_or(part.clone(), |so_far| so_far.combined(&part).unwrap()));
        }
        let combined = combined.unwrap();
        for (position, byte) in model.iter().enumerate() {
            prop_assert_eq!(combined.find(position as u64).map(|bytes| bytes[0]), *byte);
            prop_assert_eq!(combined.holds(position as u64..position as u64 + 1), byte.is_some());
        }
        let pieces: Vec<_> = combined.pieces().map(|(start, piece)| (start, start + piece.len() as u64)).collect();
        prop_assert!(pieces.windows(2).all(|pair| pair[0].1 < pair[1].0), "what touches is one part");
    }
}
