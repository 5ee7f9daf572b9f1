//! One page of wiring: from options to an agent that runs until it is told to stop.

use std::fs::{self, File, TryLockError};
use std::path::{Path, absolute};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::allotment::Book;
use crate::answer::Wares;
use crate::cdi::Cdi;
use crate::checkpoint::CHECKPOINT;
use crate::config::{Config, Injection, keep_fresh};
use crate::driver::Driver;
use crate::durable;
use crate::health::Faults;
use crate::identity::Identity;
use crate::inventory::Inventory;
use crate::layout::Layout;
use crate::node::Node;
use crate::nvml::{NvmlSource, Opening, Source, Wishes};
use crate::options::Options;
use crate::orders::Orders;
use crate::registrar::{Place, SOCKET_PREFIX, keep_all_registered};
use crate::shim::{self, Shim};
use crate::waiting::{Away, NoGpu};
use crate::{
    api, arbiter, cdi, ground, mounted, mps, orders, rivals, seen, selinux, status, tmpfs, waiting,
    who,
};

/// How long a stop may take before the process leaves all the same.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// The longest that everything else waits until the kubelet was told of the resources.
const FIRST_TRY: Duration = Duration::from_millis(100);

/// The agent as a program: 0 after it was told to stop, 1 and one line when it cannot run.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    logs::start(options.log);
    let ended = match &options.command {
        Some(command) => command.run(&options),
        None => start(&options),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aliquot-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        // First: what runs as a container's first process is deaf to a signal without a handler.
        let mut stop = pin!(told_to_stop()?);
        let (layout, config) = known(options)?;
        // Before the driver is looked for, which may not be there for minutes.
        let name = &options.node.node_name;
        let mut taints = api::PutBack::new(&options.api, name, &layout, &config);
        taints.once().await;
        loop {
            let why = match once(options, stop.as_mut()).await {
                Ok(Served::UntilToldToStop) => return Ok(()),
                Ok(Served::UntilTheDriverCame) => continue,
                Err(why) => why,
            };
            if !options.wait_for_driver || !waiting::is_for_a_driver(&why) {
                return Err(why);
            }
            tokio::select! {
                there = waiting::until_there(options, &why, &layout) => there?,
                () = taints.keep() => {}
                () = stop.as_mut() => return Ok(()),
            }
        }
    });
    runtime.shutdown_timeout(STOP_DEADLINE);
    ended
}

/// How the agent has served.
enum Served {
    UntilToldToStop,
    /// It had begun without.
    UntilTheDriverCame,
}

/// Serves what there is at this moment. Where the driver is away that is what it had: whoever holds a part of it keeps
/// that, and whoever watches it is told.
async fn once(options: &Options, stop: impl Future<Output = ()>) -> Result<Served> {
    let (layout, config) = known(options)?;
    let root = absolute(&config.driver_root)?;
    let why = match Driver::find(&root) {
        Ok(driver) => {
            let source = NvmlSource::new(driver.nvml());
            serve_with(options, driver, source, stop).await?;
            return Ok(Served::UntilToldToStop);
        }
        Err(why) => why,
    };
    let is_released = Orders::at_start(&layout).driver_released.is_some();
    if status::known_while(is_released, &layout).is_empty() {
        return Err(why.into());
    }
    let mut served = Ok(Served::UntilToldToStop);
    let until = async {
        tokio::select! {
            found = waiting::until_back(options, why) => served = found.map(|()| Served::UntilTheDriverCame),
            () = stop => {}
        }
    };
    serve_with(options, Driver::away(&root), Away(root), until).await?;
    served
}

/// The agent's folders, and the configuration by what was last known of the node.
pub(crate) fn known(options: &Options) -> Result<(Layout, Config)> {
    let layout = Layout::new(&absolute(&options.state_dir)?, &absolute(&options.pages_dir)?);
    let who = watch::channel(who::known(options.node.who(), &layout));
    let (config, _) = options.live(who.1).at_start(&layout.config())?;
    Ok((layout, config))
}

/// Runs the agent on what `source` says of the GPUs until `stop` resolves.
///
/// # Errors
/// What keeps it from running: options, folders, no driver, no GPU, another agent.
pub async fn serve(
    options: &Options,
    source: impl Source,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let (_, config) = known(options)?;
    serve_with(options, Driver::find(&absolute(&config.driver_root)?)?, source, stop).await
}

