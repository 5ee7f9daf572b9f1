//! Lines on standard error, formatted without `core::fmt` and without a heap.

use crate::sys;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A line that a process says at most once.
pub(crate) struct Once(AtomicBool);

impl Once {
    /// Not said.
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Says the line that `write` makes, unless it has been said.
    #[cold]
    pub(crate) fn say(&self, write: impl FnOnce(&mut Line)) {
        if !self.0.swap(true, Relaxed) {
            let mut line = Line::new();
            write(&mut line);
            line.send();
        }
    }
}

/// A line of text; what does not fit is cut.
pub(crate) struct Line {
    bytes: [u8; 512],
    len: usize,
}

impl Line {
    fn new() -> Self {
        let mut line = Self { bytes: [0; 512], len: 0 };
        line.text("aliquot: ");
        line
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds bytes; a control character becomes `?`, so that a name cannot forge lines.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        // One byte is kept for the end of the line.
        let room = self.bytes.iter_mut().rev().skip(1).rev().skip(self.len);
        let mut added = 0;
        for (to, from) in room.zip(bytes) {
            *to = if from.is_ascii_control() { b'?' } else { *from };
            added += 1;
        }
        self.len += added;
        self
    }

    /// Adds a number in decimal.
    pub(crate) fn number(&mut self, mut number: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut len = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            len += 1;
            if number == 0 {
                break;
            }
        }
        let (_, digits) = digits.split_at_checked(20 - len).unwrap_or_default();
        self.bytes(digits)
    }

    fn send(&mut self) {
        if let Some(end) = self.bytes.get_mut(self.len) {
            *end = b'\n';
        }
        if let Some(line) = self.bytes.get(..=self.len) {
            sys::write_stderr(line);
        }
    }
}
