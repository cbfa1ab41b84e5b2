//! Readers in any order, and on several threads.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::Frame;
use http_body_util::BodyExt as _;
use proptest::prelude::*;

use super::{
    Fill, Filled,
    tests::{Told, data, fed, limits},
};

/// Many readers on four threads, one of which goes away: all get all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_hangs() {
    for _ in 0..50 {
        let (sender, body) = fed();
        let (fill, first) = Fill::start(body, limits(100_000, None));
        let told = Told::of(&fill);
        let readers: Vec<_> = (0..20).map(|_| fill.reader().unwrap()).collect();
        let tasks: Vec<_> = readers.into_iter().map(|reader| tokio::spawn(reader.collect())).collect();
        drop(first);
        for number in 0..200 {
            sender.send(data("0123456789")).unwrap();
            if number % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
        drop(sender);
        for task in tasks {
            let collected = tokio::time::timeout(Duration::from_secs(60), task).await.expect("a reader hangs");
            assert_eq!(collected.unwrap().unwrap().to_bytes().len(), 2000);
        }
        assert_eq!(told.whole().len(), 2000);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Feed(u8),
    Read(usize),
    Enter,
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..200_u8).prop_map(Step::Feed),
        6 => (0..4_usize).prop_map(Step::Read),
        1 => Just(Step::Enter),
        1 => (0..4_usize).prop_map(Step::Leave),
    ]
}

proptest! {
    /// Whatever the order: what a reader gets is the beginning of the body, and all of it if it is told that it ended; so is what is stored.
    #[test]
    fn readers_read_the_same(steps in prop::collection::vec(step(), 0..60), max in 0..2000_u64) {
        let (sender, body) = fed();
        let (fill, first) = Fill::start(body, limits(max, None));
        let told = Told::of(&fill);
        let mut fed = Vec::new();
        let mut readers = vec![(first, Vec::new())];
        for step in steps {
            match step {
                Step::Feed(length) => {
                    let chunk = Bytes::from(vec![fed.len() as u8; length.into()]);
                    if sender.send(Ok(Frame::data(chunk.clone()))).is_ok() {
                        fed.extend_from_slice(&chunk);
                    }
                }
                Step::Read(which) => {
                    let Some((reader, read)) = readers.get_mut(which) else { continue };
                    match reader.frame().now_or_never() {
                        Some(Some(Ok(frame))) => {
                            read.extend_from_slice(&frame.into_data().unwrap());
                            prop_assert!(fed.starts_with(read));
                        }
                        Some(Some(Err(_))) => drop(readers.remove(which)),
                        _ => {}
                    }
                }
                Step::Enter => readers.extend(fill.reader().map(|reader| (reader, Vec::new()))),
                Step::Leave(which) => {
                    if which < readers.len() {
                        readers.remove(which);
                    }
                }
            }
        }
        drop(sender);
        let mut whole = 0;
        for (mut reader, mut read) in readers {
            let end = loop {
                match reader.frame().now_or_never().expect("nobody will bring more") {
                    Some(Ok(frame)) => read.extend_from_slice(&frame.into_data().unwrap()),
                    Some(Err(error)) => break Err(error),
                    None => break Ok(()),
                }
            };
            prop_assert!(fed.starts_with(&read));
            if end.is_ok() {
                whole += 1;
                prop_assert_eq!(&read, &fed);
            }
        }
        drop(fill);
        if matches!(*told.0.lock().unwrap(), Some(Filled::Whole(_))) {
            prop_assert_eq!(&told.whole()[..], &fed[..]);
            prop_assert!(fed.len() as u64 <= max);
        } else if fed.len() as u64 + 64 * 60 < max {
            prop_assert_eq!(whole, 0);
        }
    }
}
