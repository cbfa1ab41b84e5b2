//! The adapter under the codec: what a peer sends is read, however it is made and cut.

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;
use tokio_tungstenite::tungstenite::Message;

use super::{
    harness::{MAX_MESSAGE, inflating, plain},
    head::{CONTINUATION, FIN, mask},
};
use crate::ws_upgrade::{deflate::Deflate, error::WsErrorKind};

const RSV1: u8 = 0x40;

/// One frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [first, 0x5a, 0, 0xc3];
    let mut wire = vec![first];
    match payload.len() {
        len @ 0..=125 => wire.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            wire.push(0x80 | 126);
            wire.extend((len as u16).to_be_bytes());
        }
        len => {
            wire.push(0x80 | 127);
            wire.extend((len as u64).to_be_bytes());
        }
    }
    wire.extend(key);
    let at = wire.len();
    wire.extend(payload);
    mask(&mut wire[at..], key, 0);
    wire
}

/// A message in fragments of at most `size` bytes, with a ping between two.
fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    let count = payload.len().div_ceil(size).max(1);
    let mut pieces = payload.chunks(size).chain(payload.is_empty().then_some(&[][..]));
    for at in 0..count {
        let first = if at == 0 { opcode } else { CONTINUATION } | if at + 1 == count { FIN } else { 0 };
        wire.extend(frame(first, pieces.next().unwrap()));
        if at + 1 < count {
            wire.extend(frame(FIN | 9, b"there?"));
        }
    }
    wire
}

/// As a client compresses that keeps its context.
fn deflated(stream: &mut Compress, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() * 2 + 100);
    stream.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    if message.is_empty() {
        return vec![0];
    }
    assert_eq!(out.split_off(out.len() - 4), [0, 0, 0xff, 0xff]);
    out
}

#[derive(Clone, Debug)]
struct Sent {
    message: Message,
    compressed: bool,
    fragment: usize,
}

fn sent() -> impl Strategy<Value = Sent> {
    let text = prop_oneof![any::<String>(), "[a-c]{0,40}", (1..9000_usize).prop_map(|length| "ä€𝄞x".repeat(length))];
    let message = prop_oneof![
        text.prop_map(Message::text),
        prop::collection::vec(any::<u8>(), 0..3000).prop_map(Message::binary),
        (0..60_000_usize).prop_map(|length| Message::binary(vec![7; length])),
    ];
    (message, any::<bool>(), prop_oneof![1..40_usize, 40..70_000_usize])
        .prop_map(|(message, compressed, fragment)| Sent { message, compressed, fragment })
        .prop_filter("within the limit", |sent| sent.message.len() <= MAX_MESSAGE)
}

fn wire(sent: &[Sent], may_compress: bool) -> (Vec<u8>, Vec<Message>) {
    let (mut wire, mut expected) = (Vec::new(), Vec::new());
    let mut stream = Compress::new_with_window_bits(Compression::new(6), false, 15);
    for Sent { message, compressed, fragment } in sent {
        let opcode = if message.is_text() { 1 } else { 2 };
        let payload = message.clone().into_data();
        // Not so many that the test is about pings.
        let size = |length: usize| (*fragment).max(length / 20);
        if *compressed && may_compress {
            let payload = deflated(&mut stream, &payload);
            wire.extend(fragments(RSV1 | opcode, &payload, size(payload.len())));
        } else {
            wire.extend(fragments(opcode, &payload, size(payload.len())));
        }
        expected.push(message.clone());
    }
    (wire, expected)
}

fn without_pings(messages: Vec<Message>) -> Vec<Message> {
    messages.into_iter().filter(|message| !message.is_ping()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_message_survives_any_cut(sent in prop::collection::vec(sent(), 0..6), sizes in prop::collection::vec(1..6000_usize, 1..20)) {
        let (bytes, expected) = wire(&sent, false);
        let (read, end) = plain(&bytes, &sizes);
        prop_assert_eq!(without_pings(read), &expected[..]);
        prop_assert_eq!(end, WsErrorKind::Connection);

        let (bytes, expected) = wire(&sent, true);
        let (read, end) = inflating(&bytes, &sizes, Deflate::new());
        prop_assert_eq!(without_pings(read), expected);
        prop_assert_eq!(end, WsErrorKind::Connection);
    }

    #[test]
    fn hostile_bytes_are_read_the_same_however_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![Just(0xc1_u8), Just(0x81), Just(0x80), Just(0x01), any::<u8>()], 0..300),
        sizes in prop::collection::vec(1..20_usize, 1..8),
    ) {
        prop_assert_eq!(plain(&bytes, &sizes).0, plain(&bytes, &[usize::MAX]).0);
        prop_assert_eq!(inflating(&bytes, &sizes, Deflate::lean()).0, inflating(&bytes, &[usize::MAX], Deflate::lean()).0);
    }
}

