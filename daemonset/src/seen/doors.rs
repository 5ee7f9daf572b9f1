//! A listener that keeps no more connections than the agent has room for, and none for ever: whoever holds them open
//! and says nothing must not take the memory, nor the place, of those who ask. Among those is the kubelet, which ends
//! an agent that does not answer: so nobody waits at the door, and for who comes goes who has been there longest. While
//! those who have said nothing are most it is one of them, and only then: else who has spoken would keep all places
//! but one, and who has just come would go for the next before anybody heard him.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time: some 10 KiB each.
const MOST: usize = 256;
/// How long one may last: no multiple of what usually lies between two scrapes. Who asks again connects again.
const LONGEST: Duration = Duration::from_secs(37);
/// How long one may last that has said nothing yet: who asks does so at once.
const SILENT: Duration = Duration::from_secs(2);

/// The listener.
pub(super) struct Doors {
    listener: TcpListener,
    most: usize,
    /// Those who are in, in the order in which they came.
    guests: VecDeque<In>,
}

/// What is known of a guest: when this is dropped it is cut off.
struct In {
    cut: oneshot::Sender<()>,
    has_spoken: Arc<AtomicBool>,
}

/// A connection that was let in.
pub(super) struct Guest {
    stream: TcpStream,
    came: Instant,
    has_spoken: Arc<AtomicBool>,
    over: Pin<Box<Sleep>>,
    cut: oneshot::Receiver<()>,
}

impl Doors {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self::with_room(listener, MOST)
    }

    fn with_room(listener: TcpListener, most: usize) -> Self {
        Self { listener, most, guests: VecDeque::new() }
    }

    /// The first who has said nothing, where those are more than half: 128 of all, as many as the runtime lets in before
    /// it turns to those who are in.
    fn longest_silent(&self) -> Option<usize> {
        let mut silent = self.guests.iter().map(|guest| !guest.has_spoken.load(Relaxed));
        let first = silent.position(|is_silent| is_silent)?;
        let count = 1 + silent.filter(|is_silent| *is_silent).count();
        (2 * count > self.most).then_some(first)
    }

    /// A guest's place, for which another goes where there is no other.
    fn let_in(&mut self, stream: TcpStream) -> Guest {
        if self.guests.len() >= self.most {
            self.guests.retain(|guest| !guest.cut.is_closed());
        }
        if self.guests.len() >= self.most {
            let longest = self.longest_silent().unwrap_or(0);
            self.guests.remove(longest);
        }
        let ((sender, cut), has_spoken) = (oneshot::channel(), Arc::<AtomicBool>::default());
        self.guests.push_back(In { cut: sender, has_spoken: has_spoken.clone() });
        Guest { stream, came: Instant::now(), has_spoken, over: Box::pin(sleep(SILENT)), cut }
    }
}

impl Listener for Doors {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (self.let_in(stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Guest {
    /// An error once its time is over or its place is another's; before that it is woken then.
    fn stays(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if Pin::new(&mut self.cut).poll(context).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match self.over.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn has_said(&mut self, bytes: usize) {
        if bytes > 0 && !self.has_spoken.swap(true, Relaxed) {
            self.over.as_mut().reset(self.came + LONGEST);
        }
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stays(context)?;
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.has_said(into.filled().len() - before);
        read
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stays(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn met(most: usize) -> (Doors, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Doors::with_room(listener, most), address)
    }

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_has_that_of_the_oldest() {
        let (mut doors, address) = met(2).await;
        let mut callers = Vec::new();
        let mut guests = Vec::new();
        for _ in 0..3 {
            callers.push(TcpStream::connect(address).await.unwrap());
            guests.push(doors.accept().await.0);
        }
        for (caller, is_cut) in callers.iter_mut().zip([true, false, false]) {
            caller.write_all(b"?").await.unwrap();
            let read = guests.remove(0).read_u8().await;
            let why = read.as_ref().err().map(io::Error::kind);
            assert_eq!(why, is_cut.then_some(io::ErrorKind::ConnectionAborted), "{read:?}");
        }
    }

    /// One that came in and said `words`, of which the first byte was read.
    async fn spoken(doors: &mut Doors, address: SocketAddr, words: &[u8]) -> (TcpStream, Guest) {
        let mut caller = TcpStream::connect(address).await.unwrap();
        let mut guest = doors.accept().await.0;
        caller.write_all(words).await.unwrap();
        assert_eq!(guest.read_u8().await.unwrap(), words[0]);
        (caller, guest)
    }

    #[tokio::test]
    async fn who_has_said_something_stays_while_most_have_not() {
        let (mut doors, address) = met(4).await;
        let (_asks, mut guest) = spoken(&mut doors, address, b"?!").await;
        let mut others = Vec::new();
        for _ in 0..8 {
            others.push((TcpStream::connect(address).await.unwrap(), doors.accept().await.0));
        }
        assert_eq!(guest.read_u8().await.unwrap(), b'!');
        assert!(others.remove(0).1.read_u8().await.is_err());
    }

    #[tokio::test]
    async fn who_has_just_come_is_not_cut_off_for_the_next_where_all_others_have_spoken() {
        let (mut doors, address) = met(4).await;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(spoken(&mut doors, address, b"G").await);
        }
        let mut probe = TcpStream::connect(address).await.unwrap();
        let mut guest = doors.accept().await.0;
        let _next = (TcpStream::connect(address).await.unwrap(), doors.accept().await.0);
        probe.write_all(b"?").await.unwrap();
        assert_eq!(guest.read_u8().await.unwrap(), b'?');
        assert!(others.remove(0).1.read_u8().await.is_err());
    }

    #[tokio::test]
    async fn who_has_gone_leaves_a_place_for_which_nobody_goes() {
        let (mut doors, address) = met(2).await;
        let mut caller = TcpStream::connect(address).await.unwrap();
        let mut first = doors.accept().await.0;
        for _ in 0..3 {
            let _other = TcpStream::connect(address).await.unwrap();
            drop(doors.accept().await);
        }
        caller.write_all(b"?").await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), b'?');
    }

    #[tokio::test]
    async fn however_many_say_nothing_who_asks_is_answered() {
        let (doors, address) = met(MOST).await;
        let app = axum::Router::new().route("/healthz", axum::routing::get(async || "ok\n"));
        let serving = tokio::spawn(axum::serve(doors, app).into_future());
        let mut silent = Vec::new();
        for _ in 0..2 * MOST {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut asks = TcpStream::connect(address).await.unwrap();
        asks.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        // Without the others' places it would wait for as long as they may stay.
        let answered = tokio::time::timeout(LONGEST / 2, asks.read_to_string(&mut answer)).await;
        assert!(answered.is_ok() && answer.starts_with("HTTP/1.1 200"), "{answered:?} {answer}");
        serving.abort();
    }
}
