//! One message for many.

use donjon::ws_upgrade::{
    Bus, InProcess, Inbox, Limits, Message, Rooms, SlowConsumer, WsErrorKind, WsHandle, WsSocket, WsUpgradeLayer,
    testing::TestSocket,
};
use tokio::sync::mpsc;

use super::{app, handshake, open_raw, serve};

/// Sockets whose handlers do nothing but stay, with their handles.
async fn many(layer: &WsUpgradeLayer, count: usize) -> (Vec<TestSocket>, Vec<WsHandle>) {
    let (send, mut handles) = mpsc::channel(1);
    let stay = move |socket: WsSocket| async move {
        send.send(socket.handle()).await.unwrap();
        socket.handle().closed().await;
    };
    let (mut all, mut known) = (Vec::new(), Vec::new());
    for _ in 0..count {
        all.push(TestSocket::connect(app(layer, stay.clone()), handshake()).await.unwrap());
        known.push(handles.recv().await.unwrap());
    }
    (all, known)
}

async fn sockets<const N: usize>(layer: &WsUpgradeLayer) -> ([TestSocket; N], [WsHandle; N]) {
    let (sockets, handles) = many(layer, N).await;
    (sockets.try_into().expect("as many as asked for"), handles.try_into().expect("as many as asked for"))
}

#[tokio::test]
async fn everybody_in_the_room_hears_it_and_nobody_else() {
    let rooms = Rooms::new();
    let ([mut one, mut two, mut three], [a, b, c]) = sockets(&WsUpgradeLayer::new()).await;
    let (lobby_a, _lobby_b, _cellar) = (rooms.join("lobby", &a), rooms.join("lobby", &b), rooms.join("cellar", &c));
    assert_eq!((rooms.members("lobby"), rooms.members("cellar"), rooms.members("attic"), rooms.rooms()), (2, 1, 0, 2));
    assert_eq!(rooms.broadcast("lobby", "to all").await.queued, 2);
    assert_eq!(rooms.broadcast_others(&lobby_a, "to others").await.queued, 1);
    assert_eq!(rooms.broadcast("cellar", "below").await.queued, 1);
    assert_eq!(rooms.broadcast("attic", "nobody").await.queued, 0);
    lobby_a.leave();
    assert_eq!(rooms.broadcast("lobby", "to the rest").await.queued, 1);
    for handle in [&a, &b, &c] {
        handle.send("end").await.unwrap();
    }
    for (socket, expected) in
        [(&mut one, &["to all"][..]), (&mut two, &["to all", "to others", "to the rest"]), (&mut three, &["below"])]
    {
        for text in expected {
            assert_eq!(socket.recv().await, Some((*text).into()));
        }
        assert_eq!(socket.recv().await, Some("end".into()));
    }
}

#[tokio::test]
async fn a_room_is_gone_with_its_last_member() {
    let rooms = Rooms::new();
    let (_sockets, [a, b]) = sockets::<2>(&WsUpgradeLayer::new()).await;
    let memberships = [rooms.join("lobby", &a), rooms.join("lobby", &b), rooms.join("lobby", &b)];
    assert_eq!((rooms.members("lobby"), rooms.rooms()), (3, 1));
    drop(memberships);
    assert_eq!((rooms.members("lobby"), rooms.rooms()), (0, 0));
}

#[tokio::test]
async fn one_who_never_reads_is_disconnected_and_the_others_hear_everything() {
    let layer = WsUpgradeLayer::builder().limits(Limits::default().queue_messages(16)).build().unwrap();
    let rooms = Rooms::new();
    let ([mut good], [good_handle]) = sockets(&layer).await;
    let (send, mut handles) = mpsc::channel(1);
    let stay = move |socket: WsSocket| async move {
        send.send(socket.handle()).await.unwrap();
        socket.handle().closed().await;
    };
    let _deaf = open_raw(serve(app(&layer, stay))).await;
    let deaf = handles.recv().await.unwrap();
    let _members = [rooms.join("lobby", &good_handle), rooms.join("lobby", &deaf)];
    let mut disconnected = 0;
    for number in 0..500 {
        let text = format!("{number} {}", "x".repeat(1000));
        disconnected += rooms.broadcast("lobby", text.clone()).await.disconnected;
        assert_eq!(good.recv().await, Some(text.into()));
    }
    assert_eq!((disconnected, deaf.closed().await, good_handle.is_closed()), (1, WsErrorKind::Slow, false));
    assert!(deaf.queued() <= 16);
}