async fn serve_with(
    options: &Options,
    driver: Driver,
    source: impl Source,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    // Containers are given these paths.
    let layout = Layout::new(&absolute(&options.state_dir)?, &absolute(&options.pages_dir)?);
    let (node_is, who) = watch::channel(who::known(options.node.who(), &layout));
    let live = options.live(who.clone());
    let (first, wrong) = live.at_start(&layout.config())?;
    if let Some(why) = &wrong {
        warn!(
            why,
            "the configuration is not taken, the one that an agent had here before is in force"
        );
    }
    let first = Arc::new(first);
    let (configured, config) = watch::channel(first.clone());
    let problem = watch::Sender::new(wrong);
    let _lock = take_over(&layout)?;
    let (ordered, orders) = watch::channel(Arc::new(Orders::at_start(&layout)));
    let wishes = Wishes { config: config.clone(), orders };
    let rescan = Duration::from_secs(options.rescan_every);
    let knew = |is_released| status::known_while(is_released, &layout);
    let opening = Opening::begin(source, wishes, Faults::open(layout.faults()), rescan, knew);
    let opening = opening.map_err(NoGpu)?;
    // Beside it all that needs no GPU is put in place.
    let shim = Shim::install(&options.shim, &layout)?;
    let library = shim.library();
    let no_shares = ground::look(&library);
    no_shares.iter().for_each(|why| ground::tell(Some(why)));
    ordered.send_modify(|orders| {
        let orders = Arc::make_mut(orders);
        orders.no_shares = no_shares;
    });
    let (book, wares, identity) = files(options, &first, driver, shim)?;
    let holders = mps::Holders::new(&identity.proc, &layout.pages, book.records());
    let mps = holders.tenants().living(first.mps_pipes());
    ordered.send_modify(|orders| {
        let orders = Arc::make_mut(orders);
        (orders.mps, orders.holders) = (mps, Some(holders));
    });
    let asked = Instant::now();
    let (rivals, held) = rivals::at_start(&identity, &layout).await;
    let known = |cards: &Inventory| {
        let rivals = rivals.on(cards, &layout);
        ordered.send_modify(|orders| Arc::make_mut(orders).rivals = rivals);
    };
    let scanner = opening.finish(known).map_err(NoGpu)?;
    let inventory = scanner.inventory.clone();
    let node = Node::new(inventory, config.clone(), node_is, book, wares, identity);
    let node = Arc::new(node.in_pod(options.node.own_pod()));
    // Nothing is offered that a container has.
    if let Err(why) = node.take_up(&held, asked).await {
        warn!(%why, "not all that containers hold is allotted, trying again");
    }
    node.specify()?;
    let (domain, place) = (first.domain.to_string(), place(&options.kubelet_dir, &first)?);

    let (stopping, stopped) = watch::channel(false);
    let (arbitrated, times) = watch::channel(arbiter::View::default());
    let mut tasks = JoinSet::new();
    let (sockets, mounted) = (place.folder.clone(), place.folder.clone());
    let (xids, refused) = (scanner.xids.clone(), problem.subscribe());
    let told = seen::Told { config: config.clone(), times, xids, refused };
    let seeing = seen::Seeing::new(node.clone(), options, told)?;
    let (trying, mut first_try) = mpsc::channel(1);
    tasks.spawn(keep_all_registered(node.clone(), place, trying, stopped.clone()));
    let _ = tokio::time::timeout(FIRST_TRY, first_try.recv()).await;
    let unused = Duration::from_secs(options.keep_unused_shims);
    tasks.spawn(shim::keep_swept(node.clone(), sockets, unused, stopped.clone()));
    let every = Duration::from_secs(options.reconcile_every);
    tasks.spawn(keep_reconciling(node.clone(), every, stopped.clone()));
    tasks.spawn(keep_fresh(live, layout.config(), (configured, problem), stopped.clone()));
    tasks.spawn(arbiter::keep_arbitrating(node.clone(), arbitrated, stopped.clone()));
    tasks.spawn(mps::keep_watched(node.clone(), ordered.clone(), stopped.clone()));
    tasks.spawn(seeing.keep(stopped.clone()));
    tasks.spawn(rivals::keep_watched(node.clone(), ordered.clone(), stopped.clone()));
    tasks.spawn(cdi::keep_specified(node.clone(), config.clone(), stopped.clone()));
    tasks.spawn(ground::keep_looked_at(library, ordered.clone(), stopped.clone()));
    tasks.spawn(who::keep_known(who, layout.clone(), stopped.clone()));
    tasks.spawn(orders::keep_followed(layout.clone(), ordered, stopped.clone()));
    tasks.spawn(status::keep_written(layout, domain, node.watch(), stopped));

    let outcome = tokio::select! {
        () = stop => Ok(()),
        () = mounted::removed(&mounted) => Err(anyhow!(
            "the kubelet's folder {} was removed while it is mounted here, and what is made in its place \
             is not seen: this container has to start again",
            mounted.display()
        )),
        why = lasting(scanner.mismatched.clone()) => Err(anyhow!(
            "the driver's library that this container has is of another version than the driver, and stays \
             so ({why}): this container has to start again"
        )),
        () = at_an_end(scanner.inventory.clone()) => {
            Err(anyhow!("the thread that looks at the cards has ended: the agent has to start again"))
        }
        why = failed(&mut tasks) => Err(why),
    };
    info!("stopping");
    stopping.send_replace(true);
    // What does not end in time is cut off; nothing is lost by that.
    let _ =
        tokio::time::timeout(STOP_DEADLINE, async { while tasks.join_next().await.is_some() {} })
            .await;
    outcome
}

