use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
    time::{Duration, UNIX_EPOCH},
};

use http::{HeaderMap, Uri};

use super::{super::key::KeyPolicy, *};

fn key(uri: &'static str) -> CacheKey {
    KeyPolicy::new().key(&Uri::from_static(uri), &HeaderMap::new(), None).unwrap()
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll<T: Clone>(wait: &mut Wait<T>, woken: &Arc<Woken>) -> Poll<Waited<T>> {
    pin!(wait).poll(&mut Context::from_waker(&Arc::clone(woken).into()))
}

#[track_caller]
fn lead<T: Clone>(collapse: &Collapse<T>, key: &CacheKey) -> Lead<T> {
    match collapse.join(key, UNIX_EPOCH, 0) {
        Join::Lead(lead) => lead,
        _ => panic!("somebody else leads"),
    }
}

#[track_caller]
fn wait<T: Clone>(collapse: &Collapse<T>, key: &CacheKey) -> Wait<T> {
    match collapse.join(key, UNIX_EPOCH, 0) {
        Join::Wait(wait) => wait,
        _ => panic!("there is nothing to wait for"),
    }
}

#[test]
fn one_leads_and_all_get_what_it_gets() {
    let collapse = Collapse::new();
    let leader = lead(&collapse, &key("/a"));
    let woken = Arc::new(Woken::default());
    let mut waits: Vec<_> = (0..1000).map(|_| wait(&collapse, &key("/a"))).collect();
    assert!(waits.iter_mut().all(|wait| poll(wait, &woken).is_pending()));
    let sharing = leader.share("it");
    assert_eq!(woken.0.load(Ordering::SeqCst), 1000);
    assert!(waits.iter_mut().all(|wait| matches!(poll(wait, &woken), Poll::Ready(Waited::Shared("it")))));
    assert!(matches!(collapse.join(&key("/a"), UNIX_EPOCH, 0), Join::Shared("it")));
    drop(sharing);
    assert_eq!(collapse.in_flight(), 0);
    drop(lead(&collapse, &key("/a")));
}

#[test]
fn another_key_is_another_flight() {
    let collapse = Collapse::<()>::new();
    let _one = lead(&collapse, &key("/a"));
    let _other = lead(&collapse, &key("/b"));
}

#[test]
fn a_leader_that_goes_away_has_one_successor() {
    let collapse = Collapse::<()>::new();
    let leader = lead(&collapse, &key("/a"));
    let woken = Arc::new(Woken::default());
    let mut waits: Vec<_> = (0..10).map(|_| wait(&collapse, &key("/a"))).collect();
    assert!(waits.iter_mut().all(|wait| poll(wait, &woken).is_pending()));
    drop(leader);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    let mut outcomes = waits.iter_mut().map(|wait| poll(wait, &woken));
    let Some(Poll::Ready(Waited::Lead(successor))) = outcomes.next() else { panic!("the first in the queue does not lead") };
    assert!(outcomes.all(|outcome| outcome.is_pending()));
    drop(successor);
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
}

#[test]
fn a_successor_that_goes_away_before_it_knows_has_one_too() {
    let collapse = Collapse::<()>::new();
    let leader = lead(&collapse, &key("/a"));
    let woken = Arc::new(Woken::default());
    let (mut first, mut second) = (wait(&collapse, &key("/a")), wait(&collapse, &key("/a")));
    assert!(poll(&mut first, &woken).is_pending() && poll(&mut second, &woken).is_pending());
    drop(leader);
    drop(first);
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    assert!(matches!(poll(&mut second, &woken), Poll::Ready(Waited::Lead(_))));
    assert_eq!(collapse.in_flight(), 0);
}

#[test]
fn what_is_not_to_be_shared_lets_all_go_and_is_remembered_for_a_while() {
    let collapse = Collapse::<()>::new();
    let woken = Arc::new(Woken::default());
    let leader = lead(&collapse, &key("/a"));
    let mut waiting = wait(&collapse, &key("/a"));
    assert!(poll(&mut waiting, &woken).is_pending());
    let until = UNIX_EPOCH + Duration::from_secs(2);
    leader.release(Some(until));
    assert!(matches!(poll(&mut waiting, &woken), Poll::Ready(Waited::Alone)));
    assert!(matches!(collapse.join(&key("/a"), UNIX_EPOCH, 0), Join::Pass));
    drop(lead(&collapse, &key("/b")));
    assert!(matches!(collapse.join(&key("/a"), until, 0), Join::Lead(_)));
    collapse.allow(&key("/a"));
    drop(lead(&collapse, &key("/a")));
}

#[test]
fn an_old_flight_that_ends_leaves_the_new_one_alone() {
    let collapse = Collapse::new();
    let sharing = lead(&collapse, &key("/a")).share("old");
    let waiting = collapse.join(&key("/a"), UNIX_EPOCH, 0);
    assert!(matches!(waiting, Join::Shared("old")));
    sharing.seat.as_ref().unwrap().end();
    let leader = lead(&collapse, &key("/a"));
    drop(sharing);
    assert_eq!(collapse.in_flight(), 1);
    drop(leader);
    assert_eq!(collapse.in_flight(), 0);
}

#[test]
fn what_began_before_a_write_is_not_for_who_comes_after_it() {
    let collapse = Collapse::new();
    let woken = Arc::new(Woken::default());
    let old = lead(&collapse, &key("/a"));
    let mut waited_before = wait(&collapse, &key("/a"));
    assert!(poll(&mut waited_before, &woken).is_pending());
    let other = lead(&collapse, &key("/b"));
    collapse.forget(&Purge::url(&key("/a")));
    let new = lead(&collapse, &key("/a"));
    drop(old.share("old"));
    assert!(matches!(poll(&mut waited_before, &woken), Poll::Ready(Waited::Shared("old"))));
    let mut waited_after = wait(&collapse, &key("/a"));
    drop(new.share("new"));
    assert!(matches!(poll(&mut waited_after, &woken), Poll::Ready(Waited::Shared("new"))));
    drop(wait(&collapse, &key("/b")));
    drop(other);
    assert_eq!(collapse.in_flight(), 0);
}

/// Leaders that die, share or release, on four threads at once: everybody gets something, and nothing is left over.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_hangs() {
    let collapse = Collapse::new();
    let tasks: Vec<_> = (0..2000_u32)
        .map(|number| {
            let collapse = collapse.clone();
            tokio::spawn(async move {
                let key = key(if number % 2 == 0 { "/a" } else { "/b" });
                let leader = match collapse.join(&key, UNIX_EPOCH, 0) {
                    Join::Lead(leader) => leader,
                    Join::Wait(wait) => {
                        let outcome = if number % 3 == 0 {
                            tokio::select! {
                                biased;
                                outcome = wait => outcome,
                                () = tokio::task::yield_now() => return,
                            }
                        } else {
                            wait.await
                        };
                        let Waited::Lead(leader) = outcome else { return };
                        leader
                    }
                    Join::Shared(()) | Join::Pass => return,
                };
                tokio::task::yield_now().await;
                match number % 5 {
                    0 => leader.release(None),
                    1 => {
                        let sharing = leader.share(());
                        tokio::task::yield_now().await;
                        drop(sharing);
                    }
                    _ => drop(leader),
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(collapse.in_flight(), 0);
}
