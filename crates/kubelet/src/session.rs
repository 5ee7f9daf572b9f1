//! One life of a plugin's server: its ListAndWatch streams, and what became of them.

use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::deviceplugin::{Device, ListAndWatchResponse};

/// What a `DevicePlugin` service answers ListAndWatch with.
pub type ListStream = ReceiverStream<Result<ListAndWatchResponse, Status>>;

/// Where the kubelet's ListAndWatch stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamState {
    /// The kubelet has not asked yet.
    Awaited,
    /// The kubelet listens.
    Open,
    /// The kubelet listened and does not any more.
    Ended,
}

/// Hands out ListAndWatch streams that end when the server must, and notices when one is dropped.
#[derive(Clone, Debug)]
pub struct Session {
    ending: watch::Sender<bool>,
    stream: watch::Sender<StreamState>,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self { ending: watch::Sender::new(false), stream: watch::Sender::new(StreamState::Awaited) }
    }

    /// A stream that sends the list at once and again each time it changes, and never otherwise:
    /// the kubelet rewrites a checkpoint at every message.
    #[must_use]
    pub fn stream(&self, lists: watch::Receiver<Vec<Device>>) -> ListStream {
        let (sender, receiver) = mpsc::channel(1);
        self.stream.send_replace(StreamState::Open);
        tokio::spawn(self.clone().feed(lists, sender));
        ReceiverStream::new(receiver)
    }

    async fn feed(
        self,
        mut lists: watch::Receiver<Vec<Device>>,
        sender: mpsc::Sender<Result<ListAndWatchResponse, Status>>,
    ) {
        let mut ending = self.ending.subscribe();
        loop {
            let devices = lists.borrow_and_update().clone();
            if sender.send(Ok(ListAndWatchResponse { devices })).await.is_err() {
                break;
            }
            tokio::select! {
                changed = lists.changed() => if changed.is_err() { break },
                _ = ending.wait_for(|ending| *ending) => break,
                () = sender.closed() => break,
            }
        }
        self.stream.send_replace(StreamState::Ended);
    }

    pub(crate) fn streams(&self) -> watch::Receiver<StreamState> {
        self.stream.subscribe()
    }

    /// Ends every stream.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }

    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ending = self.ending.subscribe();
        async move {
            // An error means that nobody can end the session any more: the same thing.
            let _ = ending.wait_for(|ending| *ending).await;
        }
    }
}
