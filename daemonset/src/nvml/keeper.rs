//! Keeps the inventory: one thread listens to all cards' threads, and asks the driver for nothing
//! itself but its cards.

mod picture;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{info, warn};

use super::heard::{Heard, judged};
use super::{Card, Mark, News, Silence, Source, Unreached};
use crate::config::Config;
use crate::health::{Faults, module};
use crate::inventory::{Gpu, Inventory};
use crate::orders::Orders;

/// How often what was wished is looked at, and who is silent.
const TICK: Duration = Duration::from_millis(500);
/// How long a card's thread may be silent beyond its look.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the first look waits for a card where another answers: what it says later counts then.
const SLOW: Duration = Duration::from_secs(2);
/// How long the cards' threads get to let go of the driver.
const LETTING_GO: Duration = Duration::from_secs(3);

/// Tries in a row, a look's pause apart, in which library and driver are of different versions, until they are
/// taken to stay so: an upgrade passes that way.
const MISMATCHES: u32 = 6;

/// What people want of the GPUs.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The configuration.
    pub config: watch::Receiver<Arc<Config>>,
    /// The orders.
    pub orders: watch::Receiver<Arc<Orders>>,
}

/// How often which card told of which XID, by UUID and number.
pub type Xids = BTreeMap<(String, u64), u64>;

/// The GPUs as they are, for ever after. Dropping it ends the threads.
pub struct Scanner {
    /// The GPUs.
    pub inventory: watch::Receiver<Arc<Inventory>>,
    /// How often which card told of which XID, by UUID and number.
    pub xids: watch::Receiver<Xids>,
    /// Why the driver's library has been of another version than the driver for so long that it has to be
    /// taken for one that will stay; `None` while it is not.
    pub mismatched: watch::Receiver<Option<String>>,
    _stop: Sender<()>,
}

/// The first look, which goes on beside the caller: drivers take their time.
pub struct Opening<S>(JoinHandle<Keeper<S>>);

impl<S: Source> Opening<S> {
    /// Reaches for the driver and looks for the first time; then again after each `pause`, and whenever a
    /// card tells something. Those that an agent `knew` before, which is asked for with whether the driver
    /// is let go of, and that are not found are out of order. A driver that is let go of by an order is left alone.
    ///
    /// # Errors
    /// Why the driver cannot be reached, where no agent knew of any, or that there is no thread to listen.
    pub fn begin(
        source: S,
        wishes: Wishes,
        faults: Faults,
        pause: Duration,
        knew: impl FnOnce(bool) -> Vec<Gpu>,
    ) -> Result<Self, String> {
        let mut keeper = Keeper::new(source, wishes, faults, pause);
        keeper.closed = keeper.released();
        // By the caller: a kernel lets a process with threads wait for milliseconds where its table of
        // descriptors grows, and drivers take many.
        let is_released = keeper.closed.is_some();
        let opened = if is_released { Ok(()) } else { keeper.open() };
        let known = knew(is_released);
        // Whoever watches those is told so, and the driver is reached for again and again.
        if known.is_empty() {
            opened?;
        }
        keeper.inventory.send_replace(Arc::new(Inventory::new(known)));
        let look = move || {
            keeper.first_look();
            keeper
        };
        let thread = thread::Builder::new().name("cards".into()).spawn(look);
        thread.map(Self).map_err(|error| format!("no thread for the cards: {error}"))
    }

    /// What was found, as what is wished makes it once `known` was told of the cards: it may order something of
    /// them before anybody else sees them.
    ///
    /// # Errors
    /// Why the first look failed, or that the driver lists no GPU.
    pub fn finish(self, known: impl FnOnce(&Inventory)) -> Result<Scanner, String> {
        let mut keeper = self.0.join().map_err(|_| "the first look at the cards ended early")?;
        // Whose their clients of MPS are was not known yet.
        for card in keeper.cards.values_mut() {
            let facts = card.facts.take();
            card.facts = facts.map(|facts| facts.map(|it| judged(it, None, &keeper.wishes.orders)));
        }
        known(&keeper.refreshed());
        Scanner::start(keeper)
    }
}

