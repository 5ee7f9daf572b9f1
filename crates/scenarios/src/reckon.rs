//! What samples of what each had come to: figures per tenant. Pure.

use serde::Serialize;

use crate::judge;
use crate::scenario::{Mode, Scenario};

const SECOND_NS: u64 = 1_000_000_000;
/// For how long an error counts.
const WINDOW_NS: u64 = 10 * SECOND_NS;

/// What each had had at a moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Since all have begun.
    pub at_ns: u64,
    /// For each seat, nanoseconds of its card.
    pub got_ns: Vec<u64>,
}

/// One tenant on one of its cards.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// The tenant's number in its scenario.
    pub tenant: usize,
    /// The card's number.
    pub card: usize,
}

/// All of a scenario, tenant by tenant.
#[must_use]
pub fn seats(scenario: &Scenario) -> Vec<Seat> {
    let tenants = scenario.tenants.iter().enumerate();
    tenants
        .flat_map(|(tenant, its)| its.cards.iter().map(move |&card| Seat { tenant, card }))
        .collect()
}

/// What is known of a seat besides what it had.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// The longest time in which it wanted the card and had none of it; `None` where nobody knows.
    pub longest_stall_ms: Option<f64>,
    /// The longest of its kernels and graphs.
    pub longest_kernel_ms: f64,
    /// The work that it has done, in percent of the time, where that is not what it got.
    pub worked_percent: Option<f64>,
    /// Of its requests, where it answers some: the median.
    pub latency_p50_ms: Option<f64>,
    /// The same: what one in a hundred takes longer than.
    pub latency_p99_ms: Option<f64>,
}

/// One scenario in one mode.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// The scenario's.
    pub name: &'static str,
    /// The mode's.
    pub mode: &'static str,
    /// How much of a card nobody got after the first second, in percent, beside what is nobody's. Where somebody does not
    /// always want it that is no loss.
    pub lost_percent: f64,
    /// What nobody may have: what strict shares that all want leave of a card, in percent.
    pub nobodys_percent: f64,
    /// Whether more of that is a loss than is aimed at.
    pub loses: bool,
    /// Whether something of this is past what is aimed at.
    pub is_past: bool,
    /// Each of its seats.
    pub tenants: Vec<TenantSeen>,
    /// What the plot is drawn of.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

/// One tenant on one of its cards.
#[derive(Clone, Debug, Serialize)]
pub struct TenantSeen {
    /// What was promised.
    pub share_percent: u32,
    /// `gpu-load`'s word.
    pub workload: &'static str,
    /// The card's number.
    pub card: usize,
    /// Of the card's time, after the first second.
    pub got_percent: f64,
    /// The farthest that any 10 s after the first second were from the share; of a shorter run, all of it.
    pub worst_10s_error_points: f64,
    /// Of the card's time, in the first second.
    pub first_second_percent: f64,
    /// The longest time in which it wanted the card and had none of it; null where nobody knows.
    pub longest_stall_ms: Option<f64>,
    /// The longest piece of its work that cannot be stopped.
    pub longest_kernel_ms: f64,
    /// The work that it has done, in percent of the time; null where that is what it got.
    pub worked_percent: Option<f64>,
    /// Of its requests, where it answers some: the median.
    pub latency_p50_ms: Option<f64>,
    /// The same: what one in a hundred takes longer than.
    pub latency_p99_ms: Option<f64>,
    /// What of this is past what is aimed at, in words.
    pub past: Vec<&'static str>,
    /// The most that any 10 s were below the share, and above.
    #[serde(skip)]
    pub(crate) off: Off,
}

/// How far 10 s were from a share at most, in points; negative where none was on that side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Off {
    pub(crate) below: f64,
    pub(crate) above: f64,
}

