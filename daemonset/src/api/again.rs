//! What is tried again when the API server did not take it: said once for each reason, and ever more seldom.

use std::time::Duration;

use kube_api::{ApiError, varied};

use super::LOOK;

/// How one thing that is tried again and again has gone so far.
#[derive(Debug)]
pub(super) struct Again {
    most: Duration,
    pause: Duration,
    told: String,
}

impl Again {
    /// Nothing has failed yet; two tries are never further apart than `most`.
    pub(super) const fn new(most: Duration) -> Self {
        Self { most, pause: LOOK, told: String::new() }
    }

    /// It was taken.
    pub(super) fn done(&mut self) {
        (self.pause, self.told) = (LOOK, String::new());
    }

    /// It was not, for this reason: whether that is worth a word, and how long to wait.
    pub(super) fn failed(&mut self, error: &ApiError) -> (bool, Duration) {
        let why = error.to_string();
        let is_news = self.told != why;
        let pause = self.pause;
        self.told = why;
        self.pause = (pause * 2).min(self.most);
        // All agents of a cluster may lack the same right, or the same server.
        (is_news, varied(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16) -> ApiError {
        ApiError::Refused { code, message: "no".into(), after: None }
    }

    #[test]
    fn a_reason_is_said_once_and_what_goes_on_failing_is_tried_ever_more_seldom() {
        let mut again = Again::new(LOOK * 6);
        let said = [403, 403, 403, 500, 403].map(|code| again.failed(&refused(code)).0);
        assert_eq!(said, [true, false, false, true, true]);
        let (_, longest) = again.failed(&refused(403));
        assert!(longest > LOOK * 4 && longest < LOOK * 8, "{longest:?}");
        again.done();
        let (is_news, shortest) = again.failed(&refused(403));
        assert!(is_news && shortest < LOOK * 2, "{shortest:?}");
    }
}
