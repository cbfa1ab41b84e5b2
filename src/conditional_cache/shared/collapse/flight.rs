//! Who leads, who waits, and who is next, for one key: without locks, tasks or time.

use std::collections::BTreeMap;

/// A place in the queue.
pub(super) type Ticket = u64;

/// One leader, those who wait for what comes of it, and what came. `T` is what the leader shares, `W` wakes one who waits.
#[derive(Debug)]
pub(super) struct Flight<T, W> {
    state: State<T>,
    /// In the order in which they came.
    waiting: BTreeMap<Ticket, Option<W>>,
    next: Ticket,
    failed: bool,
}

#[derive(Debug)]
enum State<T> {
    Led,
    /// The leader is gone. This one was woken to lead, and has not come yet.
    Called(Ticket),
    Shared(T),
    /// Everyone goes alone.
    Released,
}

/// What one who comes gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined<T> {
    Shared(T),
    Waits(Ticket),
    Alone,
}

/// What one who waited gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome<T> {
    /// Waits on.
    Pending,
    Leads,
    Shared(T),
    Alone,
}

/// What is to be done once a leader, or one who was called to lead, is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Succession<W> {
    /// Somebody is called; wakes it, if it has been asked yet.
    Calls(Option<W>),
    /// Nobody waits: the flight is over.
    Ends,
    /// Nothing: it did not lead.
    Unchanged,
}

impl<T: Clone, W> Flight<T, W> {
    /// A flight with a leader.
    pub(super) fn new() -> Self {
        Self { state: State::Led, waiting: BTreeMap::new(), next: 0, failed: false }
    }

    /// Somebody comes.
    pub(super) fn join(&mut self) -> Joined<T> {
        match &self.state {
            State::Shared(shared) => Joined::Shared(shared.clone()),
            State::Released => Joined::Alone,
            State::Led | State::Called(_) => {
                let ticket = self.next;
                self.next += 1;
                self.waiting.insert(ticket, None);
                Joined::Waits(ticket)
            }
        }
    }

    /// One who waits asks how it is going, to be woken by `waker` if it has to wait on. Not asked again after anything but pending.
    pub(super) fn ask(&mut self, ticket: Ticket, waker: impl FnOnce() -> W) -> Outcome<T> {
        let outcome = match &self.state {
            State::Called(called) if *called == ticket => Outcome::Leads,
            State::Led | State::Called(_) => {
                self.waiting.insert(ticket, Some(waker()));
                return Outcome::Pending;
            }
            State::Shared(shared) => Outcome::Shared(shared.clone()),
            State::Released => Outcome::Alone,
        };
        self.waiting.remove(&ticket);
        if matches!(outcome, Outcome::Leads) {
            self.state = State::Led;
        }
        outcome
    }

    /// One who waits goes away. If it was called to lead, the next one is.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Succession<W> {
        self.waiting.remove(&ticket);
        match self.state {
            State::Called(called) if called == ticket => self.call_next(),
            _ => Succession::Unchanged,
        }
    }

    /// The leader goes away with nothing to share.
    pub(super) fn lose_leader(&mut self) -> Succession<W> {
        match self.state {
            State::Led => self.call_next(),
            _ => Succession::Unchanged,
        }
    }

    /// The leader's call failed. Says whether one has failed before it.
    pub(super) fn fails_again(&mut self) -> bool {
        std::mem::replace(&mut self.failed, true)
    }

    /// The leader shares what it has, with those who wait and those who come. Returns whom to wake.
    pub(super) fn share(&mut self, shared: T) -> Vec<W> {
        self.settle(State::Shared(shared))
    }

    /// What the leader got is not for others. Returns whom to wake.
    pub(super) fn release(&mut self) -> Vec<W> {
        self.settle(State::Released)
    }

    fn settle(&mut self, state: State<T>) -> Vec<W> {
        self.state = state;
        self.waiting.values_mut().filter_map(Option::take).collect()
    }

    fn call_next(&mut self) -> Succession<W> {
        match self.waiting.first_entry() {
            Some(mut first) => {
                self.state = State::Called(*first.key());
                Succession::Calls(first.get_mut().take())
            }
            None => {
                self.state = State::Released;
                Succession::Ends
            }
        }
    }
}

#[cfg(test)]
mod tests;
