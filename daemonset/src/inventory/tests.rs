//! GPUs for tests, and what becomes of them from look to look.

use super::*;

pub(crate) fn uuid(n: u8) -> DeviceUuid {
    DeviceUuid::gpu([n; 16])
}

pub(crate) fn gpu(n: u8, mode: Mode) -> Gpu {
    Gpu { mode, context_mib: 310, ..facts(n).gpu(n.into()) }
}

pub(crate) fn facts(n: u8) -> Facts {
    Facts {
        uuid: uuid(n),
        minor: n.into(),
        name: "Tesla V100-SXM2-32GB".into(),
        pci: format!("00000000:0{n}:00.0"),
        usable: Mib(32510),
        numa: None,
        links: BTreeMap::new(),
        slices: None,
        mig_capable: false,
        capability: Some((7, 0)),
        trouble: None,
        foreign: None,
        mps_clients: Vec::new(),
        recovery: None,
    }
}

impl Inventory {
    /// With a card at this index of which nobody knows which it is.
    pub(crate) fn and_nameless(self, index: u32, why: &str) -> Self {
        Self { nameless: [(index, why.to_owned())].into(), ..self }
    }
}

/// Slice `n` of a GPU.
pub(crate) fn slice(n: u8, profile: &str) -> Slice {
    Slice {
        uuid: DeviceUuid { kind: contract::UuidKind::Mig, bytes: [n; 16] },
        profile: profile.into(),
        gpu_instance: n.into(),
        compute_instance: 0,
        memory_mib: 9856,
    }
}

/// GPU `n` in MIG mode.
pub(crate) fn divided(n: u8, slices: Vec<Slice>) -> Gpu {
    Gpu { slices: Some(slices), ..gpu(n, Mode::Shared) }
}

fn sick(inventory: &Inventory) -> Vec<Option<&str>> {
    inventory.gpus().iter().map(|gpu| gpu.sick.as_deref()).collect()
}

fn refreshed(inventory: &Inventory, scan: Result<Vec<Scanned>, String>) -> Inventory {
    inventory.refreshed(scan, &Config::default(), &Orders::default())
}

#[test]
fn a_gpu_that_cannot_answer_affects_itself_only_and_comes_back() {
    let both = || Ok(vec![(0, Ok(facts(0))), (1, Ok(facts(1)))]);
    let first = refreshed(&Inventory::default(), both());
    assert_eq!(sick(&first), [None, None]);
    let lost = refreshed(&first, Ok(vec![(0, Ok(facts(0))), (1, Err("lost".into()))]));
    assert_eq!(sick(&lost), [None, Some("lost")]);
    assert_eq!(sick(&refreshed(&lost, both())), [None, None]);
}

#[test]
fn a_gpu_that_is_no_longer_listed_keeps_its_devices() {
    let first = refreshed(&Inventory::default(), Ok(vec![(0, Ok(facts(0)))]));
    let gone = refreshed(&first, Ok(vec![]));
    assert_eq!(sick(&gone), [Some("NVML no longer lists it")]);
    let silent = refreshed(&first, Err("driver unloaded".into()));
    assert_eq!(sick(&silent), [Some("driver unloaded")]);
}

#[test]
fn a_shared_gpu_is_a_hundred_devices_and_a_whole_one_is_one() {
    assert_eq!(gpu(0, Mode::Shared).devices(Kind::Percent).len(), 100);
    assert_eq!(gpu(0, Mode::Whole).devices(Kind::Whole), [DeviceId::Whole(uuid(0))]);
}

#[test]
fn a_gpu_in_mig_mode_offers_its_slices_only() {
    let divided = divided(0, vec![slice(1, "1g.10gb"), slice(2, "1g.10gb+me")]);
    let kinds = [Kind::Whole, Kind::Percent, Kind::Slice].map(|kind| divided.offers(kind));
    assert_eq!(kinds, [false, false, true]);
    let names: Vec<_> = divided.slices.unwrap().iter().map(Slice::resource).collect();
    assert_eq!(names, ["mig-1g.10gb", "mig-1g.10gb.me"]);
}

#[test]
fn clients_of_the_daemon_that_holds_its_shares_are_no_strangers_while_it_lives() {
    use crate::config::{Compute, ComputeBackEnd};
    let mps = Facts { foreign: Some(Foreign::Mps), ..facts(0) };
    let vgpu = Facts { foreign: Some(Foreign::Vgpu), ..facts(0) };
    let pipes = std::path::PathBuf::from("/pipes");
    let compute =
        |back_end| Compute { back_end, mps_pipe_directory: pipes.clone(), ..Compute::default() };
    let table = [
        (&mps, ComputeBackEnd::Mps, true, None),
        (&mps, ComputeBackEnd::Mps, false, Some(Foreign::Mps)),
        (&mps, ComputeBackEnd::Arbiter, true, Some(Foreign::Mps)),
        (&vgpu, ComputeBackEnd::Mps, true, Some(Foreign::Vgpu)),
    ];
    for (facts, back_end, lives, foreign) in table {
        let config = Config { compute: compute(back_end), ..Config::default() };
        let mps = lives.then(|| pipes.clone()).into_iter().collect();
        let orders = Orders { mps, ..Orders::default() };
        let scan = Ok(vec![(0, Ok(facts.clone()))]);
        let seen = Inventory::default().refreshed(scan, &config, &orders);
        assert_eq!(seen.gpus()[0].foreign, foreign, "{back_end:?} {lives}");
    }
}

#[test]
fn a_card_that_is_closed_for_one_slice_says_for_which() {
    let slice = slice(7, "1g.10gb");
    let mut orders = Orders::default();
    orders.cordon_for(slice.uuid, "fan");
    let card = Facts { slices: Some(vec![slice.clone()]), ..facts(0) };
    let scan = Ok(vec![(0, Ok(card))]);
    let inventory = Inventory::default().refreshed(scan, &Config::default(), &orders);
    let why = inventory.gpus()[0].cordon.clone().unwrap();
    assert!(why.starts_with("fan") && why.contains(&slice.uuid.to_string()), "{why}");
}
