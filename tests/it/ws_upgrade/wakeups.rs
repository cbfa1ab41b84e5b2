//! Whoever waits is woken when it can go on, whoever else reads, writes, gives up or watches over the same connection.
//!
//! The handler's two halves are polled by hand and only when their wakers were woken, over a connection that takes little at a time and
//! remembers one waker of each side, as it may. When nothing moves any more, nobody may be waiting for what is there.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use donjon::ws_upgrade::{Deflate, Limits, Message, SlowConsumer, Timeouts, WsHandle, WsSocket, WsUpgradeLayer};
use futures_util::{Sink as _, Stream as _};
use proptest::prelude::*;
use tokio::{sync::mpsc, task::yield_now, time::advance};

use super::{app, frame, serve_over};
use crate::support::pipe::{Far, pipe};

const EVERY: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
enum Step {
    PollReader,
    PollWriter,
    RunSession,
    /// The handler sends so much, unless it does already.
    Send(usize),
    /// The handler sends so much, if there is room at once, and flushes it with what it sends later.
    Feed(usize),
    /// The handler no longer waits for what it sends.
    GiveUp,
    /// The halves are polled by other tasks from now on.
    Move,
    /// Somebody else sends.
    Queue(usize),
    PeerReads(usize),
    PeerSends(usize),
    PeerPings,
    /// So much of what the peer sends arrives.
    Arrives(usize),
    Heartbeat,
    /// The connection asks so many times to be polled again, as one does whose task has had its share.
    Tire(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::PollReader),
        4 => Just(Step::PollWriter),
        4 => Just(Step::RunSession),
        3 => (1..9000_usize).prop_map(Step::Send),
        1 => (1..9000_usize).prop_map(Step::Feed),
        1 => Just(Step::GiveUp),
        1 => Just(Step::Move),
        2 => (1..6000_usize).prop_map(Step::Queue),
        5 => (1..4000_usize).prop_map(Step::PeerReads),
        2 => (0..120_usize).prop_map(Step::PeerSends),
        2 => Just(Step::PeerPings),
        4 => (1..300_usize).prop_map(Step::Arrives),
        1 => Just(Step::Heartbeat),
        1 => (1..4_usize).prop_map(Step::Tire),
    ]
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One who waits. Polled at first, and again when it was woken.
struct Task {
    woken: Arc<Woken>,
    waker: Waker,
}

impl Task {
    fn new() -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self { waker: Waker::from(Arc::clone(&woken)), woken }
    }

    fn is_due(&self) -> bool {
        self.woken.0.swap(false, Ordering::SeqCst)
    }
}

enum Sending {
    Nothing,
    Waits(String),
    Flushes,
}

struct World {
    far: Far,
    reader: Task,
    writer: Task,
    /// Both halves: what splits it into two would keep a message back.
    socket: WsSocket,
    handle: WsHandle,
    sending: Sending,
    /// What the peer has to send that has not arrived.
    outgoing: Vec<u8>,
    numbers: u64,
    pings: u8,
    asked: Vec<String>,
    queued: Vec<String>,
    said: Vec<String>,
    heard: Vec<String>,
    read: Vec<u8>,
}