/// What the samples come to; `told` is by seat, as [`seats`] has them.
#[must_use]
pub fn reckon(scenario: &Scenario, mode: Mode, samples: Vec<Sample>, told: &[Told]) -> Seen {
    let seats = seats(scenario).into_iter().zip(told).enumerate();
    let tenants: Vec<TenantSeen> = seats
        .map(|(i, (Seat { tenant, card }, told))| {
            let tenant = &scenario.tenants[tenant];
            let off = off(&samples, i, f64::from(tenant.share_percent));
            TenantSeen {
                share_percent: tenant.share_percent,
                workload: tenant.workload,
                card,
                got_percent: points(got(&samples, i, SECOND_NS, u64::MAX)),
                worst_10s_error_points: points(off.below.max(off.above)),
                first_second_percent: points(got(&samples, i, 0, SECOND_NS)),
                longest_stall_ms: told.longest_stall_ms.map(points),
                longest_kernel_ms: told.longest_kernel_ms,
                worked_percent: told.worked_percent.map(points),
                latency_p50_ms: told.latency_p50_ms,
                latency_p99_ms: told.latency_p99_ms,
                past: Vec::new(),
                off,
            }
        })
        .collect();
    let all: f64 = tenants.iter().map(|tenant| tenant.got_percent).sum();
    let nobodys_percent = points(judge::nobodys_percent(scenario, mode));
    let lost_percent = points(100.0 - all / scenario.cards() as f64 - nobodys_percent);
    let (name, mode_name) = (scenario.name, mode.name());
    let (loses, is_past) = (false, false);
    let mut seen = Seen {
        name,
        mode: mode_name,
        lost_percent,
        nobodys_percent,
        loses,
        is_past,
        tenants,
        samples,
    };
    judge::judge(&mut seen, scenario, mode);
    seen
}

/// Percent of its card that seat `i` got between two times, to the nearest samples.
fn got(samples: &[Sample], i: usize, from_ns: u64, to_ns: u64) -> f64 {
    let at = |time: u64| {
        let behind = samples.partition_point(|sample| sample.at_ns < time);
        samples.get(behind.min(samples.len().max(1) - 1))
    };
    match (at(from_ns), at(to_ns)) {
        (Some(from), Some(to)) if from.at_ns < to.at_ns => {
            let got = to.got_ns[i].saturating_sub(from.got_ns[i]) as f64;
            got * 100.0 / (to.at_ns - from.at_ns) as f64
        }
        _ => 0.0,
    }
}

fn off(samples: &[Sample], i: usize, share: f64) -> Off {
    let Some(last) = samples.last() else { return Off { below: f64::NAN, above: f64::NAN } };
    let starts = samples.iter().map(|sample| sample.at_ns).filter(|at| *at >= SECOND_NS);
    let whole: Vec<u64> = starts.filter(|start| start + WINDOW_NS <= last.at_ns).collect();
    let windows = if whole.is_empty() { vec![SECOND_NS] } else { whole };
    let got = windows.into_iter().map(|start| {
        let end = (start + WINDOW_NS).min(last.at_ns);
        got(samples, i, start, end)
    });
    let (least, most) =
        got.fold((f64::MAX, f64::MIN), |(least, most), one| (least.min(one), most.max(one)));
    Off { below: share - least, above: most - share }
}

fn points(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Sample> {
        let at = |tenth: u64| {
            let (ns, got) = (tenth * SECOND_NS / 10, tenth * SECOND_NS / 40);
            Sample { at_ns: ns, got_ns: vec![got, if tenth < 60 { 0 } else { got }] }
        };
        (0..=120).map(at).collect()
    }

    #[test]
    fn a_quarter_of_every_window_is_twenty_five_percent() {
        let samples = samples();
        assert_eq!(got(&samples, 0, 0, SECOND_NS), 25.0);
        assert_eq!(got(&samples, 0, SECOND_NS, u64::MAX), 25.0);
        assert_eq!(off(&samples, 0, 25.0), Off { below: 0.0, above: 0.0 });
        assert_eq!(off(&samples, 0, 20.0), Off { below: -5.0, above: 5.0 });
    }

    #[test]
    fn the_worst_window_counts_on_either_side() {
        let Off { below, above } = off(&samples(), 1, 25.0);
        assert!(above > 2.0 && below < above, "{below} {above}");
    }
}
