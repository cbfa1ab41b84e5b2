//! WebSockets, passed through as the bytes that they are: both ways, each with an end of its own, so many at a time and none in silence.

use std::{sync::Arc, time::Duration};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::copy_bidirectional,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::patience::{Audible, Heard};

/// How many tunnels may be open.
#[derive(Clone, Debug)]
pub(crate) struct Tunnels {
    places: Arc<Semaphore>,
    count: u16,
}

/// The right to open one.
#[derive(Debug)]
pub(crate) struct Place {
    permit: OwnedSemaphorePermit,
}

impl Tunnels {
    pub(crate) fn new(count: u16) -> Self {
        Self { places: Arc::new(Semaphore::new(count.into())), count }
    }

    /// A place, if there is one.
    pub(crate) fn enter(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(|permit| Place { permit })
    }

    /// Is ready when the last tunnel has ended.
    pub(crate) async fn ended(&self) {
        drop(self.places.acquire_many(self.count.into()).await);
    }
}

impl Place {
    /// Copies between the two ends, in a task of its own, until both have ended, one breaks or nobody speaks for as long as `patience`.
    pub(crate) fn open(self, client: OnUpgrade, upstream: OnUpgrade, patience: Duration) {
        tokio::spawn(async move {
            // Where either end goes away before it has switched, there is nothing to copy.
            let Ok((client, upstream)) = tokio::try_join!(client, upstream) else { return };
            let heard = Heard::now();
            let ear = |inner| Audible { inner: TokioIo::new(inner), heard: heard.clone() };
            let (mut client, mut upstream) = (ear(client), ear(upstream));
            tokio::select! {
                _ended = copy_bidirectional(&mut client, &mut upstream) => {}
                () = heard.silence(patience) => {}
            }
            drop(self.permit);
        });
    }
}
