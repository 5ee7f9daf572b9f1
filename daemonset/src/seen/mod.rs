//! What the agent sees and says: the audit, and whoever hears of it.

mod chargeback;
mod doors;
mod dump;
mod flags;
mod gathered;
mod metrics;
mod parts;
mod server;
mod state;
mod unready;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

pub use chargeback::Chargeback;
pub(crate) use dump::keep_dumping_reason;
pub use flags::SeenFlags;
pub(crate) use server::bind;
pub use state::{Held, State};
pub(crate) use unready::serve_unready;

use crate::api::{self, Api, EventCounts, Heard};
use crate::arbiter;
use crate::audit::lister::NvmlLister;
use crate::audit::{Audit, Audited, keep_auditing};
use crate::config::Config;
use crate::node::Node;
use crate::nvml::Xids;
use crate::options::Options;

/// News that may wait to be told.
const NEWS: usize = 256;
/// How often held shares are added up.
const CHARGE_EVERY: Duration = Duration::from_secs(1);

/// What is told of beside the node itself.
pub struct Told {
    /// The configuration.
    pub config: watch::Receiver<Arc<Config>>,
    /// What the arbiter knows of containers' time.
    pub times: watch::Receiver<arbiter::View>,
    /// How often which card told of which XID.
    pub xids: watch::Receiver<Xids>,
    /// Why the file of the configuration does not count; `None` while it does.
    pub refused: watch::Receiver<Option<String>>,
}

/// Who can be asked for the agent's state.
pub(crate) struct Witness {
    node: Arc<Node>,
    audited: watch::Receiver<Arc<Audited>>,
    times: watch::Receiver<arbiter::View>,
    xids: watch::Receiver<Xids>,
    refused: watch::Receiver<Option<String>>,
    counts: Arc<EventCounts>,
    chargeback: Mutex<Chargeback>,
}

/// Everything that watches and tells, ready to run.
pub struct Seeing {
    audit: Audit,
    witness: Arc<Witness>,
    listener: Option<TcpListener>,
    api: Option<Api>,
}

impl Seeing {
    /// Readies it for `node`.
    ///
    /// # Errors
    /// An address that cannot be listened on, a service account that cannot be read.
    pub fn new(node: Arc<Node>, options: &Options, told: Told) -> Result<Self> {
        let Told { config, times, xids, refused } = told;
        let (audited, audited_now) = watch::channel(Arc::new(Audited::default()));
        let (news, heard) = mpsc::channel(NEWS);
        let heard = Heard { news: heard, xids: xids.clone(), refused: refused.clone() };
        let lister = Arc::new(NvmlLister::new(node.nvml()));
        let (name, counts) = (options.node.node_name.clone(), Arc::<EventCounts>::default());
        let api = api::client(&options.api, &name)?.map(|client| Api {
            client,
            name,
            node: node.clone(),
            config,
            audited: audited_now.clone(),
            heard,
            lister: lister.clone(),
            compare_every: Duration::from_secs(options.seen.compare_pools_every),
            publish_in: options.node.publish_in.clone(),
            counts: counts.clone(),
        });
        let proc = options.seen.proc.clone();
        let chargeback = Mutex::new(Chargeback::default());
        Ok(Self {
            audit: Audit { node: node.clone(), lister, proc, audited, news },
            witness: Arc::new(Witness {
                node,
                audited: audited_now,
                times,
                xids,
                refused,
                counts,
                chargeback,
            }),
            listener: server::bind(options.seen.metrics_address)?,
            api,
        })
    }

    /// Runs until `stop` is true.
    pub async fn keep(self, stop: watch::Receiver<bool>) {
        let Self { audit, witness, listener, api } = self;
        let api_stop = stop.clone();
        let speak = async move {
            if let Some(api) = api {
                api.keep(api_stop).await;
            }
        };
        let refusals = witness.node.layout().refusals();
        tokio::join!(
            keep_auditing(audit, stop.clone()),
            witness.keep_charging(stop.clone()),
            witness.node.refusals().keep_written(&refusals, stop.clone()),
            speak,
            dump::keep_dumping(&witness, stop.clone()),
            server::serve(listener, witness.clone(), stop),
        );
    }
}

impl Witness {
    /// All that is known at this moment.
    pub(crate) async fn state(self: &Arc<Self>) -> Option<State> {
        let (witness, chargeback) = (self.clone(), self.chargeback().clone());
        let (audited, times) = (self.audited.borrow().clone(), self.times.borrow().clone());
        let (xids, refused) = (self.xids.borrow().clone(), self.refused.borrow().clone());
        let gather = move || {
            let node = State::gather(&witness.node, audited, chargeback);
            State {
                times,
                xids,
                refused,
                events: witness.counts.told(),
                lost_events: witness.counts.lost(),
                ..node
            }
        };
        tokio::task::spawn_blocking(gather).await.ok()
    }

    async fn keep_charging(&self, mut stop: watch::Receiver<bool>) {
        let mut last = Instant::now();
        let mut ticks = interval(CHARGE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let records = self.node.records();
            let cards = self.node.watch().borrow().clone();
            self.chargeback().add(&records, &cards, last.elapsed());
            let times = self.times.borrow().clone();
            self.chargeback().used(&records, &times);
            last = Instant::now();
        }
    }

    fn chargeback(&self) -> std::sync::MutexGuard<'_, Chargeback> {
        self.chargeback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
