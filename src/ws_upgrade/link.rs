//! What reaches a socket's session from elsewhere: messages to send, a principal to follow.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{
    error::WsErrorKind,
    limits::Limits,
    message::{Message, Parcel},
};
use crate::core::Principal;

/// What happens when a socket is sent more, by a [`WsHandle`](super::WsHandle) or a room, than its peer takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// The sender waits for room.
    Wait,
    /// The oldest messages of the queue make room, and are counted. For data of which the newest matters.
    DropOldest,
    /// The socket is closed with 1013: whoever cannot follow connects anew and is told the whole state. The default.
    #[default]
    Disconnect,
}

/// What became of an offered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// In the queue, in place of so many older ones.
    Queued { dropped: usize },
    /// There is no room.
    Full,
    /// The socket has ended.
    Ended,
}

/// What has come since the session looked last.
#[derive(Debug)]
pub(super) struct Attended {
    /// Whether messages wait to be sent.
    pub(super) waiting: bool,
    /// The principal, if it was changed.
    pub(super) renewed: Option<Option<Principal>>,
}

/// The next to be sent.
#[derive(Debug)]
pub(super) struct Popped {
    pub(super) parcel: Option<Parcel>,
    /// Whether others wait behind it.
    pub(super) more: bool,
}

impl Popped {
    /// A ping, which goes before the others.
    pub(super) fn ping() -> Self {
        Self { parcel: Some(Message::Ping(Bytes::new()).into()), more: true }
    }
}

#[derive(Debug)]
pub(super) struct Link {
    policy: SlowConsumer,
    max_messages: usize,
    max_bytes: usize,
    state: Mutex<State>,
    /// Tells of room, of an expiry and of the end. Whoever stops waiting is forgotten.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Parcel>,
    bytes: usize,
    dropped: u64,
    ended: bool,
    session: Option<Waker>,
    principal: Option<Principal>,
    renewed: bool,
    expiring: bool,
}