#[tokio::test]
async fn the_oldest_are_dropped_for_one_member_and_counted() {
    let layer = WsUpgradeLayer::builder();
    let layer = layer.slow_consumer(SlowConsumer::DropOldest).limits(Limits::default().queue_messages(4)).build().unwrap();
    let rooms = Rooms::new();
    let (_sockets, handles) = sockets::<3>(&layer).await;
    let _members = handles.each_ref().map(|handle| rooms.join("lobby", handle));
    let (mut queued, mut dropped) = (0, 0);
    for number in 0..10 {
        // Nobody else runs between two broadcasts: there is nothing in them to wait for.
        let delivery = rooms.broadcast("lobby", number.to_string()).await;
        queued += delivery.queued;
        dropped += delivery.dropped;
    }
    assert_eq!((queued, dropped), (30, 18));
    assert_eq!((handles[0].dropped(), handles[0].queued(), layer.counters().dropped_messages()), (6, 4, 18));
}

#[tokio::test]
async fn a_broadcast_waits_for_those_who_want_to_be_waited_for() {
    let layer = WsUpgradeLayer::builder();
    let layer = layer.slow_consumer(SlowConsumer::Wait).limits(Limits::default().queue_messages(2)).build().unwrap();
    let rooms = Rooms::new();
    let ([mut one, mut two], handles) = sockets(&layer).await;
    let _members = handles.each_ref().map(|handle| rooms.join("lobby", handle));
    let speaker = {
        let rooms = rooms.clone();
        tokio::spawn(async move {
            let mut queued = 0;
            for number in 0..200 {
                queued += rooms.broadcast("lobby", number.to_string()).await.queued;
            }
            queued
        })
    };
    for number in 0..200 {
        assert_eq!(one.recv().await, Some(number.to_string().into()));
        assert_eq!(two.recv().await, Some(number.to_string().into()));
    }
    assert_eq!(speaker.await.unwrap(), 400);
}

#[tokio::test]
async fn rooms_on_one_bus_are_one() {
    let bus = InProcess::new();
    let [here, there] = [(); 2].map(|()| Rooms::over(bus.clone()));
    let ([mut one, mut two], [a, b]) = sockets(&WsUpgradeLayer::new()).await;
    let (_a, lobby_there) = (here.join("lobby", &a), there.join("lobby", &b));
    assert_eq!(here.broadcast("lobby", "to all").await.queued, 1, "those of this process");
    there.broadcast_others(&lobby_there, "to here").await;
    assert_eq!((one.recv().await, one.recv().await), (Some("to all".into()), Some("to here".into())));
    assert_eq!(two.recv().await, Some("to all".into()));
    drop(there);
    here.broadcast("lobby", "alone").await;
    assert_eq!(one.recv().await, Some("alone".into()));
}

/// Where a message waits for somebody, those on the bus do not.
#[tokio::test]
async fn the_bus_has_it_before_anybody_is_waited_for() {
    struct Wire(mpsc::UnboundedSender<Message>);

    impl Bus for Wire {
        fn attach(&self, _: Inbox) {}

        async fn publish(&self, _: &Inbox, _: &str, message: &Message) {
            let _ = self.0.send(message.clone());
        }
    }

    let layer = WsUpgradeLayer::builder();
    let layer = layer.slow_consumer(SlowConsumer::Wait).limits(Limits::default().queue_messages(1)).build().unwrap();
    let (send, mut published) = mpsc::unbounded_channel();
    let rooms = Rooms::over(Wire(send));
    let (_sockets, [a]) = sockets(&layer).await;
    let _member = rooms.join("lobby", &a);
    a.try_send("in the way").unwrap();
    let mut broadcast = Box::pin(rooms.broadcast("lobby", "to all"));
    assert!(futures_util::poll!(&mut broadcast).is_pending());
    assert_eq!(published.try_recv().unwrap(), Message::from("to all"));
    assert_eq!(broadcast.await.queued, 1);
}

/// The message is one allocation; a member's part of it is none, once its queue has grown.
#[tokio::test]
async fn a_broadcast_to_a_thousand_costs_less_than_one_allocation_a_member() {
    let rooms = Rooms::new();
    let layer = WsUpgradeLayer::new();
    let (mut sockets, handles) = many(&layer, 1000).await;
    let _members: Vec<_> = handles.iter().map(|handle| rooms.join("lobby", handle)).collect();
    let text = Message::text("x".repeat(256));
    for round in 0..3 {
        let (count, delivery) = crate::support::allocations(|| {
            let mut broadcast = std::pin::pin!(rooms.broadcast("lobby", text.clone()));
            let polled = broadcast.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            match polled {
                std::task::Poll::Ready(delivery) => delivery,
                std::task::Poll::Pending => panic!("nobody has to be waited for"),
            }
        });
        assert_eq!(delivery.queued, 1000);
        assert!(round == 0 || count < 10, "{count} allocations in all");
        for socket in &mut sockets {
            assert_eq!(socket.recv().await.as_ref(), Some(&text));
        }
    }
}
