//! What a workload got: work done, the longest time without any of it on the GPU, latencies; per 100 ms and in
//! all. Work is counted when the host sees that it has ended; how long there was none, the GPU's clock tells, and the
//! host's behind a rest.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::say;

/// How often a line is said.
const WINDOW: Duration = Duration::from_millis(100);

pub(crate) struct Tally {
    begun: Instant,
    window_end: Duration,
    window: Duration,
    total: Duration,
    last: Duration,
    longest: Duration,
    longest_in_window: Duration,
    fresh: usize,
    latencies: Vec<f64>,
}

impl Tally {
    pub(crate) fn new(begun: Instant) -> Self {
        Self {
            begun,
            window_end: WINDOW,
            window: Duration::ZERO,
            total: Duration::ZERO,
            last: Duration::ZERO,
            longest: Duration::ZERO,
            longest_in_window: Duration::ZERO,
            fresh: 0,
            latencies: Vec::new(),
        }
    }

    /// So much work has ended, so long after the work before it where the GPU tells.
    pub(crate) fn got(&mut self, work: Duration, since: Option<Duration>) -> Result<()> {
        let now = self.look()?;
        // Of the time since work ended last this work had some itself.
        let since = since.unwrap_or(now.saturating_sub(self.last));
        let gap = since.saturating_sub(work);
        self.longest = self.longest.max(gap);
        self.longest_in_window = self.longest_in_window.max(gap);
        (self.window, self.total, self.last) = (self.window + work, self.total + work, now);
        Ok(())
    }

    /// The workload itself had nothing to do until now: that is no stall.
    pub(crate) fn rested(&mut self) {
        self.last = self.begun.elapsed();
    }

    /// A request was answered after so long.
    pub(crate) fn answered(&mut self, after: Duration) -> Result<()> {
        self.latencies.push(milliseconds(after));
        self.look().map(drop)
    }

    /// Says what is still unsaid, and the sum.
    pub(crate) fn end(mut self) -> Result<()> {
        let seconds = self.look()?.as_secs_f64();
        let (got, stall) = (milliseconds(self.total), milliseconds(self.longest));
        self.latencies.sort_by(f64::total_cmp);
        say(&json!({
            "done": true, "seconds": seconds, "got_ms": got, "longest_stall_ms": stall,
            "requests": self.latencies.len(),
            "latency_ms": {
                "p50": quantile(&self.latencies, 0.5), "p99": quantile(&self.latencies, 0.99),
                "max": quantile(&self.latencies, 1.0),
            },
        }))
    }

    /// Says the windows that are over; answers how late it is.
    fn look(&mut self) -> Result<Duration> {
        let now = self.begun.elapsed();
        while self.window_end <= now {
            say(&self.line())?;
            self.window_end += WINDOW;
            (self.window, self.longest_in_window) = (Duration::ZERO, Duration::ZERO);
            self.fresh = self.latencies.len();
        }
        Ok(now)
    }

    fn line(&self) -> Value {
        json!({
            "at_ms": self.window_end.as_millis() as u64,
            "got_ms": milliseconds(self.window),
            "stall_ms": milliseconds(self.longest_in_window),
            "latencies_ms": self.latencies[self.fresh..],
        })
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Of a sorted list; none of an empty one.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    sorted.get((sorted.len().max(1) - 1).min((sorted.len() as f64 * part) as usize)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_sees_late_is_no_stall_where_the_gpu_tells_when_it_ended() {
        let ms = Duration::from_millis;
        let mut tally = Tally::new(Instant::now() - ms(90));
        tally.got(ms(1), Some(ms(3))).unwrap();
        assert_eq!(tally.longest, ms(2));
        // Behind a rest nobody but the host knows.
        let mut tally = Tally::new(Instant::now() - ms(90));
        tally.got(ms(1), None).unwrap();
        assert!(tally.longest >= ms(89), "{:?}", tally.longest);
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let seen: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            [0.5, 0.99, 1.0].map(|part| quantile(&seen, part)),
            [Some(51.0), Some(100.0), Some(100.0)]
        );
        assert_eq!(quantile(&[], 0.5), None);
    }
}