impl Scanner {
    fn start(keeper: Keeper<impl Source>) -> Result<Self, String> {
        let first = keeper.refreshed();
        // What an agent knew of since the node was booted is offered as out of order, also where nothing else is there, and
        // cards that do not answer are told of.
        if keeper.closed.is_none() && first.gpus().is_empty() && keeper.cards.is_empty() {
            return Err("NVML lists no GPU".into());
        }
        for gpu in first.gpus() {
            match &gpu.sick {
                Some(why) => warn!(gpu = %gpu.uuid, index = gpu.index, why, "out of order"),
                None => info!(gpu = %gpu.uuid, index = gpu.index, name = gpu.name,
                    usable_mib = gpu.usable_mib, mode = ?gpu.mode,
                    slices = gpu.slices.as_ref().map(Vec::len), "found"),
            }
        }
        for (index, why) in first.nameless() {
            warn!(index, why, "a card does not answer, and nobody knows which it is");
        }
        let inventory = keeper.inventory.subscribe();
        keeper.inventory.send_replace(Arc::new(first));
        let (xids, mismatched) = (keeper.xids.subscribe(), keeper.mismatched.subscribe());
        let (stop, stopped) = channel();
        thread::Builder::new()
            .name("cards".into())
            .spawn(move || keeper.run(&stopped))
            .map_err(|error| format!("no thread for the cards: {error}"))?;
        Ok(Self { inventory, xids, mismatched, _stop: stop })
    }
}

/// Which card, and what.
type Told = (u32, News);

struct Keeper<S> {
    source: S,
    wishes: Wishes,
    faults: Faults,
    pause: Duration,
    cards: BTreeMap<u32, Heard>,
    /// Why there are no cards to listen to.
    closed: Option<String>,
    opened: Instant,
    /// Which file the library was when the driver was reached, and the time before. Twice, because the audit can have had the
    /// old one open at that moment.
    libraries: [Option<Mark>; 2],
    /// True makes the threads of the cards end.
    ending: Arc<AtomicBool>,
    news: (Sender<Told>, Receiver<Told>),
    inventory: watch::Sender<Arc<Inventory>>,
    xids: watch::Sender<Xids>,
    /// How often in a row the library was of another version than the driver.
    mismatches: u32,
    mismatched: watch::Sender<Option<String>>,
}

impl<S: Source> Keeper<S> {
    fn new(source: S, wishes: Wishes, faults: Faults, pause: Duration) -> Self {
        Self {
            source,
            wishes,
            faults,
            pause,
            cards: BTreeMap::new(),
            closed: None,
            opened: Instant::now(),
            libraries: [None; 2],
            ending: Arc::default(),
            news: channel(),
            inventory: watch::Sender::new(Arc::default()),
            xids: watch::Sender::new(BTreeMap::new()),
            mismatches: 0,
            mismatched: watch::Sender::new(None),
        }
    }

    /// Reaches for the driver and gives each card a thread.
    fn open(&mut self) -> Result<(), String> {
        self.opened = Instant::now();
        self.ending = Arc::default();
        self.news = channel();
        self.libraries = [self.source.library(), self.libraries[0]];
        let opened = self.source.open();
        self.count_mismatches(opened.as_ref().err());
        let cards = opened.map_err(|why| why.to_string());
        self.closed = cards.as_ref().err().cloned();
        let cards = cards?;
        self.faults.of_module(module());
        for (card, index) in cards.into_iter().zip(0..) {
            let thread = self.listen(card, index)?;
            self.cards.insert(index, Heard { facts: None, gpu: None, at: Instant::now(), thread });
        }
        Ok(())
    }

    fn count_mismatches(&mut self, error: Option<&Unreached>) {
        let Some(Unreached::Mismatched(why)) = error else {
            self.mismatches = 0;
            return;
        };
        self.mismatches += 1;
        if self.mismatches == MISMATCHES {
            self.mismatched.send_replace(Some(why.clone()));
        }
    }

    fn listen(&self, card: Box<dyn Card>, index: u32) -> Result<JoinHandle<()>, String> {
        let (news, ending, pause) = (self.news.0.clone(), self.ending.clone(), self.pause);
        let told = move || {
            let mut tell =
                |word| !ending.load(Ordering::Relaxed) && news.send((index, word)).is_ok();
            card.watch(pause, &mut tell);
        };
        let builder = thread::Builder::new().name(format!("card {index}"));
        builder.spawn(told).map_err(|error| format!("no thread for a card: {error}"))
    }

