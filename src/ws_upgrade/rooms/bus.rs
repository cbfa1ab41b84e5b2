use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{
    super::message::{Message, Parcel},
    local::{Delivery, Local},
};

/// Carries what is said in the rooms of one process to those of the others.
///
/// [`InProcess`] is the one that needs nothing. For several processes, publish to an engine that people already run, and give what
/// arrives from it to the [`Inbox`].
///
/// ```
/// use std::sync::Mutex;
/// use donjon::ws_upgrade::{Bus, Inbox, Message, Rooms};
///
/// /// Writes down what would be sent over the network.
/// #[derive(Default)]
/// struct Tape(Mutex<Vec<(String, Message)>>);
///
/// impl Bus for Tape {
///     fn attach(&self, _inbox: Inbox) {
///         // A task of its own would receive, and call `inbox.deliver(room, message).await`.
///     }
///
///     async fn publish(&self, _from: &Inbox, room: &str, message: &Message) {
///         self.0.lock().unwrap().push((room.to_owned(), message.clone()));
///     }
/// }
///
/// let rooms = Rooms::over(Tape::default());
/// ```
pub trait Bus: Send + Sync + 'static {
    /// Is called once for every set of rooms, with where to put what the others say.
    fn attach(&self, inbox: Inbox);

    /// Hands on a message to all inboxes but `from`, whose rooms have it already.
    ///
    /// What cannot be handed on is lost: report it to the operator, the speaker cannot help it.
    fn publish(&self, from: &Inbox, room: &str, message: &Message) -> impl Future<Output = ()> + Send;
}

/// Where a [`Bus`] puts what was said elsewhere.
#[derive(Clone)]
pub struct Inbox(Weak<Local>);

impl Inbox {
    pub(super) fn new(local: &Arc<Local>) -> Self {
        Self(Arc::downgrade(local))
    }

    /// Gives a message to the members of a room in this process.
    pub async fn deliver(&self, room: &str, message: &Message) -> Delivery {
        let Some(local) = self.0.upgrade() else { return Delivery::default() };
        let parcel = Parcel::for_many(message.clone());
        let (delivery, waiting) = local.offer(room, &parcel, None);
        Local::wait(waiting, &parcel, delivery).await
    }

    /// Whether the rooms behind it are gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// Whether both belong to the same rooms.
impl PartialEq for Inbox {
    fn eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

impl Eq for Inbox {}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("gone", &self.is_gone()).finish_non_exhaustive()
    }
}

/// The bus of one process. Clones connect the rooms that are built over them.
#[derive(Clone, Debug, Default)]
pub struct InProcess(Arc<Mutex<Vec<Inbox>>>);

impl InProcess {
    /// A bus to which nothing is connected.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Bus for InProcess {
    fn attach(&self, inbox: Inbox) {
        let mut inboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inboxes.retain(|inbox| !inbox.is_gone());
        inboxes.push(inbox);
    }

    async fn publish(&self, from: &Inbox, room: &str, message: &Message) {
        let others: Vec<Inbox> = {
            let inboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            inboxes.iter().filter(|inbox| *inbox != from).cloned().collect()
        };
        for inbox in others {
            inbox.deliver(room, message).await;
        }
    }
}
