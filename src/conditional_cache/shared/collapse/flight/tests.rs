//! Every order of events for a few clients, and what must hold after each.

use super::{Flight, Joined, Outcome, Succession, Ticket};

/// What a client knows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Away,
    /// Was told to wait; and whether it will ask: at first, and when it is woken.
    Waits {
        ticket: Ticket,
        will_ask: bool,
    },
    Leads,
    Shares,
    Alone,
    Gone,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Join(usize),
    Ask(usize),
    Leave(usize),
    Share(usize),
    Release(usize),
}

const CLIENTS: usize = 4;

/// Plays the events and checks after each. Returns what may come next.
fn play(events: &[Event]) -> Vec<Event> {
    let mut flight: Flight<&str, usize> = Flight::new();
    let mut ended = false;
    let mut clients = [Client::Away; CLIENTS];
    clients[0] = Client::Leads;
    for event in events {
        let (Event::Join(who) | Event::Ask(who) | Event::Leave(who) | Event::Share(who) | Event::Release(who)) = *event;
        let woken = match (*event, clients[who]) {
            (Event::Join(_), _) => {
                clients[who] = match flight.join() {
                    Joined::Waits(ticket) => Client::Waits { ticket, will_ask: true },
                    Joined::Shared("it") => Client::Shares,
                    Joined::Shared(other) => panic!("shared {other}"),
                    Joined::Alone => Client::Alone,
                };
                vec![]
            }
            (Event::Ask(_), Client::Waits { ticket, .. }) => {
                clients[who] = match flight.ask(ticket, || who) {
                    Outcome::Pending => Client::Waits { ticket, will_ask: false },
                    Outcome::Leads => Client::Leads,
                    Outcome::Shared(_) => Client::Shares,
                    Outcome::Alone => Client::Alone,
                };
                vec![]
            }
            (Event::Leave(_), before) => {
                clients[who] = Client::Gone;
                let succession = match before {
                    Client::Waits { ticket, .. } => flight.leave(ticket),
                    _ => flight.lose_leader(),
                };
                match succession {
                    Succession::Calls(woken) => woken.into_iter().collect(),
                    Succession::Ends => {
                        ended = true;
                        vec![]
                    }
                    Succession::Unchanged => vec![],
                }
            }
            (Event::Share(_), _) => {
                clients[who] = Client::Shares;
                flight.share("it")
            }
            (Event::Release(_), _) => {
                clients[who] = Client::Alone;
                ended = true;
                flight.release()
            }
            (event, client) => panic!("{event:?} of {client:?}"),
        };
        for woken in woken {
            if let Client::Waits { will_ask, .. } = &mut clients[woken] {
                *will_ask = true;
            }
        }
        check(events, &clients);
    }
    next(&clients, ended)
}

fn check(events: &[Event], clients: &[Client]) {
    let leaders = clients.iter().filter(|client| **client == Client::Leads).count();
    assert!(leaders <= 1, "{leaders} leaders after {events:?}");
    let hangs = clients.iter().any(|client| matches!(client, Client::Waits { will_ask: false, .. }));
    let moves = leaders == 1 || clients.iter().any(|client| matches!(client, Client::Waits { will_ask: true, .. }));
    assert!(moves || !hangs, "somebody waits for nobody after {events:?}: {clients:?}");
}

fn next(clients: &[Client], ended: bool) -> Vec<Event> {
    let mut events = Vec::new();
    for (who, client) in clients.iter().enumerate() {
        match client {
            // Clients are alike: only the first that is away may come.
            Client::Away if !ended && !clients[..who].contains(&Client::Away) => events.push(Event::Join(who)),
            Client::Waits { will_ask, .. } => {
                events.push(Event::Leave(who));
                events.extend(will_ask.then_some(Event::Ask(who)));
            }
            Client::Leads => events.extend([Event::Leave(who), Event::Share(who), Event::Release(who)]),
            _ => {}
        }
    }
    events
}

#[test]
fn in_every_order_of_events_somebody_leads_or_nobody_waits() {
    let mut seen = 0;
    let mut open = vec![vec![]];
    while let Some(events) = open.pop() {
        seen += 1;
        let next = play(&events);
        open.extend(next.into_iter().map(|event| [&events[..], &[event]].concat()));
    }
    assert!(seen > 10_000, "only {seen} orders were tried");
}

#[test]
fn who_waited_longest_leads_next() {
    let mut flight: Flight<(), &str> = Flight::new();
    let (first, second) = (flight.join(), flight.join());
    assert_eq!((first, second), (Joined::Waits(0), Joined::Waits(1)));
    assert_eq!(flight.ask(1, || "second"), Outcome::Pending);
    assert_eq!(flight.ask(0, || "first"), Outcome::Pending);
    assert_eq!(flight.lose_leader(), Succession::Calls(Some("first")));
    assert_eq!(flight.ask(1, || "second"), Outcome::Pending);
    assert_eq!(flight.leave(0), Succession::Calls(Some("second")));
    assert_eq!(flight.ask(1, || "second"), Outcome::Leads);
    assert_eq!(flight.lose_leader(), Succession::Ends);
}
