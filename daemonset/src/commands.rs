//! What `aliquot-node` does when it is not the agent.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use contract::DeviceUuid;

use crate::allotment::Record;
use crate::config::{Config, parse, schema};
use crate::layout::Layout;
use crate::options::Options;
use crate::orders::Orders;

/// A task that ends at once.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Say what is wrong in a configuration, or print what it comes to
    CheckConfig {
        /// The file
        file: PathBuf,
        /// For the node of this name
        #[arg(long, value_name = "NAME", default_value = "")]
        node_name: String,
        /// For a node with this label
        #[arg(long, value_name = "KEY=VALUE")]
        node_label: Vec<String>,
    },
    /// Print the JSON schema of the configuration
    ConfigSchema,
    /// Give nothing new on one GPU; what runs on it runs on
    Cordon {
        /// The GPU's UUID, as `nvidia-smi -L` prints it
        gpu: DeviceUuid,
        /// Why: it stands in refusals and in the status
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
    /// Take a cordon back
    Uncordon {
        /// The GPU's UUID
        gpu: DeviceUuid,
    },
    /// Cordon one GPU, tell who is on it, and wait until nobody is
    Drain {
        /// The GPU's UUID
        gpu: DeviceUuid,
        /// Why
        #[arg(long, default_value = "it is drained")]
        reason: String,
        /// How long to wait, in seconds
        #[arg(long, default_value_t = 3600, value_name = "N")]
        timeout: u64,
    },
    /// Say that a GPU is well again after an XID, where the driver does not
    Healed {
        /// The GPU's UUID
        gpu: DeviceUuid,
    },
    /// Let go of the driver, so that it can be unloaded; every GPU is out of order meanwhile
    ReleaseDriver {
        /// Why
        #[arg(long, default_value = "the driver is upgraded")]
        reason: String,
    },
    /// Use the driver again
    ReclaimDriver,
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What went wrong, for a person.
    pub fn run(&self, options: &Options) -> Result<()> {
        match self {
            Self::CheckConfig { file, node_name, node_label } => {
                check_config(options, file, node_name, node_label)
            }
            Self::ConfigSchema => {
                print!("{}", schema());
                Ok(())
            }
            Self::Drain { gpu, reason, timeout } => {
                let layout = layout(options);
                // A GPU that is none of this node's is refused before anything is ordered.
                waits_for(&layout, *gpu)?;
                Orders::change(&layout, |orders| orders.cordon_for(*gpu, reason))?;
                drained(&layout, *gpu, Duration::from_secs(*timeout))
            }
            order => Ok(Orders::change(&layout(options), |orders| order.give(orders))?),
        }
    }

    /// What only changes the orders.
    fn give(&self, orders: &mut Orders) {
        match self {
            Self::Cordon { gpu, reason } => orders.cordon_for(*gpu, reason),
            Self::Uncordon { gpu } => drop(orders.cordons.remove(&gpu.to_string())),
            Self::Healed { gpu } => {
                // Each order is another, also where the clock was set back.
                let at = orders.healed.entry(gpu.to_string()).or_default();
                *at = now().max(*at + 1);
            }
            Self::ReleaseDriver { reason } => orders.driver_released = Some(reason.clone()),
            Self::ReclaimDriver => orders.driver_released = None,
            Self::CheckConfig { .. } | Self::ConfigSchema | Self::Drain { .. } => {}
        }
    }
}

fn layout(options: &Options) -> Layout {
    Layout::new(&options.state_dir, &options.pages_dir)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Waits until no allotment is on a GPU and none can come; tells what it waits for whenever that changes.
fn drained(layout: &Layout, gpu: DeviceUuid, patience: Duration) -> Result<()> {
    let end = Instant::now() + patience;
    let mut told = None;
    loop {
        let Some(waits) = waits_for(layout, gpu)? else {
            println!("{gpu} is drained");
            return Ok(());
        };
        if Instant::now() > end {
            bail!("{gpu} is still {waits}");
        }
        if told.as_ref() != Some(&waits) {
            println!("{gpu} is {waits}");
            told = Some(waits);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// What keeps a GPU from being drained. The cordon first: until the agent follows it, somebody can come
/// who was not there when we looked.
fn waits_for(layout: &Layout, gpu: DeviceUuid) -> Result<Option<String>> {
    let agent_runs = is_locked(&layout.lock())?;
    let status = crate::status::read(&layout.state, &layout.pages)?;
    let known = status.gpus.iter().find(|known| known.uuid == gpu);
    // A GPU that is gone is gone from the list of an agent that has started since the next boot.
    if known.is_none() && !status.gpus.is_empty() {
        let all: Vec<_> = status.gpus.iter().map(|gpu| gpu.uuid.to_string()).collect();
        bail!("{gpu} is no GPU of this node, which has {}", all.join(", "));
    }
    if agent_runs && known.is_some_and(|known| known.cordon.is_none()) {
        return Ok(Some("not cordoned by its agent yet".into()));
    }
    let on_it = status.allotments.iter().filter(|it| it.record.holding.gpus().contains(&gpu));
    let name = |record: &Record| match &record.holder {
        Some(holder) => format!("{}/{}", holder.namespace, holder.pod),
        None => format!("a container that has not started ({})", record.id),
    };
    let holders: Vec<_> = on_it.map(|allotment| name(&allotment.record)).collect();
    Ok((!holders.is_empty()).then(|| format!("held by {}", holders.join(", "))))
}

/// Whether an agent holds this lock. One that begins reads the orders before it gives anything out.
fn is_locked(path: &Path) -> Result<bool> {
    match File::open(path) {
        Ok(lock) => Ok(matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot open {}", path.display())),
    }
}

fn check_config(
    options: &Options,
    file: &PathBuf,
    node_name: &str,
    node_label: &[String],
) -> Result<()> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the configuration {}", file.display()))?;
    let section = match parse(&text) {
        Ok(section) => section,
        Err(error) => {
            for problem in &error.problems {
                eprintln!("{}:{}: {}", file.display(), problem.line, problem.what);
            }
            let count = error.problems.len();
            let mistakes = if count == 1 { "mistake" } else { "mistakes" };
            bail!("{} is not taken: {count} {mistakes}", file.display());
        }
    };
    let mut who = options.node.who();
    who.name = node_name.to_owned();
    for label in node_label {
        let (key, value) = label.split_once('=').context("write labels as KEY=VALUE")?;
        who.labels.insert(key.to_owned(), value.to_owned());
    }
    print!("{}", Config::new(&section, &options.over.section(), &who).whole()?.print());
    Ok(())
}
