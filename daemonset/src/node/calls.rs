//! What the kubelet asks of the node: devices for a container, and that they are ready when it starts.

use std::collections::BTreeSet;
use std::path::PathBuf;

use contract::{DRY_RUN, DeviceId};
use kubelet::deviceplugin::ContainerAllocateResponse;
use tracing::{field::display, info, warn};

use super::{Denial, Node, unix_s};
use crate::allotment::{self, BookError, Held, Holder, Holding, Record, Told};
use crate::aside::aside;
use crate::decide::{self, Refusal};
use crate::driver::Names;
use crate::injection::Way;
use crate::inventory::{Inventory, Kind, PARTS};
use crate::mps;
use crate::refusals::{Left, Refused};
use crate::rivals;
use crate::runtimes::Verdict;

impl Node {
    /// Makes an allotment of the devices with these IDs, of `resource` (without the domain). Behind
    /// [`DRY_RUN`] it only says what the answer would be.
    ///
    /// # Errors
    /// [`Denial`]; nothing is held then.
    pub fn allocate(
        &self,
        resource: &str,
        ids: &[String],
    ) -> Result<ContainerAllocateResponse, Denial> {
        let inventory = self.inventory();
        if let [first, ids @ ..] = ids
            && first == DRY_RUN
        {
            return Ok(self.would_allocate(ids, &inventory)?);
        }
        let way = self.way();
        let allotted = self.decide(ids, &inventory, resource, &way);
        let record = allotted.inspect_err(|denial| self.remember(ids, denial, None))?;
        info!(allotment = %record.id, devices = ids.len(), gpus = %gpus(&record), "allocated");
        let mut answer = self.wares.answer(&record, &inventory, &way);
        if let Some(pipes) = self.mps_pipes(&record) {
            // First written down: whoever has been told is left to MPS while its daemon lives.
            let written = self.book().leave_to_mps(record.id, &pipes);
            match written {
                Ok(()) => mps::extend(&mut answer, &record, &pipes),
                Err(error) => {
                    warn!(allotment = %record.id, %error, "it is not left to MPS: the arbiter holds this share");
                }
            }
        }
        if !answer.cdi_devices.is_empty() {
            // Before the kubelet stores a name that it can replay after the next reboot.
            let marked = self.wares.cdi.mark_used(&self.wares.layout);
            marked.and_then(|()| self.specify_where_changed()).map_err(|error| {
                self.book().withdraw(record.id);
                self.changed();
                let denial = error.into();
                self.remember(ids, &denial, None);
                denial
            })?;
        }
        Ok(answer)
    }

    /// Waits until devices with these IDs can be allotted, where the files of an earlier allotment of just them, or those
    /// that fill the pages' file system, are still being removed: before [`allocate`](Self::allocate), which refuses
    /// them until then. Whoever asks for others meanwhile is answered.
    pub async fn cleared(&self, ids: &[String]) {
        let Ok(devices) = decide::parse(ids) else { return };
        self.cleared_of(&devices).await;
        let room = self.book().making_room(&devices);
        if let Some(room) = room {
            aside(move || room.wait()).await;
        }
    }

    /// The same for devices; whether there was anything to wait for.
    pub(super) async fn cleared_of(&self, devices: &BTreeSet<DeviceId>) -> bool {
        let removal = self.book().removal(devices);
        let Some(removal) = removal else { return false };
        aside(move || removal.wait()).await;
        true
    }

    /// The answer without the allotment: nothing is written, taken or remembered.
    fn would_allocate(
        &self,
        ids: &[String],
        inventory: &Inventory,
    ) -> Result<ContainerAllocateResponse, Refusal> {
        let devices = decide::parse(ids)?;
        let grant = decide::grant(&devices, inventory, self.book().taken())?;
        let way = self.way();
        self.refuse_dropped(way.has_names(is_share(&grant)))?;
        let driver_files = self.driver_files(&way, &grant);
        let record = Record { driver_files, ..Record::new(&devices, &grant, unix_s()) };
        Ok(self.wares.answer(&record, inventory, &way))
    }