#[test]
fn faults_of_compressed_messages() {
    let mut stream = Compress::new_with_window_bits(Compression::new(6), false, 15);
    let good = deflated(&mut stream, b"hello");
    let bomb = deflated(&mut Compress::new_with_window_bits(Compression::new(9), false, 15), &vec![0; MAX_MESSAGE + 1]);
    for (row, bytes, expected) in [
        ("rubbish", frame(FIN | RSV1 | 1, &[0xff; 8]), WsErrorKind::Deflate),
        (
            "not UTF-8",
            frame(FIN | RSV1 | 1, &deflated(&mut Compress::new(Compression::new(6), false), b"\xff\xfe")),
            WsErrorKind::InvalidUtf8,
        ),
        ("one byte over the limit", frame(FIN | RSV1 | 2, &bomb), WsErrorKind::TooBig),
        ("RSV1 on a continuation", [frame(RSV1 | 1, &good), frame(FIN | RSV1, b"")].concat(), WsErrorKind::Protocol),
        ("RSV1 on a ping", frame(FIN | RSV1 | 9, b""), WsErrorKind::Protocol),
        ("RSV2 as well", frame(FIN | RSV1 | 0x20 | 1, &good), WsErrorKind::Protocol),
        ("a message within a compressed one", [frame(RSV1 | 1, b""), frame(FIN | 1, b"x")].concat(), WsErrorKind::Protocol),
        ("a compressed message within another", [frame(1, b""), frame(FIN | RSV1 | 1, &good)].concat(), WsErrorKind::Protocol),
        ("without a key", [vec![FIN | RSV1 | 1, good.len() as u8], good.clone()].concat(), WsErrorKind::Protocol),
    ] {
        assert_eq!(inflating(&bytes, &[usize::MAX], Deflate::new()), (vec![], expected), "{row}");
    }
}

#[test]
fn nobody_who_has_not_agreed_may_compress() {
    let bytes = frame(FIN | RSV1 | 1, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    assert_eq!(plain(&bytes, &[usize::MAX]), (vec![], WsErrorKind::Protocol));
}

/// [RFC 7692 §7.2.3](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.3): each of its examples of a compressed "Hello".
#[test]
fn the_examples_of_the_standard() {
    let twice = [frame(FIN | RSV1 | 1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"), frame(FIN | RSV1 | 1, b"\xf2\x00\x11\x00\x00")].concat();
    for (row, bytes, count) in [
        ("one block", frame(FIN | RSV1 | 1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"), 1),
        ("two fragments", [frame(RSV1 | 1, b"\xf2\x48\xcd"), frame(FIN, b"\xc9\xc9\x07\x00")].concat(), 1),
        ("with the context of the first", twice, 2),
        ("not compressed", frame(FIN | RSV1 | 1, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), 1),
        ("with BFINAL", frame(FIN | RSV1 | 1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 1),
        ("two blocks", frame(FIN | RSV1 | 1, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), 1),
    ] {
        let expected = vec![Message::text("Hello"); count];
        assert_eq!(inflating(&bytes, &[usize::MAX], Deflate::new()).0, expected, "{row}");
        assert_eq!(inflating(&bytes, &[1], Deflate::new()).0, expected, "{row}, byte by byte");
    }
}

#[test]
fn a_client_that_goes_on_after_the_end_of_a_stream_is_understood() {
    let message = frame(FIN | RSV1 | 1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00");
    let read = inflating(&message.repeat(3), &[usize::MAX], Deflate::new()).0;
    assert_eq!(read, vec![Message::text("Hello"); 3]);
}
