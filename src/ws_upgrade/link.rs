//! What reaches a socket's session from elsewhere: messages to send, a principal to follow.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{error::WsErrorKind, limits::Limits, message::Message};
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

#[derive(Debug)]
pub(super) struct Link {
    policy: SlowConsumer,
    max_messages: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Message>,
    bytes: usize,
    dropped: u64,
    ended: bool,
    session: Option<Waker>,
    waiting: Vec<Waker>,
    principal: Option<Principal>,
    renewed: bool,
    expiring: bool,
}

impl Link {
    pub(super) fn new(policy: SlowConsumer, limits: &Limits, principal: Option<Principal>) -> Self {
        let (max_messages, max_bytes) = limits.queue();
        Self { policy, max_messages, max_bytes, state: Mutex::new(State { principal, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Wakers are dropped and woken outside of the lock; nothing in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn policy(&self) -> SlowConsumer {
        self.policy
    }

    /// Queues a message as the policy wants it; [`Full`](Offered::Full) leaves to the caller what to do.
    pub(super) fn offer(&self, message: Message) -> Offered {
        let mut state = self.state();
        if state.ended {
            return Offered::Ended;
        }
        let bytes = message.as_bytes().len();
        let before = state.queue.len();
        // Whatever its size, one message finds room when there is no other.
        while !state.queue.is_empty()
            && (state.queue.len() >= self.max_messages || state.bytes.saturating_add(bytes) > self.max_bytes)
        {
            if self.policy != SlowConsumer::DropOldest {
                return Offered::Full;
            }
            state.pop();
        }
        let dropped = before - state.queue.len();
        state.dropped += dropped as u64;
        state.bytes += bytes;
        state.queue.push_back(message);
        let session = state.session.take();
        drop(state);
        session.into_iter().for_each(Waker::wake);
        Offered::Queued { dropped }
    }

    /// Waits for a change of what made an offer fail.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.ended || state.queue.len() < self.max_messages && state.bytes < self.max_bytes {
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
    }

    /// For the session: the next message.
    pub(super) fn pop(&self) -> Option<Message> {
        let mut state = self.state();
        let was_full = state.queue.len() >= self.max_messages || state.bytes >= self.max_bytes;
        let message = state.pop();
        let waiting = if was_full { std::mem::take(&mut state.waiting) } else { Vec::new() };
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        message
    }

    /// For the session: is woken by everything that comes.
    pub(super) fn attend(&self, cx: &Context<'_>) {
        let mut state = self.state();
        match &mut state.session {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// For the session: the principal, if it was changed.
    pub(super) fn renewed(&self) -> Option<Option<Principal>> {
        let mut state = self.state();
        std::mem::take(&mut state.renewed).then(|| state.principal.clone())
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
        let same = |known: &Principal| known.subject() == principal.subject() && known.issuer() == principal.issuer();
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
        let mut state = self.state();
        state.expiring = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready when the principal expires soon or the socket has ended.
    pub(super) fn poll_expiring(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.expiring || state.ended {
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
    }

    /// For the session: nothing more is taken; what waits is still there to be sent.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
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

    /// Ready when the socket has ended.
    pub(super) fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.ended {
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
    }

    pub(super) fn queued(&self) -> usize {
        self.state().queue.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.state().dropped
    }
}

impl State {
    fn pop(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        self.bytes -= message.as_bytes().len();
        Some(message)
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn link(policy: SlowConsumer) -> Link {
        Link::new(policy, &Limits::default().queue_messages(3).queue_bytes(10), None)
    }

    fn texts(link: &Link) -> Vec<String> {
        std::iter::from_fn(|| link.pop()).map(|message| message.as_text().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let link = link(SlowConsumer::DropOldest);
        for number in 0..5 {
            let dropped = usize::from(number >= 3);
            assert_eq!(link.offer(number.to_string().into()), Offered::Queued { dropped });
        }
        assert_eq!(link.offer("123456789".into()), Offered::Queued { dropped: 2 }, "by bytes");
        assert_eq!((link.dropped(), link.queued()), (4, 2));
        assert_eq!(texts(&link), ["4", "123456789"]);
    }

    #[test]
    fn a_full_queue_says_so_and_room_is_announced() {
        let link = link(SlowConsumer::Wait);
        for _ in 0..3 {
            assert_eq!(link.offer("x".into()), Offered::Queued { dropped: 0 });
        }
        assert_eq!(link.offer("x".into()), Offered::Full);
        let cx = Context::from_waker(Waker::noop());
        assert!(link.poll_room(&cx).is_pending());
        assert_eq!(link.state().waiting.len(), 1);
        assert!(link.pop().is_some());
        assert_eq!(link.state().waiting.len(), 0);
        assert!(link.poll_room(&cx).is_ready());
        link.end();
        assert_eq!((link.offer("x".into()), texts(&link).len()), (Offered::Ended, 2));
    }

    #[test]
    fn one_message_of_any_size_finds_room() {
        let link = link(SlowConsumer::Disconnect);
        assert_eq!(link.offer("x".repeat(100).into()), Offered::Queued { dropped: 0 });
        assert_eq!(link.offer("x".into()), Offered::Full);
    }

    #[test]
    fn nobody_becomes_somebody_else() {
        let alice = |issuer: &str| Principal::builder().issuer(issuer).subject("alice").build();
        let link = Link::new(SlowConsumer::Wait, &Limits::default(), Some(alice("https://a.example")));
        assert_eq!(link.renew(alice("https://b.example")), Err(WsErrorKind::OtherPrincipal));
        assert_eq!(link.renew(Principal::builder().build()), Err(WsErrorKind::OtherPrincipal));
        assert!(link.renewed().is_none());
        assert_eq!(link.renew(alice("https://a.example")), Ok(()));
        assert!(link.renewed().is_some_and(|principal| principal.is_some()));
        assert!(link.renewed().is_none(), "told once");
    }
}
