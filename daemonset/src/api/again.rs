//! What is tried again when the API server did not take it: said once for each reason, and ever more seldom.

use std::time::Duration;

use kube_api::{ApiError, varied};

use super::LOOK;

/// The longest between two tries of what the node is changed by: a right that is not given stays so for long.
pub(super) const SELDOM: Duration = Duration::from_secs(120);
/// The longest between two tries of what is not a matter of rights: a server that was away is there again at any moment.
const AWAY: Duration = Duration::from_secs(10);

/// How one thing that is tried again and again has gone so far.
#[derive(Debug)]
pub(super) struct Again {
    most: Duration,
    pause: Duration,
    told: String,
}

impl Again {
    /// Nothing has failed yet; two tries are never further apart than `most`, nor than ten seconds where no right is
    /// missing.
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
        let is_for_want_of_a_right = matches!(error.code(), Some(401 | 403));
        let most = if is_for_want_of_a_right { self.most } else { self.most.min(AWAY) };
        let pause = self.pause.min(most);
        self.told = why;
        self.pause = (pause * 2).min(most);
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
    fn a_server_that_was_away_for_long_is_tried_again_soon() {
        let mut again = Again::new(SELDOM);
        let pauses = [503; 20].map(|code| again.failed(&refused(code)).1);
        assert!(pauses.iter().all(|pause| *pause < AWAY * 2), "{pauses:?}");
        let (_, pause) = [403; 20].map(|code| again.failed(&refused(code)))[19];
        assert!(pause > AWAY * 2, "{pause:?}");
        let (_, pause) = again.failed(&refused(503));
        assert!(pause < AWAY * 2, "{pause:?}");
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
