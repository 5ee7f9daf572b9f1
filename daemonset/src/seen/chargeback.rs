//! Who held how much of the GPUs for how long: GPU seconds allotted, by namespace.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{AllotmentId, DeviceUuid};

use super::parts::gpus;
use crate::allotment::Record;
use crate::arbiter::View;
use crate::inventory::Inventory;

/// Namespaces that are told apart; what further ones hold is summed up under [`OTHERS`].
const MOST: usize = 1000;
/// What the namespaces beyond are called. No namespace can be named so.
const OTHERS: &str = "(others)";

/// Sums since the agent started.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Chargeback {
    by_namespace: BTreeMap<String, f64>,
    used: BTreeMap<String, u64>,
    /// What each allotment had been charged at the last look, in nanoseconds.
    known: BTreeMap<(AllotmentId, DeviceUuid), u64>,
}

impl Chargeback {
    /// Adds what `records` held of these cards during the last `time`. What has no name yet is not charged to
    /// anybody.
    pub fn add(&mut self, records: &[Record], cards: &Inventory, time: Duration) {
        for record in records {
            let Some(holder) = &record.holder else { continue };
            let namespace = name(&self.by_namespace, &holder.namespace);
            let sum = self.by_namespace.entry(namespace).or_default();
            *sum += gpus(&record.holding, cards) * time.as_secs_f64();
        }
    }

    /// Adds the GPU time that the arbiter has charged `records` for since the last look.
    pub fn used(&mut self, records: &[Record], times: &View) {
        let mut known = BTreeMap::new();
        for record in records {
            let Some(holder) = &record.holder else { continue };
            for &gpu in record.holding.gpus() {
                let Some(seen) = times.seen(gpu, record.id) else { continue };
                let before = self.known.get(&(record.id, gpu)).copied().unwrap_or(0);
                // An arbiter that begins anew counts from zero.
                let fresh = seen.charged_ns.checked_sub(before).unwrap_or(seen.charged_ns);
                let namespace = name(&self.used, &holder.namespace);
                let used = self.used.entry(namespace).or_default();
                *used = used.saturating_add(fresh);
                known.insert((record.id, gpu), seen.charged_ns);
            }
        }
        self.known = known;
    }

    /// GPU seconds used by namespace, of shares.
    pub fn used_sums(&self) -> impl Iterator<Item = (&str, f64)> {
        self.used.iter().map(|(namespace, ns)| (namespace.as_str(), *ns as f64 / 1e9))
    }

    /// GPU seconds by namespace: half a GPU for ten seconds is five.
    pub fn sums(&self) -> impl Iterator<Item = (&str, f64)> {
        self.by_namespace.iter().map(|(namespace, sum)| (namespace.as_str(), *sum))
    }
}

/// The namespace, or what those beyond the most are called.
fn name<T>(known: &BTreeMap<String, T>, namespace: &str) -> String {
    let room = known.contains_key(namespace) || known.len() < MOST;
    if room { namespace.to_owned() } else { OTHERS.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::parts::tests::sevenths;
    use super::*;
    use crate::allotment::Holder;
    use crate::decide::Grant;
    use crate::inventory::tests::uuid;
    use contract::{DeviceId, Mib, Percent};

    fn record(namespace: Option<&str>, grant: &Grant) -> Record {
        let record = Record::new(&[DeviceId::Whole(uuid(0))].into(), grant, 0);
        let holder = |namespace: &str| Holder {
            namespace: namespace.into(),
            pod: "a".into(),
            container: None,
        };
        Record { holder: namespace.map(holder), ..record }
    }

    #[test]
    fn a_namespace_is_charged_for_what_it_holds_as_long_as_it_holds_it() {
        let percent = Percent::new(50).unwrap();
        let half = Grant::Share { gpu: uuid(0), percent, memory: Mib(1), context: Mib(1) };
        let two = Grant::Whole(vec![uuid(1), uuid(2)]);
        let records = [
            record(Some("a"), &half),
            record(Some("b"), &two),
            record(Some("a"), &half),
            record(None, &two),
        ];
        let mut chargeback = Chargeback::default();
        let cards = Inventory::default();
        chargeback.add(&records, &cards, Duration::from_secs(10));
        chargeback.add(&records[..1], &cards, Duration::from_secs(10));
        assert_eq!(chargeback.sums().collect::<Vec<_>>(), [("a", 15.0), ("b", 20.0)]);
    }

    #[test]
    fn all_slices_of_a_card_are_charged_as_no_more_than_the_card() {
        let (cards, grants) = sevenths();
        let records: Vec<_> = grants.iter().map(|grant| record(Some("a"), grant)).collect();
        let mut chargeback = Chargeback::default();
        chargeback.add(&records, &cards, Duration::from_secs(10));
        let (_, charged) = chargeback.sums().next().unwrap();
        assert!((8.0..=10.0).contains(&charged), "{charged}");
    }

    #[test]
    fn a_namespace_is_charged_for_the_time_that_its_containers_had() {
        let half = Percent::new(50).unwrap();
        let grant = Grant::Share { gpu: uuid(0), percent: half, memory: Mib(1), context: Mib(1) };
        let record = record(Some("a"), &grant);
        let view = |charged_ns| {
            let seen = crate::arbiter::Seen { charged_ns, ..Default::default() };
            let containers = [(record.id.to_string(), seen)].into();
            let gpu = crate::arbiter::GpuView { containers, ..Default::default() };
            View { at_ns: 0, gpus: [(uuid(0).to_string(), gpu)].into() }
        };
        let mut chargeback = Chargeback::default();
        // The third is of an arbiter that began anew.
        for charged_ns in [1_000_000_000, 3_000_000_000, 500_000_000] {
            chargeback.used(std::slice::from_ref(&record), &view(charged_ns));
        }
        assert_eq!(chargeback.used_sums().collect::<Vec<_>>(), [("a", 3.5)]);
    }

    #[test]
    fn namespaces_without_end_are_summed_up() {
        let mut chargeback = Chargeback::default();
        let one = Grant::Whole(vec![uuid(1)]);
        for n in 0..2000 {
            let held = [record(Some(&format!("n{n}")), &one)];
            chargeback.add(&held, &Inventory::default(), Duration::from_secs(1));
        }
        assert_eq!(chargeback.sums().count(), MOST + 1);
        assert_eq!(chargeback.sums().next(), Some((OTHERS, 1000.0)));
    }
}
