//! Shares of compute: tenants that each have a share by `aliquot run`, and what `gpu-load` says that it got. What
//! is played, and how it is judged and shown, are the crate `scenarios`'s, as for `cargo xtask bench compute`; here on
//! a real card too. Work is counted in kernels whose length is known, and compared with one who has the card alone.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use scenarios::{
    Mode, Report, Running, SCENARIOS, Said, Sample, Scenario, Seen, Source, Tenant, Told, reckon,
};

use crate::place::Place;
use crate::report::{file_name, today};

/// How often a tenant says what it got, in milliseconds.
const WINDOW_MS: u64 = 100;
/// How long one is played alone, in seconds.
const ALONE_SECONDS: f64 = 3.0;

/// What is played.
pub(crate) struct Wanted<'a> {
    /// How long each scenario takes, in seconds.
    pub(crate) seconds: f64,
    /// What their names have in them.
    pub(crate) only: &'a str,
    /// In which modes; all, if none is named.
    pub(crate) modes: &'a [Mode],
    /// What a person typed.
    pub(crate) command: &'a str,
}

/// Plays the scenarios of one card.
///
/// # Errors
/// A tenant that cannot be started or does not end well.
pub(crate) fn play(place: &Place, wanted: &Wanted<'_>) -> Result<Report> {
    ensure!(wanted.seconds >= 2.0, "--seconds must be 2 at least: the first is told apart");
    let (card, driver) = (place.card()?.name()?, place.driver_version()?);
    let source = Source { card, driver, date: today(), command: wanted.command.to_owned() };
    let mut report = Report::new(Some(source), place.is_simulated());
    let modes = if wanted.modes.is_empty() { &Mode::ALL[..] } else { wanted.modes };
    let mut alone = Alone { place, each_second_ms: BTreeMap::new() };
    for scenario in of_one_card(wanted.only) {
        for mode in modes {
            eprintln!("{}, {} …", scenario.name, mode.name());
            let said = together(place, *mode, scenario.tenants, wanted.seconds)?;
            report.scenarios.push(seen(scenario, *mode, &said, wanted.seconds, &mut alone)?);
        }
    }
    let only = wanted.only;
    ensure!(!report.scenarios.is_empty(), "no scenario of one card has {only:?} in its name");
    Ok(report)
}

/// Writes table, JSON and plot beside the reports about memory.
///
/// # Errors
/// A folder or a file that cannot be written.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<()> {
    let Some(source) = &report.source else { return Ok(()) };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let name = format!("compute-{}-{}-{}", source.card, source.driver, source.date);
    let name = file_name(&name, report.simulated);
    let json = serde_json::to_string_pretty(report)? + "\n";
    for (ending, text) in [("json", json), ("md", report.table()), ("svg", scenarios::draw(report))]
    {
        let path = folder.join(format!("{name}.{ending}"));
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        // Stdout may be somebody's JSON.
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

fn of_one_card(only: &str) -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS.iter().filter(move |one| one.cards() == 1 && one.name.contains(only))
}

/// What each has beside the others.
fn together(place: &Place, mode: Mode, tenants: &[Tenant], seconds: f64) -> Result<Vec<Said>> {
    let start = |tenant: &Tenant| {
        let mut command = match mode {
            Mode::None => place.bare("gpu-load"),
            policy => place.share(tenant.share_percent, policy.name(), "gpu-load"),
        };
        Running::start(&mut command, tenant.workload, seconds)
    };
    let mut running = tenants.iter().map(start).collect::<Result<Vec<_>>>()?;
    running.iter_mut().try_for_each(Running::begin)?;
    running.into_iter().map(Running::finish).collect()
}

/// How much work of a kind the card does in a second for one alone and without us, in milliseconds: played once.
struct Alone<'p> {
    place: &'p Place,
    each_second_ms: BTreeMap<&'static str, f64>,
}

impl Alone<'_> {
    fn each_second_ms(&mut self, workload: &'static str) -> Result<f64> {
        if let Some(known) = self.each_second_ms.get(workload) {
            return Ok(*known);
        }
        eprintln!("{workload}, alone …");
        let mut command = self.place.bare("gpu-load");
        let mut running = Running::start(&mut command, workload, ALONE_SECONDS)?;
        running.begin()?;
        let said = running.finish()?;
        // What ends in the first second was launched in it: the queue fills.
        let later_ms = said.got_until_ms(ALONE_SECONDS * 1e3) - said.got_until_ms(1e3);
        let each_second_ms = later_ms / (ALONE_SECONDS - 1.0);
        ensure!(each_second_ms > 0.0, "gpu-load {workload} has done nothing alone");
        self.each_second_ms.insert(workload, each_second_ms);
        Ok(each_second_ms)
    }
}

fn seen(
    scenario: &Scenario,
    mode: Mode,
    said: &[Said],
    seconds: f64,
    alone: &mut Alone<'_>,
) -> Result<Seen> {
    let mut ns_of_card = Vec::new();
    for tenant in scenario.tenants {
        // Of a card that does so much of it in a second, a millisecond of work takes so long.
        ns_of_card.push(1e9 / alone.each_second_ms(tenant.yardstick())?);
    }
    let sample = |window: u64| {
        let at_ms = (window * WINDOW_MS) as f64;
        let got = said.iter().zip(&ns_of_card);
        let got_ns = got.map(|(said, ns)| (said.got_until_ms(at_ms) * ns) as u64).collect();
        Sample { at_ns: window * WINDOW_MS * 1_000_000, got_ns }
    };
    let windows = (seconds * 1e3) as u64 / WINDOW_MS;
    let samples = (0..=windows).map(sample).collect();
    let tell = |(tenant, said): (&Tenant, &Said)| Told {
        longest_stall_ms: (!tenant.idles()).then(|| said.longest_stall_ms(seconds)),
        longest_kernel_ms: said.longest_kernel_ms,
        worked_percent: None,
        latency_p50_ms: said.latency_p50_ms,
        latency_p99_ms: said.latency_p99_ms,
    };
    let told: Vec<Told> = scenario.tenants.iter().zip(said).map(tell).collect();
    Ok(reckon(scenario, mode, samples, &told))
}