impl World {
    async fn new(deflate: bool, holds: bool) -> Self {
        let limits = Limits::default().max_message_size(16 * 1024).queue_messages(1000).queue_bytes(100_000_000);
        let timeouts = Timeouts::default().heartbeat(EVERY, TIMEOUT).write(Duration::from_secs(1_000_000));
        let mut layer = WsUpgradeLayer::builder().limits(limits).timeouts(timeouts).slow_consumer(SlowConsumer::Wait);
        if deflate {
            layer = layer.deflate(Deflate::new());
        }
        let (send, mut sockets) = mpsc::channel(1);
        let hand_out = move |socket: WsSocket| async move { send.send(socket).await.map_err(|_| ()).unwrap() };
        let (near, far) = pipe(holds);
        serve_over(near, app(&layer.build().unwrap(), hand_out));
        far.open(if deflate { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" }).await;
        let socket = sockets.recv().await.unwrap();
        let handle = socket.handle();
        Self {
            far,
            reader: Task::new(),
            writer: Task::new(),
            socket,
            handle,
            sending: Sending::Nothing,
            outgoing: Vec::new(),
            numbers: 0,
            pings: 0,
            asked: Vec::new(),
            queued: Vec::new(),
            said: Vec::new(),
            heard: Vec::new(),
            read: Vec::new(),
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::PollReader => self.poll_reader(),
            Step::PollWriter => self.poll_writer(),
            Step::RunSession => yield_now().await,
            Step::Send(length) => {
                if matches!(self.sending, Sending::Nothing) {
                    self.sending = Sending::Waits(self.text('h', length));
                    self.writer = Task::new();
                }
            }
            Step::Feed(length) => self.feed(length),
            Step::GiveUp => self.sending = Sending::Nothing,
            Step::Move => (self.reader, self.writer) = (Task::new(), Task::new()),
            Step::Queue(length) => {
                let text = self.text('q', length);
                self.handle.try_send(text.clone()).unwrap();
                self.queued.push(text);
            }
            Step::PeerReads(size) => self.read.extend(self.far.read(size)),
            Step::PeerSends(length) => {
                let text = self.text('p', length);
                self.outgoing.extend(frame(0x81, &text.as_bytes()[..text.len().min(125)]));
                self.said.push(text[..text.len().min(125)].to_owned());
            }
            Step::PeerPings => {
                self.pings += 1;
                self.outgoing.extend(frame(0x89, &[self.pings]));
            }
            Step::Arrives(size) => {
                let size = size.min(self.outgoing.len());
                self.far.write(self.outgoing.drain(..size));
            }
            Step::Heartbeat => {
                self.far.tire(0);
                advance(EVERY).await;
                self.outgoing.extend(frame(0x8a, b""));
                let size = self.outgoing.len();
                self.far.write(self.outgoing.drain(..size));
                advance(TIMEOUT).await;
            }
            Step::Tire(times) => self.far.tire(times),
        }
    }

    /// Of which nothing can be compressed.
    fn text(&mut self, who: char, length: usize) -> String {
        self.numbers += 1;
        let mut state = self.numbers;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(33 + (state >> 57) as u8 % 90)
        };
        format!("{who}{}:{}", self.numbers, (0..length).map(|_| next()).collect::<String>())
    }

    fn poll_reader(&mut self) {
        if !self.reader.is_due() {
            return;
        }
        let mut cx = Context::from_waker(&self.reader.waker);
        while let Poll::Ready(received) = Pin::new(&mut self.socket).poll_next(&mut cx) {
            if let Message::Text(text) = received.unwrap().unwrap() {
                self.heard.push(text.to_string());
            }
        }
    }

    fn poll_writer(&mut self) {
        if !self.writer.is_due() {
            return;
        }
        let mut cx = Context::from_waker(&self.writer.waker);
        let mut sink = Pin::new(&mut self.socket);
        if let Sending::Waits(text) = &self.sending {
            let Poll::Ready(ready) = sink.as_mut().poll_ready(&mut cx) else { return };
            ready.unwrap();
            self.asked.push(text.clone());
            sink.as_mut().start_send(text.clone().into()).unwrap();
            self.sending = Sending::Flushes;
        }
        if let Sending::Flushes = self.sending
            && let Poll::Ready(flushed) = sink.poll_flush(&mut cx)
        {
            flushed.unwrap();
            self.sending = Sending::Nothing;
        }
    }

    fn feed(&mut self, length: usize) {
        if !matches!(self.sending, Sending::Nothing) {
            return;
        }
        let text = self.text('h', length);
        let mut sink = Pin::new(&mut self.socket);
        if let Poll::Ready(ready) = sink.as_mut().poll_ready(&mut Context::from_waker(&self.writer.waker)) {
            ready.unwrap();
            sink.start_send(text.clone().into()).unwrap();
            self.asked.push(text);
        }
    }

    /// Goes on until nobody wants to.
    async fn quiet(&mut self) {
        loop {
            let before = self.far.polls();
            self.poll_reader();
            self.poll_writer();
            for _ in 0..8 {
                yield_now().await;
            }
            let woken = [&self.reader, &self.writer].iter().any(|task| task.woken.0.load(Ordering::SeqCst));
            if !woken && self.far.polls() == before {
                return;
            }
        }
    }

    fn nobody_waits_in_vain(&self) {
        assert_eq!(self.far.unread(), 0, "what has come is read");
        if self.far.has_room() {
            assert!(matches!(self.sending, Sending::Nothing), "the handler waits in `send`");
            assert_eq!(self.handle.queued(), 0, "the queue waits");
        }
    }

    /// What was only fed waits for this.
    async fn flush(&mut self) {
        (self.sending, self.writer) = (Sending::Flushes, Task::new());
        self.finish().await;
    }

    /// The peer takes and sends everything.
    async fn finish(&mut self) {
        let rest = self.outgoing.split_off(0);
        self.far.write(rest.into_iter());
        loop {
            self.quiet().await;
            self.nobody_waits_in_vain();
            let read = self.far.read(700);
            if read.is_empty() {
                return;
            }
            self.read.extend(read);
        }
    }
}

/// The texts of a server's frames and the last pong.
fn decode(mut bytes: &[u8]) -> (Vec<String>, Option<u8>) {
    let mut inflater = flate2::Decompress::new(false);
    let (mut texts, mut pong) = (Vec::new(), None);
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            short => (usize::from(*short), rest),
        };
        let (payload, after) = rest.split_at(length);
        bytes = after;
        match first {
            0x8a => pong = Some(payload[0]),
            0x89 => assert!(payload.is_empty(), "a heartbeat"),
            0x81 => texts.push(String::from_utf8(payload.to_vec()).unwrap()),
            0xc1 => {
                let mut text = Vec::with_capacity(32 * 1024);
                let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
                inflater.decompress_vec(&whole, &mut text, flate2::FlushDecompress::Sync).unwrap();
                texts.push(String::from_utf8(text).unwrap());
            }
            other => panic!("{other:#x} is no frame of this test"),
        }
    }
    (texts, pong)
}

