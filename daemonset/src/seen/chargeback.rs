//! Who held how much of the GPUs for how long: GPU seconds allotted, by namespace.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::allotment::{Holding, Record};

/// Namespaces that are told apart; what further ones hold is summed up under [`OTHERS`].
const MOST: usize = 1000;
/// What the namespaces beyond are called. No namespace can be named so.
const OTHERS: &str = "(others)";

/// Sums since the agent started.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Chargeback {
    by_namespace: BTreeMap<String, f64>,
}

impl Chargeback {
    /// Adds what `records` held during the last `time`. What has no name yet is not charged to
    /// anybody.
    pub fn add(&mut self, records: &[Record], time: Duration) {
        for record in records {
            let Some(holder) = &record.holder else { continue };
            let known = self.by_namespace.contains_key(&holder.namespace);
            let room = known || self.by_namespace.len() < MOST;
            let namespace = if room { &holder.namespace } else { OTHERS };
            let sum = self.by_namespace.entry(namespace.to_owned()).or_default();
            *sum += gpus(&record.holding) * time.as_secs_f64();
        }
    }

    /// GPU seconds by namespace: half a GPU for ten seconds is five.
    pub fn sums(&self) -> impl Iterator<Item = (&str, f64)> {
        self.by_namespace.iter().map(|(namespace, sum)| (namespace.as_str(), *sum))
    }
}

/// How many GPUs a holding is.
#[must_use]
pub(super) fn gpus(holding: &Holding) -> f64 {
    match holding {
        Holding::Share { percent, .. } => f64::from(*percent) / 100.0,
        other => other.gpus().len() as f64,
    }
}

#[cfg(test)]
mod tests {
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
        chargeback.add(&records, Duration::from_secs(10));
        chargeback.add(&records[..1], Duration::from_secs(10));
        assert_eq!(chargeback.sums().collect::<Vec<_>>(), [("a", 15.0), ("b", 20.0)]);
    }

    #[test]
    fn namespaces_without_end_are_summed_up() {
        let mut chargeback = Chargeback::default();
        let one = Grant::Whole(vec![uuid(1)]);
        for n in 0..2000 {
            chargeback.add(&[record(Some(&format!("n{n}")), &one)], Duration::from_secs(1));
        }
        assert_eq!(chargeback.sums().count(), MOST + 1);
        assert_eq!(chargeback.sums().next(), Some((OTHERS, 1000.0)));
    }
}