    fn decide(
        &self,
        ids: &[String],
        inventory: &Inventory,
        resource: &str,
        way: &Way,
    ) -> Result<Record, Denial> {
        let devices = decide::parse(ids)?;
        let grant = decide::grant(&devices, inventory, self.book().taken())?;
        let has_cdi_names = way.has_names(is_share(&grant));
        self.refuse_dropped(has_cdi_names)?;
        let gpus = Holding::from(&grant);
        let minors = || decide::minors(gpus.gpus(), inventory);
        let told = Told {
            resource: Some(resource.to_owned()),
            has_cdi_names: Some(has_cdi_names),
            minors: way.has_nodes(is_share(&grant)).then(minors).flatten(),
            driver_files: self.driver_files(way, &grant),
        };
        self.allot(&devices, &grant, told)
    }

    /// The driver's files that the answer mounts.
    fn driver_files(&self, way: &Way, grant: &decide::Grant) -> Option<Vec<PathBuf>> {
        let mounts = way.has_driver_files(is_share(grant));
        mounts.then(|| self.wares.driver.files(Names::Lasting))
    }

    fn allot(
        &self,
        devices: &BTreeSet<DeviceId>,
        grant: &decide::Grant,
        told: Told,
    ) -> Result<Record, Denial> {
        let record = self.ruled_book().allot(devices, grant, told, self.shim_for(grant))?;
        self.allotted.send_replace(());
        Ok(record)
    }

    /// The allotment of devices that the kubelet gave out earlier, made again.
    fn allot_again(&self, devices: &BTreeSet<DeviceId>) -> Result<Record, Denial> {
        let grant = self.grant_again(devices)?;
        self.allot(devices, &grant, Told::default())
    }

    /// The shim that a container with this grant gets.
    pub(super) fn shim_for(&self, grant: &decide::Grant) -> Option<String> {
        is_share(grant).then(|| self.wares.shim.version.clone())
    }

    /// The devices that a container should get, of those that are free.
    #[must_use]
    pub fn prefer(&self, available: &[String], must: &[String], size: usize) -> Vec<String> {
        let policy = self.config.borrow().placement.into();
        let (inventory, planned) = (self.inventory(), self.planned());
        let closed = decide::closed(&inventory, self.book().taken());
        let choice = decide::Choice { policy, planned: &planned, closed: &closed };
        decide::prefer(available, must, size, &inventory, choice)
    }

    /// Readies the allotment for a container that is about to start, and learns whose it is.
    ///
    /// An allotment without a record is made again from its devices: the kubelet replays an old
    /// answer then. That podresources do not answer keeps no container from starting: a name is for
    /// people, the limits stand without it, and the next comparison brings it.
    ///
    /// # Errors
    /// [`Denial`].
    pub async fn prestart(&self, ids: &[String]) -> Result<(), Denial> {
        self.cleared(ids).await;
        let record = self.ready(ids).inspect_err(|why| {
            let of = |devices| self.book().record(&devices)?.holder.clone();
            self.refuse_start(ids, why, decide::parse(ids).ok().and_then(of));
        })?;
        let (id, listed) = (record.id, self.identity.list().await);
        let mut held = match listed {
            Ok(held) => held,
            Err(why) => {
                // One that starts again has told it before.
                let holder = record.holder.clone();
                let [namespace, pod, container] = Holder::words(holder.as_ref());
                warn!(namespace, pod, container, allotment = %id, %why, "starting without a name");
                let judged = self.refuse_runtime(&record, holder.clone()).await;
                return judged.inspect_err(|why| self.refuse_start(ids, why, holder));
            }
        };
        let unlisted = self.unlisted(&record, &held).await;
        let is_listed = unlisted.is_empty();
        held.extend(unlisted);
        let started = self.let_start(&record, &held, is_listed).await;
        started.inspect_err(|why| {
            self.refuse_start(ids, why, allotment::holder_of(&record, &held));
        })
    }

    fn refuse_start(&self, ids: &[String], why: &Denial, holder: Option<Holder>) {
        let [namespace, pod, container] = Holder::words(holder.as_ref());
        let id = decide::parse(ids).ok().map(|devices| display(allotment::name(&devices)));
        warn!(namespace, pod, container, allotment = id, %why, "a start is refused");
        self.remember(ids, why, holder);
    }