impl Link {
    pub(super) fn new(policy: SlowConsumer, limits: &Limits, principal: Option<Principal>) -> Self {
        let (max_messages, max_bytes) = limits.queue();
        let state = Mutex::new(State { principal, ..State::default() });
        Self { policy, max_messages, max_bytes, state, changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Wakers are dropped and woken outside of the lock; nothing in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn policy(&self) -> SlowConsumer {
        self.policy
    }

    /// Queues a message as the policy wants it; [`Full`](Offered::Full) leaves to the caller what to do.
    pub(super) fn offer(&self, parcel: Parcel) -> Offered {
        let mut state = self.state();
        if state.ended {
            return Offered::Ended;
        }
        let bytes = parcel.message.as_bytes().len();
        let before = state.queue.len();
        while !self.has_room(&state, bytes) {
            if self.policy != SlowConsumer::DropOldest {
                return Offered::Full;
            }
            state.pop();
        }
        let dropped = before - state.queue.len();
        state.dropped += dropped as u64;
        state.bytes += bytes;
        state.queue.push_back(parcel);
        let session = state.session.take();
        drop(state);
        session.into_iter().for_each(Waker::wake);
        Offered::Queued { dropped }
    }

    async fn until(&self, come: impl Fn(&State) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Before the look, so that nothing is missed in between.
            changed.as_mut().enable();
            if come(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// Whatever its size, one message finds room when there is no other.
    fn has_room(&self, state: &State, bytes: usize) -> bool {
        state.queue.is_empty() || (state.queue.len() < self.max_messages && state.bytes.saturating_add(bytes) <= self.max_bytes)
    }

    /// Waits until an offer of so many bytes need not fail for want of room.
    pub(super) async fn room(&self, bytes: usize) {
        self.until(|state| state.ended || self.has_room(state, bytes)).await;
    }

    /// For the session: the next message, of which those who wait for room are told.
    pub(super) fn pop(&self) -> Option<Parcel> {
        let next = self.take();
        self.announce_room();
        next.parcel
    }

    /// For the session: the next message; whoever takes it holds a lock, and announces the room later.
    pub(super) fn take(&self) -> Popped {
        let mut state = self.state();
        let parcel = state.pop();
        Popped { parcel, more: !state.queue.is_empty() }
    }

    pub(super) fn announce_room(&self) {
        // How much room is enough, only the one who waits knows.
        if self.policy == SlowConsumer::Wait {
            self.changed.notify_waiters();
        }
    }

    /// For the session: what has come, and to be woken by everything that comes.
    pub(super) fn attend(&self, cx: &Context<'_>) -> Attended {
        let mut state = self.state();
        match &mut state.session {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let renewed = std::mem::take(&mut state.renewed).then(|| state.principal.clone());
        Attended { waiting: !state.queue.is_empty(), renewed }
    }

    pub(super) fn principal(&self) -> Option<Principal> {
        self.state().principal.clone()
    }

    /// Replaces the principal by the same one's newer.
    pub(super) fn renew(&self, principal: Principal) -> Result<(), WsErrorKind> {
        let mut state = self.state();
        if state.ended {
            return Err(WsErrorKind::Closed);
        }
        // Two who are not named need not be one.
        let same = |known: &Principal| {
            known.subject().is_some() && known.subject() == principal.subject() && known.issuer() == principal.issuer()
        };
        if !state.principal.as_ref().is_none_or(same) {
            return Err(WsErrorKind::OtherPrincipal);
        }
        state.principal = Some(principal);
        (state.renewed, state.expiring) = (true, false);
        let session = state.session.take();
        drop(state);
        session.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// For the session: the principal expires soon.
    pub(super) fn announce_expiry(&self) {
        self.state().expiring = true;
        self.changed.notify_waiters();
    }

    /// Completes when the principal expires soon or the socket has ended.
    pub(super) async fn expiring(&self) {
        self.until(|state| state.expiring || state.ended).await;
    }

    /// For the session: nothing more is taken; what waits is still there to be sent.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_waiters();
    }

    /// For the session: what still waits will never be sent.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.bytes = 0;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        drop(queue);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Completes when the socket has ended.
    pub(super) async fn ended(&self) {
        self.until(|state| state.ended).await;
    }

    pub(super) fn queued(&self) -> usize {
        self.state().queue.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.state().dropped
    }
}

impl State {
    fn pop(&mut self) -> Option<Parcel> {
        let parcel = self.queue.pop_front()?;
        self.bytes -= parcel.message.as_bytes().len();
        Some(parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::{sync::Arc, task::Wake};

    fn link(policy: SlowConsumer) -> Link {
        Link::new(policy, &Limits::default().queue_messages(3).queue_bytes(10), None)
    }

    fn offer(link: &Link, text: impl Into<Message>) -> Offered {
        link.offer(text.into().into())
    }

    fn texts(link: &Link) -> Vec<String> {
        std::iter::from_fn(|| link.pop()).map(|parcel| parcel.message.as_text().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let link = link(SlowConsumer::DropOldest);
        for number in 0..5 {
            let dropped = usize::from(number >= 3);
            assert_eq!(offer(&link, number.to_string()), Offered::Queued { dropped });
        }
        assert_eq!(offer(&link, "123456789"), Offered::Queued { dropped: 2 }, "by bytes");
        assert_eq!((link.dropped(), link.queued()), (4, 2));
        assert_eq!(texts(&link), ["4", "123456789"]);
    }

    #[tokio::test]
    async fn a_full_queue_says_so_and_room_is_announced() {
        let link = link(SlowConsumer::Wait);
        for _ in 0..3 {
            assert_eq!(offer(&link, "x"), Offered::Queued { dropped: 0 });
        }
        assert_eq!(offer(&link, "x"), Offered::Full);
        let mut room = pin!(link.room(1));
        assert!(poll!(&mut room).is_pending());
        assert!(link.pop().is_some());
        assert!(poll!(&mut room).is_ready());
        link.end();
        assert_eq!((offer(&link, "x"), texts(&link).len()), (Offered::Ended, 2));
    }

    #[tokio::test]
    async fn who_waits_for_much_room_is_told_when_there_is_as_much() {
        let link = link(SlowConsumer::Wait);
        for text in ["123456", "12"] {
            assert_eq!(offer(&link, text), Offered::Queued { dropped: 0 });
        }
        let mut room = pin!(link.room(5));
        assert_eq!(offer(&link, "12345"), Offered::Full);
        assert!(poll!(&mut room).is_pending(), "or who waits would ask again for ever, and let nobody else run");
        assert!(link.pop().is_some());
        assert!(poll!(&mut room).is_ready());
        assert_eq!(offer(&link, "12345"), Offered::Queued { dropped: 0 });
    }

    #[test]
    fn who_stops_waiting_is_forgotten() {
        struct Task;
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let (link, task) = (link(SlowConsumer::Wait), Arc::new(Task));
        let waker = Waker::from(Arc::clone(&task));
        let before = Arc::strong_count(&task);
        for _ in 0..3 {
            let mut ended = Box::pin(link.ended());
            assert!(ended.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert_eq!(Arc::strong_count(&task), before + 1);
        }
        assert_eq!(Arc::strong_count(&task), before, "or every wait would be kept until the socket ends");
    }

    #[test]
    fn one_message_of_any_size_finds_room() {
        let link = link(SlowConsumer::Disconnect);
        assert_eq!(offer(&link, "x".repeat(100)), Offered::Queued { dropped: 0 });
        assert_eq!(offer(&link, "x"), Offered::Full);
    }

    #[test]
    fn nobody_becomes_somebody_else() {
        let alice = |issuer: &str| Principal::builder().issuer(issuer).subject("alice").build();
        let link = Link::new(SlowConsumer::Wait, &Limits::default(), Some(alice("https://a.example")));
        assert_eq!(link.renew(alice("https://b.example")), Err(WsErrorKind::OtherPrincipal));
        assert_eq!(link.renew(Principal::builder().build()), Err(WsErrorKind::OtherPrincipal));
        let renewed = || link.attend(&Context::from_waker(Waker::noop())).renewed;
        assert!(renewed().is_none());
        let nameless = Link::new(SlowConsumer::Wait, &Limits::default(), Some(Principal::builder().build()));
        assert_eq!(nameless.renew(Principal::builder().build()), Err(WsErrorKind::OtherPrincipal), "nobody known is the same");
        assert_eq!(link.renew(alice("https://a.example")), Ok(()));
        assert!(renewed().is_some_and(|principal| principal.is_some()));
        assert!(renewed().is_none(), "told once");
    }
}
