//! What tenants said, and what is promised of it. Pure.

use serde_json::{Value, json};

/// Tenants by share in percent and workload.
pub(super) type Tenants = &'static [(u32, &'static str)];

/// How far a saturating tenant may be from its share, in points.
const MOST_POINTS: f64 = 2.0;
/// The same in the first second, where its longest kernel is not longer.
const MOST_FIRST_POINTS: f64 = 5.0;
/// By how much all together may have less than one alone, in percent.
const MOST_LOST: f64 = 3.0;
/// For how long nobody waits whatever others run, in milliseconds: two quanta.
const TWO_QUANTA_MS: f64 = 10.0;

/// What a tenant said: work in milliseconds that ended in the first second and after it, its longest time
/// without any, and the longest of its kernels and graphs.
#[derive(Clone, Copy, Default)]
pub(super) struct Got {
    pub(super) first_ms: f64,
    pub(super) later_ms: f64,
    /// For how long the work of `later_ms` was counted, in seconds.
    pub(super) later_seconds: f64,
    pub(super) stall_ms: f64,
    pub(super) longest_kernel_ms: f64,
}

impl Got {
    /// Takes a line of `gpu-load` in, of a tenant that works for so many seconds. What ends after them does not
    /// count: the one that is done first leaves the card to the others.
    pub(super) fn take(&mut self, line: &Value, seconds: f64) {
        let number = |key: &str| line[key].as_f64();
        let Some(at_ms) = number("at_ms").filter(|at_ms| *at_ms <= seconds * 1e3) else { return };
        let got_ms = number("got_ms").unwrap_or(0.0);
        if at_ms <= 1e3 {
            self.first_ms += got_ms;
        } else {
            self.later_ms += got_ms;
            self.later_seconds = (at_ms - 1e3) / 1e3;
        }
        self.stall_ms = self.stall_ms.max(number("stall_ms").unwrap_or(0.0));
    }

    /// Work in a second after the first, in milliseconds.
    pub(super) fn each_second_ms(&self) -> f64 {
        if self.later_seconds > 0.0 { self.later_ms / self.later_seconds } else { 0.0 }
    }
}

/// One scenario as it was played: `alone` says what each would get in a second without the others, in
/// milliseconds. Each tenant is told where it is past what is promised.
pub(super) fn scenario(
    name: &str,
    mode: &str,
    tenants: Tenants,
    alone: &[f64],
    seen: &[Got],
) -> Value {
    let longest_ms = seen.iter().map(|got| got.longest_kernel_ms).fold(0.0, f64::max);
    // Where somebody idles, or nobody is lent anything, other rules hold than those of full shares.
    let idles = tenants.iter().any(|(_, workload)| *workload == "idle");
    let mut rows: Vec<Value> = Vec::new();
    for ((&(share, workload), &alone), got) in tenants.iter().zip(alone).zip(seen) {
        let part = |ms: f64| if alone > 0.0 { ms * 100.0 / alone } else { 0.0 };
        let (share, percent, first) =
            (f64::from(share), part(got.each_second_ms()), part(got.first_ms));
        let most_first = MOST_FIRST_POINTS.max(longest_ms / 10.0);
        let most_stall_ms = TWO_QUANTA_MS + (100.0 / share - 1.0) * longest_ms;
        let promises = [
            ("share", !idles && (percent - share).abs() > MOST_POINTS),
            ("first second", !idles && (first - share).abs() > most_first),
            ("stall", workload != "idle" && got.stall_ms > most_stall_ms),
        ];
        let past = promises.into_iter().filter(|(_, is_past)| *is_past && mode != "none");
        rows.push(json!({
            "share_percent": share,
            "workload": workload,
            "got_percent": percent,
            "first_second_percent": first,
            "longest_stall_ms": got.stall_ms,
            "longest_kernel_ms": got.longest_kernel_ms,
            "error_points": percent - share,
            "past": past.map(|(what, _)| what).collect::<Vec<_>>(),
        }));
    }
    let sum: f64 = rows.iter().filter_map(|row| row["got_percent"].as_f64()).sum();
    let promised = if idles && mode == "strict" { 50.0 } else { 100.0 };
    let lost = promised - sum;
    let is_past = mode != "none"
        && (lost > MOST_LOST || rows.iter().any(|row| row["past"] != Value::Array(vec![])));
    json!({"name": name, "mode": mode, "lost_percent": lost, "is_past": is_past, "tenants": rows})
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Tenants = &[(25, "saturate"), (75, "saturate")];

    /// Alone each gets 900 ms of work a second.
    fn judged(mode: &str, seen: [Got; 2]) -> Value {
        scenario("25-75", mode, PAIR, &[900.0, 900.0], &seen)
    }

    fn got(percent: f64) -> Got {
        let (first_ms, later_ms) = (percent * 9.0, percent * 90.0);
        let (later_seconds, stall_ms, longest_kernel_ms) = (10.0, 4.0, 0.5);
        Got { first_ms, later_ms, later_seconds, stall_ms, longest_kernel_ms }
    }

    #[test]
    fn a_share_is_compared_with_one_that_has_the_card_alone() {
        let one = judged("fair", [got(25.0), got(75.0)]);
        assert_eq!(one["tenants"][0]["got_percent"], 25.0);
        assert_eq!((&one["lost_percent"], &one["is_past"]), (&json!(0.0), &json!(false)));
        let one = judged("fair", [got(28.0), got(72.0)]);
        assert_eq!(
            (&one["is_past"], &one["tenants"][1]["past"]),
            (&json!(true), &json!(["share"]))
        );
        assert_eq!(judged("none", [got(28.0), got(72.0)])["is_past"], false);
    }

    #[test]
    fn the_first_second_is_held_to_five_points_or_the_longest_kernel() {
        let with = |percent: f64, kernel_ms| {
            let first = Got { first_ms: percent * 9.0, longest_kernel_ms: kernel_ms, ..got(25.0) };
            judged("fair", [first, got(75.0)])["tenants"][0]["past"].clone()
        };
        assert_eq!(with(29.5, 0.5), json!([]));
        assert_eq!(with(31.0, 0.5), json!(["first second"]));
        assert_eq!(with(31.0, 70.0), json!([]));
    }

    #[test]
    fn a_stall_is_held_to_two_quanta_and_the_longest_kernel_by_the_share() {
        let with = |stall_ms, kernel_ms| {
            let first = Got { stall_ms, longest_kernel_ms: kernel_ms, ..got(25.0) };
            judged("strict", [first, got(75.0)])["tenants"][0]["past"].clone()
        };
        assert_eq!((with(11.0, 0.5), with(12.0, 0.5)), (json!([]), json!(["stall"])));
        assert_eq!((with(159.0, 50.0), with(161.0, 50.0)), (json!([]), json!(["stall"])));
    }

    #[test]
    fn what_ends_when_the_time_is_over_counts_for_nobody() {
        let mut got = Got::default();
        for at_ms in (100..=2400).step_by(100) {
            let stall_ms = if at_ms > 2000 { 900.0 } else { 3.0 };
            got.take(&json!({"at_ms": at_ms, "got_ms": 25.0, "stall_ms": stall_ms}), 2.0);
        }
        got.take(&json!({"done": true, "got_ms": 600.0, "longest_stall_ms": 900.0}), 2.0);
        assert_eq!((got.first_ms, got.later_ms, got.later_seconds), (250.0, 250.0, 1.0));
        assert_eq!((got.each_second_ms(), got.stall_ms), (250.0, 3.0));
    }
}
