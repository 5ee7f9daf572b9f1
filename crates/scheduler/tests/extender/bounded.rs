//! How much of questions is in memory at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::peer::Peer;
use super::{Extender, until};

/// One that wants to ask, and sends its question when it is told to go on.
struct Asker {
    stream: TcpStream,
    heard: String,
}

impl Asker {
    fn new(extender: &Extender) -> Self {
        let address = extender.base.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let head =
            "POST /filter HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        Self { stream, heard: String::new() }
    }

    fn has_heard(&mut self, word: &str) -> bool {
        let mut piece = [0; 1024];
        match self.stream.read(&mut piece) {
            Ok(read) => self.heard.push_str(&String::from_utf8_lossy(&piece[..read])),
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{error}"
            ),
        }
        self.heard.contains(word)
    }
}

/// Which of them were told to go on.
fn read(askers: &mut [Asker]) -> Vec<usize> {
    let heard = askers.iter_mut().map(|asker| asker.has_heard("100 Continue"));
    heard.enumerate().filter_map(|(at, is_read)| is_read.then_some(at)).collect()
}

#[test]
fn few_questions_are_read_at_a_time_and_the_next_when_one_is_answered() {
    let extender = Extender::start(&Peer::start());
    let mut askers: Vec<_> = (0..8).map(|_| Asker::new(&extender)).collect();
    until(|| read(&mut askers).len() >= 4);
    // Whoever else would be read is by now.
    (0..20).for_each(|_| drop(extender.get("/healthz")));
    let first = read(&mut askers);
    assert_eq!(first.len(), 4);
    askers[first[0]].stream.write_all(b"{}").unwrap();
    until(|| read(&mut askers).len() == 5);
}