    /// The allotment of these devices, with pages to start with.
    fn ready(&self, ids: &[String]) -> Result<Record, Denial> {
        let devices = decide::parse(ids)?;
        self.refuse_dropped(self.was_named(&devices))?;
        self.refuse_renumbered(&devices)?;
        self.refuse_lost(&devices)?;
        self.refuse_undivided(&devices)?;
        let renewed = self.ruled_book().renew(&devices)?;
        let record = match renewed {
            Some(record) => record,
            None => self.allot_again(&devices)?,
        };
        // Its pages may be others from here on.
        self.changed();
        Ok(record)
    }

    /// Whether the answer that the kubelet replays names devices of CDI: agents gave it that did not ask for
    /// the runtime, or had not heard of it, and the configuration can be another by now. Where nobody wrote
    /// it down, that decides.
    fn was_named(&self, devices: &BTreeSet<DeviceId>) -> bool {
        let told = self.book().record(devices).and_then(|record| record.has_cdi_names);
        let is_share = devices.iter().any(|it| matches!(it, DeviceId::Percent(..)));
        told.unwrap_or_else(|| self.way().has_names(is_share))
    }

    /// Refuses what must not start, and writes down whose it is.
    async fn let_start(
        &self,
        record: &Record,
        held: &[Held],
        is_listed: bool,
    ) -> Result<(), Denial> {
        if let Some(other) = allotment::clash(record, held) {
            return Err(Refusal::MixedPod(other).into());
        }
        let holder = allotment::holder_of(record, held).or_else(|| record.holder.clone());
        self.refuse_runtime(record, holder).await?;
        if let Err(error) = self.name_holder(record, held, is_listed) {
            // A name is for people, and the next comparison brings it.
            warn!(allotment = %record.id, %error, "starting without a name that is written down");
        }
        self.refine_one(record, held);
        Ok(())
    }

    /// No share starts in a runtime that cannot hold one; of one that nobody has a name for that is told later.
    async fn refuse_runtime(&self, record: &Record, holder: Option<Holder>) -> Result<(), Denial> {
        if !matches!(record.holding, Holding::Share { .. }) {
            return Ok(());
        }
        let refused = self.config.borrow().refused_runtimes.clone();
        let Some(holder) = holder else {
            self.runtimes.start_nameless(record.id, &refused);
            return Ok(());
        };
        match self.runtimes.judge(&holder, &refused).await {
            Verdict::Refused(handler) => return Err(Refusal::Runtime(handler).into()),
            Verdict::Unknown => {
                let Holder { namespace, pod, .. } = &holder;
                warn!(namespace, pod, "starting although nobody says which runtime the pod is for");
            }
            Verdict::Fine => {}
        }
        Ok(())
    }

    fn name_holder(
        &self,
        record: &Record,
        held: &[Held],
        is_listed: bool,
    ) -> Result<(), BookError> {
        let Some(holder) = allotment::holder_of(record, held) else { return Ok(()) };
        self.book().give_as(record.id, allotment::resource_of(record, held))?;
        let (pod, namespace) = (holder.pod.clone(), holder.namespace.clone());
        info!(allotment = %record.id, namespace, pod, container = holder.container, "starting");
        match is_listed {
            true => self.book().hold(record.id, holder),
            false => self.book().hold_unlisted(record.id, holder),
        }
    }

    /// Resources of other plugins that offer GPUs of this node, and drivers of DRA whose devices pods hold; `None` where
    /// the kubelet does not say.
    pub async fn rivals(&self) -> Option<rivals::Rivals> {
        let (list, pods) = tokio::join!(self.identity.allocatable(), self.identity.pods());
        let inventory = self.inventory();
        let mut found = rivals::claimed(&pods.ok()?, &inventory);
        found.extend(rivals::rivals(&list.ok()?, &self.identity.domain, &inventory));
        Some(found)
    }

