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
    /// So many listen: the kubelet, and who looks on.
    Open(usize),
    /// Somebody listened, and nobody does any more.
    Ended,
}

impl StreamState {
    fn begin(&mut self) {
        *self = Self::Open(if let Self::Open(count) = self { *count + 1 } else { 1 });
    }

    /// One that looked on and goes is not the kubelet.
    fn finish(&mut self) {
        *self = match self {
            Self::Open(count) if *count > 1 => Self::Open(*count - 1),
            _ => Self::Ended,
        };
    }
}

/// Hands out ListAndWatch streams that end when the server must, and notices when the last is dropped.
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
        self.stream.send_modify(StreamState::begin);
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
        self.stream.send_modify(StreamState::finish);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_looks_on_and_goes_does_not_end_what_the_kubelet_listens_to() {
        let (_lists, list) = watch::channel(Vec::new());
        let session = Session::new();
        let kubelet = session.stream(list.clone());
        let other = session.stream(list);
        let mut states = session.streams();
        drop(other);
        states.wait_for(|state| *state == StreamState::Open(1)).await.unwrap();
        drop(kubelet);
        states.wait_for(|state| *state == StreamState::Ended).await.unwrap();
    }
}
