//! Files, and what they come to on nodes.

use super::*;
use crate::config::parse;

fn config(text: &str, name: &str, labels: &[(&str, &str)]) -> Config {
    let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    let who = Who { name: name.into(), labels: labels.collect() };
    Config::new(&parse(text).unwrap(), &Section::default(), &who)
}

const FLEET: &str = "
domain: a.example
defaultMode: whole
pools:
  training: {mode: whole}
  chat: {mode: shared, resource: gpu-talk}
gpus:
- {product: '*A100*', pool: training}
- {index: 1, mode: shared, cordon: fan is loud}
nodes:
- names: ['edge-*']
  set: {defaultMode: shared, gpus: []}
- labels: {zone: 'b*'}
  set: {placement: spread, health: {xids: {63: reset-gpu}}}
";

#[test]
fn a_node_has_what_its_name_and_labels_say_over_what_holds_for_all() {
    let plain = config(FLEET, "a", &[]);
    assert_eq!((plain.default_mode, plain.gpus.len()), (Mode::Whole, 2));
    let edge = config(FLEET, "edge-7", &[("zone", "b1")]);
    assert_eq!((edge.default_mode, edge.gpus.len()), (Mode::Shared, 0));
    assert_eq!(edge.placement, Placement::Spread);
    assert_eq!(edge.health.xids, [(63, Action::ResetGpu)].into());
    assert_eq!(edge.domain.as_str(), "a.example");
}

#[test]
fn a_pools_resource_is_its_name_unless_it_is_given_one() {
    let pools = config(FLEET, "a", &[]).pools;
    let resources: Vec<_> = pools.values().map(|pool| pool.resource.as_str()).collect();
    assert_eq!(resources, ["gpu-talk", "gpu-training"]);
}

#[test]
fn what_is_printed_says_the_same_when_it_is_read() {
    for name in ["a", "edge-1"] {
        let config = config(FLEET, name, &[("zone", "b")]);
        let again =
            Config::new(&parse(&config.print()).unwrap(), &Section::default(), &Who::default());
        assert_eq!(again, config, "{}", config.print());
    }
}

#[test]
fn sections_that_together_leave_a_pin_without_its_pool_are_told() {
    let text = "pools: {a: {}, b: {}}\nnodes:\n- {labels: {x: y}, set: {gpus: [{index: 0, pool: a}]}}\n\
                - {labels: {z: y}, set: {pools: {b: {}}}}";
    let why = config(text, "n", &[("x", "y"), ("z", "y")]).whole().unwrap_err().to_string();
    assert!(why.contains("the pool `a`"), "{why}");
    for labels in [[("x", "y")], [("z", "y")]] {
        assert!(config(text, "n", &labels).whole().is_ok());
    }
}

#[test]
fn flags_beat_the_file() {
    let flags = Section { default_mode: Some(Mode::Shared), ..Section::default() };
    let config = Config::new(&parse(FLEET).unwrap(), &flags, &Who::default());
    assert_eq!(config.default_mode, Mode::Shared);
}