    /// Keeps what was refused for whoever asks why; `holder`, where it is known for whom.
    fn remember(&self, ids: &[String], denial: &Denial, holder: Option<Holder>) {
        let taken = self.book().taken().clone();
        let inventory = self.inventory();
        let shared = inventory.gpus().iter().filter(|gpu| gpu.offers(Kind::Percent));
        let left = shared.map(|gpu| Left {
            gpu: gpu.uuid,
            index: gpu.index,
            percent: usize::from(PARTS).saturating_sub(taken.percent(gpu.uuid)),
            sick: decide::blocked(gpu, Kind::Percent, &taken).map(|why| why.to_string()),
        });
        let at = unix_s();
        let (why, asked) = (denial.to_string(), ids.len());
        let pod = holder.map(|holder| format!("{}/{}", holder.namespace, holder.pod));
        self.refusals.add(denial.word(), Refused { at, asked, pod, why, left: left.collect() });
    }
}

fn is_share(grant: &decide::Grant) -> bool {
    matches!(grant, decide::Grant::Share { .. })
}

fn gpus(record: &Record) -> String {
    let names: Vec<_> = record.holding.gpus().iter().map(ToString::to_string).collect();
    match &record.holding {
        Holding::Whole { .. } => names.join(","),
        Holding::Slices { slices, .. } => {
            slices.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        Holding::Share { percent, .. } => format!("{percent}% of {}", names.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Config, Injection};
    use crate::inventory::tests::uuid;
    use crate::node::hung::{LONG, is_done};
    use crate::node::tests::Bare;

    fn half() -> Vec<String> {
        (0..50).map(|part| format!("{}::{part}", uuid(0))).collect()
    }

    #[tokio::test]
    async fn who_follows_what_runs_hears_of_an_allotment_when_its_container_is_about_to_start() {
        let bare = Bare::new();
        let (all, runs) = (bare.node.watch_allotted(), bare.node.watch_held());
        let heard = || [&all, &runs].map(|told| told.has_changed().unwrap());
        bare.node.allocate("gpu-percent", &half()).unwrap();
        assert_eq!(heard(), [true, false]);
        bare.node.prestart(&half()).await.unwrap();
        assert_eq!(heard(), [true, true]);
    }

    #[tokio::test]
    async fn a_start_does_not_wait_for_a_disk_that_takes_no_name() {
        let bare = Bare::new();
        bare.node.allocate("gpu-percent", &half()).unwrap();
        let record = bare.node.records()[0].clone();
        // What is written goes through this name first.
        fs::create_dir(bare.node.layout().record(record.id).with_extension("draft")).unwrap();
        let holder =
            Holder { namespace: "team".into(), pod: "a".into(), container: Some("main".into()) };
        let held =
            [Held { holder, devices: record.devices.iter().copied().collect(), ..Held::default() }];
        bare.node.let_start(&record, &held, true).await.unwrap();
        assert_eq!(bare.node.records()[0].holder, None, "it is written down before it is known");
    }

    #[test]
    fn nobody_waits_for_room_that_is_being_made_while_he_holds_the_book() {
        let bare = Bare::new();
        let late = bare.node.book().tie_hands(3 * LONG);
        let share = |n| (3 * n..3 * n + 3).map(|part| format!("{}::{part}", uuid(0))).collect();
        let shares: Vec<Vec<String>> = (0..12).map(share).collect();
        // Until no pages lie ready.
        shares[..10].iter().for_each(|ids| drop(bare.node.allocate("gpu-percent", ids).unwrap()));
        let pages = &bare.node.layout().pages;
        fs::rename(pages, pages.with_extension("away")).unwrap();
        fs::write(pages, "no folder").unwrap();
        let node = bare.node.clone();
        let refused = move || drop(node.allocate("gpu-percent", &shares[10]).unwrap_err());
        assert!(is_done(refused, late));
    }

    #[tokio::test]
    async fn devices_that_were_not_given_out_in_the_end_are_free() {
        let bare = Bare::with(Config { injection: Injection::Cdi, ..Config::default() });
        let folder = &bare.node.wares.cdi.folder;
        fs::write(folder, "a file where specifications are to be written").unwrap();
        let denial = bare.node.allocate("gpu-percent", &half()).unwrap_err();
        assert!(matches!(denial, Denial::Unspecified(_)), "{denial}");
        assert_eq!(bare.node.records(), []);
        fs::remove_file(folder).unwrap();
        bare.node.cleared(&half()).await;
        bare.node.allocate("gpu-percent", &half()).unwrap();
    }
}
