//! The life of findings: told once, when they have stood for a while, and over when they have been
//! gone for a while. Pure.

use std::collections::{BTreeMap, BTreeSet};

use contract::DeviceUuid;

use super::finding::{Finding, Key, Kind};

/// Looks with a finding, less those without it, until it is told. A process that is just starting or ending is none;
/// one that is there at most looks is one, however it comes and goes.
const CONFIRMED: u32 = 3;
/// Looks in a row without it until it is over.
const OVER: u32 = 3;
/// Findings that are followed at a time: far more than a node runs containers.
const MOST: usize = 1024;

/// A change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// It stands.
    Found(Finding),
    /// It no longer does.
    Over(Finding),
}

/// The findings of the last looks.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    standing: BTreeMap<Key, Standing>,
    /// How often each kind was told, in the order of [`Kind::ALL`].
    pub(super) told: [u64; Kind::ALL.len()],
}

#[derive(Debug)]
struct Standing {
    finding: Finding,
    /// Looks with it, less those without it until it was told.
    seen: u32,
    /// Looks in a row without it since it was told.
    missed: u32,
}

impl Tracker {
    /// Takes in one look. What concerns a GPU in `silent` stays as it is.
    pub(super) fn look(
        &mut self,
        findings: BTreeMap<Key, Finding>,
        silent: &BTreeSet<DeviceUuid>,
    ) -> Vec<News> {
        let mut news = self.miss(&findings, silent);
        for (key, finding) in findings {
            let room = self.standing.len() < MOST;
            if let Some(standing) = self.standing.get_mut(&key) {
                standing.finding = finding;
                standing.seen = standing.seen.saturating_add(1);
                standing.missed = 0;
                if standing.seen == CONFIRMED {
                    self.told[key.0 as usize] += 1;
                    news.push(News::Found(standing.finding.clone()));
                }
            } else if room {
                self.standing.insert(key, Standing { finding, seen: 1, missed: 0 });
            }
        }
        news
    }

    /// The findings that were told and stand.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Finding> {
        let told = self.standing.values().filter(|standing| standing.seen >= CONFIRMED);
        told.map(|standing| &standing.finding)
    }

    fn miss(
        &mut self,
        findings: &BTreeMap<Key, Finding>,
        silent: &BTreeSet<DeviceUuid>,
    ) -> Vec<News> {
        let mut over = Vec::new();
        self.standing.retain(|key, standing| {
            if findings.contains_key(key) || silent.contains(&key.1) {
                return true;
            }
            if standing.seen < CONFIRMED {
                standing.seen -= 1;
                return standing.seen > 0;
            }
            standing.missed += 1;
            let stays = standing.missed < OVER;
            if !stays {
                over.push(News::Over(standing.finding.clone()));
            }
            stays
        });
        over
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Culprit;
    use super::super::tests::LONGEST;
    use super::*;
    use crate::inventory::tests::uuid;
    use std::time::Duration;

    fn finding(n: u8) -> Finding {
        Finding {
            kind: Kind::Outside,
            gpu: uuid(n),
            culprit: Culprit::default(),
            processes: Vec::new(),
            bytes: 0,
            limit: None,
            why: String::new(),
            pod_uid: None,
        }
    }

    fn findings(these: &[u8]) -> BTreeMap<Key, Finding> {
        these.iter().map(|n| (finding(*n).key(), finding(*n))).collect()
    }

    fn look(tracker: &mut Tracker, these: &[u8]) -> Vec<News> {
        tracker.look(findings(these), &BTreeSet::new())
    }

    #[test]
    fn what_stands_is_told_once_and_is_over_once() {
        let mut tracker = Tracker::default();
        assert_eq!(look(&mut tracker, &[1]), []);
        assert_eq!(look(&mut tracker, &[1]), []);
        assert_eq!(look(&mut tracker, &[1]), [News::Found(finding(1))]);
        for _ in 0..9 {
            assert_eq!(look(&mut tracker, &[1]), []);
        }
        assert_eq!(tracker.standing().count(), 1);
        assert_eq!(look(&mut tracker, &[]), []);
        assert_eq!(look(&mut tracker, &[]), []);
        assert_eq!(look(&mut tracker, &[]), [News::Over(finding(1))]);
        assert_eq!(tracker.standing().count(), 0);
        assert_eq!(tracker.told.iter().sum::<u64>(), 1);
    }

    #[test]
    fn a_finding_is_told_within_five_seconds_of_its_beginning() {
        // It begins right after a look, and the last look waits for another GPU as long as it may.
        let longest = LONGEST * CONFIRMED + super::super::cards::PATIENCE;
        assert!(longest < Duration::from_secs(5), "{longest:?}");
    }

    #[test]
    fn what_passes_is_never_told() {
        let mut tracker = Tracker::default();
        for these in [&[1][..], &[], &[1], &[1], &[], &[1], &[]] {
            assert_eq!(look(&mut tracker, these), []);
        }
        let mut tracker = Tracker::default();
        for n in 0..99 {
            assert_eq!(look(&mut tracker, if n % 3 == 0 { &[1] } else { &[] }), []);
        }
        assert_eq!(tracker.standing.len(), 0);
    }

    #[test]
    fn what_hides_from_every_third_look_is_told() {
        let mut tracker = Tracker::default();
        let news: Vec<_> =
            (0..9).flat_map(|n| look(&mut tracker, if n % 3 == 2 { &[] } else { &[1] })).collect();
        assert_eq!(news, [News::Found(finding(1))]);
        assert_eq!(tracker.standing().count(), 1);
    }

    #[test]
    fn a_gpu_that_does_not_answer_changes_nothing() {
        let mut tracker = Tracker::default();
        for _ in 0..3 {
            look(&mut tracker, &[1, 2]);
        }
        let silent = BTreeSet::from([uuid(1)]);
        for _ in 0..9 {
            tracker.look(findings(&[2]), &silent);
        }
        assert_eq!(tracker.standing().count(), 2);
    }

    #[test]
    fn what_is_followed_is_bounded() {
        let mut tracker = Tracker::default();
        let at = |n: u32| {
            let mut finding = finding(0);
            finding.culprit.place.container = Some(n.to_string());
            (finding.key(), finding)
        };
        tracker.look((0..5000).map(at).collect(), &BTreeSet::new());
        assert_eq!(tracker.standing.len(), MOST);
    }
}
