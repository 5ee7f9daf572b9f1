//! What the agent sees and says: the audit, and whoever hears of it.

mod chargeback;
mod dump;
mod flags;
mod metrics;
mod server;
mod state;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

pub use chargeback::Chargeback;
pub use flags::SeenFlags;
pub use state::{Held, State};

use crate::audit::lister::NvmlLister;
use crate::audit::{Audit, Audited, keep_auditing};
use crate::node::Node;

/// News that may wait to be told.
const NEWS: usize = 256;
/// How often held shares are added up.
const CHARGE_EVERY: Duration = Duration::from_secs(1);

/// Who can be asked for the agent's state.
pub(crate) struct Witness {
    node: Arc<Node>,
    audited: watch::Receiver<Arc<Audited>>,
    chargeback: Mutex<Chargeback>,
}

/// Everything that watches and tells, ready to run.
pub struct Seeing {
    audit: Audit,
    witness: Arc<Witness>,
    listener: Option<TcpListener>,
}

impl Seeing {
    /// Readies it for `node`.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub async fn new(node: Arc<Node>, flags: &SeenFlags) -> Result<Self> {
        let (audited, audited_now) = watch::channel(Arc::new(Audited::default()));
        let (news, _unheard) = mpsc::channel(NEWS);
        let lister = Arc::new(NvmlLister::new(node.nvml()));
        let proc = flags.proc.clone();
        let chargeback = Mutex::new(Chargeback::default());
        Ok(Self {
            audit: Audit { node: node.clone(), lister, proc, audited, news },
            witness: Arc::new(Witness { node, audited: audited_now, chargeback }),
            listener: server::bind(flags.metrics_address).await?,
        })
    }

    /// Runs until `stop` is true.
    pub async fn keep(self, stop: watch::Receiver<bool>) {
        let Self { audit, witness, listener } = self;
        let refusals = witness.node.layout().refusals();
        tokio::join!(
            keep_auditing(audit, stop.clone()),
            witness.keep_charging(stop.clone()),
            witness.node.refusals().keep_written(&refusals, stop.clone()),
            dump::keep_dumping(&witness, stop.clone()),
            server::serve(listener, witness.clone(), stop),
        );
    }
}

impl Witness {
    /// All that is known at this moment.
    pub(crate) async fn state(self: &Arc<Self>) -> Option<State> {
        let (witness, chargeback) = (self.clone(), self.chargeback().clone());
        let audited = self.audited.borrow().clone();
        let gather = move || State::gather(&witness.node, audited, chargeback);
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
            self.chargeback().add(&records, last.elapsed());
            last = Instant::now();
        }
    }

    fn chargeback(&self) -> std::sync::MutexGuard<'_, Chargeback> {
        self.chargeback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