async fn run(deflate: bool, holds: bool, room: usize, steps: Vec<Step>) {
    let mut world = World::new(deflate, holds).await;
    world.far.limit(room);
    for step in steps {
        world.take(step).await;
    }
    world.finish().await;
    world.flush().await;
    if world.pings > 0 {
        // What was given up may be in the way of it.
        assert!(decode(&world.read).1 == Some(world.pings), "the last ping is answered");
    }
    world.take(Step::Heartbeat).await;
    world.finish().await;
    let (texts, _) = decode(&world.read);
    let of = |who: char| texts.iter().filter(|text| text.starts_with(who)).cloned().collect::<Vec<_>>();
    assert_eq!(of('h'), world.asked, "what the handler has sent");
    assert_eq!(of('q'), world.queued, "what others have sent");
    assert_eq!(world.heard, world.said, "what the peer has sent");
    assert!(!world.handle.is_closed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn nobody_who_can_go_on_is_left_waiting(
        deflate: bool,
        holds: bool,
        room in prop_oneof![1..40_usize, 40..3000_usize],
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(deflate, holds, room, steps));
    }
}

/// What is fed makes the codec write, with a waker that is nobody's any more.
#[tokio::test(start_paused = true)]
async fn a_queue_that_waits_is_not_forgotten_over_what_is_fed() {
    let mut world = World::new(false, true).await;
    world.far.limit(100);
    // At first the codec still knows who has opened the connection, and later who has flushed.
    for round in 0..3 {
        world.take(Step::Feed(1)).await;
        world.flush().await;
        world.take(Step::Queue(400)).await;
        world.quiet().await;
        world.take(Step::Feed(8000)).await;
        world.finish().await;
        let queued = world.queued[round].as_bytes();
        assert!(world.read.windows(queued.len()).any(|read| read == queued), "it waits in round {round}");
        world.flush().await;
    }
}