/// What lies on the node.
fn files(
    options: &Options,
    config: &Config,
    driver: Driver,
    shim: Shim,
) -> Result<(Book, Wares, Identity)> {
    let layout = Layout::new(&absolute(&options.state_dir)?, &absolute(&options.pages_dir)?)
        .with_room(options.pages_tmpfs);
    if let Some(mib) = options.pages_tmpfs {
        tmpfs::ensure(&layout.pages, mib)?;
    }
    durable::folder(&layout.pages)?;
    // Each share's own pages are labelled too: this tells before anything is offered whether they can be.
    selinux::label(&layout.pages)?;
    let domain = config.domain.to_string();
    let book = Book::open(layout.clone())?.under(&domain);
    let identity = Identity {
        checkpoint: options.kubelet_dir.join(CHECKPOINT),
        proc: options.seen.proc.clone(),
        ..Identity::new(options.pod_resources(config), domain.clone())
    };
    let hook = cdi::install_hook(&options.hook, &layout)?;
    if hook.is_none() && config.injection == Injection::Cdi {
        bail!("there is no hook at {}: nothing can come by CDI without it", options.hook.display());
    }
    let cdi = Cdi { folder: absolute(&options.cdi_dir)?, domain, hook };
    let wares = Wares { layout, driver, shim, cdi };
    Ok((book, wares, identity))
}

/// Makes the folders and sees to it that no other agent uses them.
fn take_over(layout: &Layout) -> Result<File> {
    durable::folder(&layout.state)?;
    let path = layout.lock();
    let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!("another agent runs on {}: stop it first", layout.state.display())
        }
        Err(TryLockError::Error(error)) => bail!("cannot lock {}: {error}", path.display()),
    }
}

/// Where resources are offered; what a killed agent left there is removed.
fn place(folder: &Path, config: &Config) -> Result<Place> {
    kubelet::sockets::sweep(folder, SOCKET_PREFIX)
        .with_context(|| format!("cannot clean {}", folder.display()))?;
    let folder = fs::canonicalize(folder).unwrap_or(folder.to_owned());
    Ok(Place { folder, domain: config.domain.to_string() })
}

async fn keep_reconciling(node: Arc<Node>, every: Duration, mut stop: watch::Receiver<bool>) {
    let mut told = String::new();
    loop {
        let trouble = node.reconcile().await.err().map(|error| error.to_string());
        let trouble = trouble.unwrap_or_default();
        if trouble != told && !trouble.is_empty() {
            warn!(why = trouble, "the allotments are not as the kubelet lists them, trying again");
        }
        told = trouble;
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Resolves when it is known why.
async fn lasting(mut why: watch::Receiver<Option<String>>) -> String {
    match why.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        // Whoever could say is gone, which is told of elsewhere.
        Err(_) => std::future::pending().await,
    }
}

/// Resolves when whoever writes there has ended.
async fn at_an_end<T>(mut written: watch::Receiver<T>) {
    while written.changed().await.is_ok() {}
}

/// Resolves when one of them has failed at something that it cannot: the others would go on without it, and
/// nobody would know.
async fn failed(tasks: &mut JoinSet<()>) -> anyhow::Error {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            return anyhow!(
                "a part of the agent has failed, and the agent has to start again: {error}"
            );
        }
    }
    std::future::pending().await
}

fn told_to_stop() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // From here on it asks for a dump, and ends no agent that is not ready to write one.
    let _dump = signal(SignalKind::user_defined1())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_noticed_and_one_that_is_done_is_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        let waited = tokio::time::timeout(Duration::from_millis(50), failed(&mut tasks)).await;
        assert!(waited.is_err(), "one that is done is taken for one that has failed");
        tasks.spawn(async {});
        tasks.spawn(async { panic!("this test wants it") });
        let why = failed(&mut tasks).await.to_string();
        assert!(why.contains("panic") && why.contains("this test wants it"), "{why}");
    }
}