    /// Until every card has said something, or has had the time to: where others answer they do not wait for it long.
    fn first_look(&mut self) {
        let mut end = Instant::now() + PATIENCE;
        let mut is_alone = true;
        while self.cards.values().any(|card| card.facts.is_none()) {
            if is_alone && self.cards.values().any(Heard::answers) {
                (is_alone, end) = (false, Instant::now() + SLOW);
            }
            let left = end.saturating_duration_since(Instant::now());
            let Ok((index, news)) = self.news.1.recv_timeout(left) else { break };
            self.hear(index, news);
        }
    }

    fn run(mut self, stopped: &Receiver<()>) {
        while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            match self.news.1.recv_timeout(TICK) {
                Ok((index, news)) => self.hear(index, news),
                // We hold a sender ourselves: this is the clock.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.see_to_the_driver();
            self.publish();
        }
        self.close();
    }

    fn hear(&mut self, index: u32, news: News) {
        let (count, gpu) = (self.cards.len(), self.gpu_at(index));
        let Some(card) = self.cards.get_mut(&index) else { return };
        card.at = Instant::now();
        match news {
            News::Facts(facts) => {
                let known = card.facts.as_ref().and_then(|facts| facts.as_ref().ok());
                if let (Err(Silence::Lost(_)), Some(gpu)) = (&facts, gpu) {
                    self.faults.lost(gpu);
                }
                if let Ok(facts) = &facts {
                    card.gpu = Some(facts.uuid);
                    self.faults.seen(facts);
                }
                let facts = facts.map(|facts| judged(facts, known, &self.wishes.orders));
                card.facts = Some(facts);
            }
            News::Xid(number) => {
                let Some(gpu) = gpu else { return };
                let is_down = matches!(card.facts, Some(Err(Silence::Lost(_))));
                self.faults.xid(gpu, number, &self.wishes.config.borrow().health);
                // It was found silent before the driver told why.
                if is_down {
                    self.faults.lost(gpu);
                }
                self.xids
                    .send_modify(|xids| *xids.entry((gpu.to_string(), number)).or_default() += 1);
            }
            News::Count(cards) if cards as usize != count => {
                info!(cards, before = count, "the number of cards has changed");
                self.close();
            }
            News::Count(_) | News::Alive => {}
        }
    }

    /// Lets go of the driver where that is ordered, and reaches for it again where it was lost.
    fn see_to_the_driver(&mut self) {
        match self.released() {
            Some(why) if self.closed.as_ref() != Some(&why) => {
                self.close();
                info!("{why}");
                (self.closed, self.mismatches) = (Some(why), 0);
            }
            Some(_) => {}
            None if self.cards.is_empty() => self.reopen(),
            None if self.opened.elapsed() < self.pause => {}
            None if self.all_failed() || self.is_exchanged() => {
                self.close();
                self.reopen();
            }
            None => {}
        }
    }

    /// Why the driver is to be let alone, where that is ordered.
    fn released(&self) -> Option<String> {
        let orders = self.wishes.orders.borrow();
        let why = orders.driver_released.as_ref()?;
        Some(format!("the driver is let go of ({why})"))
    }

    fn reopen(&mut self) {
        if self.closed.is_some() && self.opened.elapsed() < self.pause {
            return;
        }
        match self.open() {
            Ok(()) => self.first_look(),
            Err(why) => self.closed = Some(why),
        }
    }

    fn all_failed(&self) -> bool {
        self.cards.values().all(|card| matches!(card.facts, Some(Err(_))))
    }

    /// Whether another library lies where the driver's is: it is of another driver than the one that goes on answering, and
    /// of that one only who reaches for it anew hears.
    fn is_exchanged(&self) -> bool {
        let now = self.source.library();
        now.is_some() && self.libraries.iter().any(|known| known.is_some() && *known != now)
    }

    /// Ends the cards' threads. One that hangs in the driver is left behind: it holds on to it.
    fn close(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        let end = Instant::now() + LETTING_GO;
        let may_end = |card: &Heard| !card.thread.is_finished() && card.at.elapsed() <= PATIENCE;
        while self.cards.values().any(may_end) && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        for (index, card) in std::mem::take(&mut self.cards) {
            if !card.thread.is_finished() {
                warn!(index, "a card hangs in the driver: its thread is left behind");
            }
        }
    }
}
