//! Start-up taints: what keeps pods off the node until everything is registered.
//!
//! A node that is new brings them along. One that reboots does not, and the agent puts them back where it is told to, before
//! it looks for the driver, which may not be there for minutes.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use kube_api::{ApiError, ApiFlags, Body, Client};
use serde_json::{Value, json};
use tokio::sync::watch as channel;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{info, warn};

use super::again::{Again, SELDOM};
use super::{LOOK, NodeLabels};
use crate::config::Config;
use crate::durable;
use crate::layout::Layout;
use crate::node::Node;

/// How long the agent's start waits for an API server that is to take the taints back.
const PATIENCE: Duration = Duration::from_secs(2);

/// Once everything is registered, the taints that kept pods away are no longer needed. Which those are can
/// change: by the node's labels, which are told late, or in the file.
pub(super) async fn keep_removed(
    client: &Client,
    name: &str,
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
    has: channel::Receiver<Option<NodeLabels>>,
) {
    let (mut ticks, mut needed) = (interval(LOOK), Needed::default());
    // Those that nobody took when the agent began.
    let mut is_owed = is_rebooted(node.layout());
    let (mut again, mut next) = (Again::new(SELDOM), Instant::now());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let keys = config.borrow().startup_taints.clone();
        let (is_known, is_registered) =
            (has.borrow().is_some(), node.registrations().missing().is_empty());
        if !keys.is_empty() && needed.is_unheard(is_known, is_registered) {
            warn!(
                ?keys,
                "start-up taints stay, because the API server does not tell of this node: the agent's service account \
                 needs get, list and watch of nodes (the chart's ClusterRole has them)"
            );
        }
        let is_complete = is_known && is_registered;
        let wants_back = config.borrow().taint_after_reboot && !keys.is_empty();
        if is_owed && wants_back && !is_registered && Instant::now() >= next {
            match add(client, name, &keys).await {
                Ok(added) => {
                    put(node.layout(), &keys, added);
                    is_owed = false;
                    again.done();
                }
                Err(error) => next = Instant::now() + again.failed(&error).1,
            }
        }
        if !needed.no_longer(&keys, is_complete) || Instant::now() < next {
            continue;
        }
        match remove(client, name, &keys).await {
            Ok(removed) => {
                info!(removed, ?keys, "start-up taints");
                (needed.removed, is_owed) = (keys, false);
                again.done();
                seen(node.layout());
            }
            Err(error) => {
                let (is_news, pause) = again.failed(&error);
                next = Instant::now() + pause;
                if is_news {
                    warn!(%error, "start-up taints stay, trying again");
                }
            }
        }
    }
}

/// Which start-up taints are still needed.
#[derive(Default)]
struct Needed {
    /// The keys of those that were taken away.
    removed: Vec<String>,
    /// The keys with which the look before found everything registered.
    complete: Option<Vec<String>>,
    /// How many looks found everything registered and nothing known of the node itself.
    unheard: u32,
}

/// So many looks wait for the API server to tell of the node before somebody is told that it does not.
const PATIENT: u32 = 15;

impl Needed {
    /// Whether it is time to say that nobody tells of the node: once, and once more where it was told of between.
    fn is_unheard(&mut self, is_known: bool, is_registered: bool) -> bool {
        match (is_known, is_registered) {
            (true, _) => self.unheard = 0,
            (false, true) => self.unheard = self.unheard.saturating_add(1),
            (false, false) => return false,
        }
        self.unheard == PATIENT
    }

    /// Whether taints with these keys are to be taken away. A configuration that changes is there before
    /// the resources that it brings are: only what two looks in a row find complete is.
    fn no_longer(&mut self, keys: &[String], is_complete: bool) -> bool {
        let before = self.complete.take();
        self.complete = is_complete.then(|| keys.to_vec());
        keys != self.removed && is_complete && before.as_deref() == Some(keys)
    }
}

/// Start-up taints that are put back if this is the agent's first start since a reboot, and the configuration wants it.
pub(crate) struct PutBack<'a> {
    flags: &'a ApiFlags,
    node: &'a str,
    layout: &'a Layout,
    config: &'a Config,
    client: Option<Client>,
    again: Again,
    /// When it is tried next.
    next: Instant,
}

impl<'a> PutBack<'a> {
    /// Those of the node with this name.
    pub(crate) fn new(
        flags: &'a ApiFlags,
        node: &'a str,
        layout: &'a Layout,
        config: &'a Config,
    ) -> Self {
        let (again, next) = (Again::new(SELDOM), Instant::now());
        Self { flags, node, layout, config, client: None, again, next }
    }

    /// Tries once. That nobody takes them keeps nothing from starting: the network of a node that boots comes when the
    /// agent does.
    pub(crate) async fn once(&mut self) {
        let pause = self.attempt().await;
        self.next = Instant::now() + pause;
    }

    /// Tries for ever, as long as nobody has taken them: while the driver is waited for.
    pub(crate) async fn keep(&mut self) {
        loop {
            sleep_until(self.next).await;
            self.once().await;
        }
    }

    /// Answers how long to wait for the next one.
    async fn attempt(&mut self) -> Duration {
        let keys = &self.config.startup_taints;
        if !self.config.taint_after_reboot || keys.is_empty() || !is_rebooted(self.layout) {
            return SELDOM;
        }
        if self.client.is_none() {
            // Whoever needs the API server for more says why it cannot be asked.
            self.client = super::client(self.flags, self.node).ok().flatten();
        }
        let Some(client) = &self.client else { return SELDOM };
        let silent = || ApiError::Unreachable("not in time".into());
        let asked = timeout(PATIENCE, add(client, self.node, keys)).await;
        let error = match asked.unwrap_or_else(|_| Err(silent())) {
            Ok(added) => {
                put(self.layout, keys, added);
                return SELDOM;
            }
            Err(error) => error,
        };
        let (is_news, pause) = self.again.failed(&error);
        if is_news {
            warn!(%error, "start-up taints are not put back, trying again until all is registered");
        }
        pause
    }
}

/// They are there. Once for each boot: what a person takes away after that stays away.
fn put(layout: &Layout, keys: &[String], added: bool) {
    info!(added, ?keys, "start-up taints after a reboot");
    seen(layout);
}

/// Whether the node was looked after in another boot and not in this one.
fn is_rebooted(layout: &Layout) -> bool {
    let before = fs::read_to_string(layout.boot()).unwrap_or_default();
    !before.is_empty() && before != boot()
}

/// From now on this boot is no news.
fn seen(layout: &Layout) {
    let (path, boot): (PathBuf, String) = (layout.boot(), boot());
    if fs::read_to_string(&path).is_ok_and(|before| before == boot) {
        return;
    }
    if let Err(error) = durable::replace(&path, boot.as_bytes()) {
        warn!(%error, "the next reboot may not be noticed");
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Takes away the taints with these keys; whether there were any.
async fn remove(client: &Client, node: &str, keys: &[String]) -> Result<bool, ApiError> {
    let others = |taints: &[Value]| {
        let is_ours = |taint: &Value| keys.iter().any(|key| taint["key"] == key.as_str());
        taints.iter().filter(|taint| !is_ours(taint)).cloned().collect()
    };
    change(client, node, others).await
}

/// Adds taints with these keys, which keep new pods away; whether one was missing.
async fn add(client: &Client, node: &str, keys: &[String]) -> Result<bool, ApiError> {
    let with = |taints: &[Value]| {
        let is_missing = |key: &&String| !taints.iter().any(|taint| taint["key"] == key.as_str());
        let missing = keys.iter().filter(is_missing);
        let missing = missing.map(|key| json!({"key": key, "effect": "NoSchedule"}));
        taints.iter().cloned().chain(missing).collect()
    };
    change(client, node, with).await
}

/// Changes the node's taints, unless they are so already. The version that was read goes along, so that a taint that
/// somebody sets meanwhile is not lost: 409 is the answer then.
async fn change(
    client: &Client,
    node: &str,
    to: impl FnOnce(&[Value]) -> Vec<Value>,
) -> Result<bool, ApiError> {
    let path = format!("/api/v1/nodes/{node}");
    let found = client.call(Method::GET, &path, Body::None).await?;
    let taints = found["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let wanted = to(&taints);
    if wanted.len() == taints.len() {
        return Ok(false);
    }
    let version = &found["metadata"]["resourceVersion"];
    let body = json!({"metadata": {"resourceVersion": version}, "spec": {"taints": wanted}});
    client.call(Method::PATCH, &path, Body::Merge(&body)).await.map(|_| true)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::{MethodRouter, get};
    use tokio::time::sleep;

    use super::*;
    use crate::api::served::serve;

    #[test]
    fn start_up_taints_go_when_two_looks_in_a_row_with_the_same_keys_find_all_registered() {
        let mut needed = Needed::default();
        let looks = [
            ("", true, false),
            ("a", false, false),
            ("a", true, false),
            // Labels bring a pool and a taint: the pool's resource is wanted a moment later.
            ("a b", true, false),
            ("a b", false, false),
            ("a b", true, false),
            ("a b", true, true),
            // The server did not take it.
            ("a b", true, true),
        ];
        let keys = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (step, (text, is_complete, expected)) in looks.into_iter().enumerate() {
            assert_eq!(needed.no_longer(&keys(text), is_complete), expected, "{step}");
        }
        needed.removed = keys("a b");
        assert!(!needed.no_longer(&keys("a b"), true));
        assert!(!needed.no_longer(&keys("b"), true) && needed.no_longer(&keys("b"), true));
    }

    #[test]
    fn that_nobody_tells_of_the_node_is_said_once_after_a_while() {
        let mut needed = Needed::default();
        let said = |needed: &mut Needed, known, registered, looks: u32| {
            (0..looks).filter(|_| needed.is_unheard(known, registered)).count()
        };
        assert_eq!(said(&mut needed, false, false, 10 * PATIENT), 0);
        assert_eq!(said(&mut needed, false, true, PATIENT - 1), 0);
        assert_eq!(said(&mut needed, false, true, 10 * PATIENT), 1);
        assert_eq!(said(&mut needed, true, true, 10), 0);
        assert_eq!(said(&mut needed, false, true, 10 * PATIENT), 1);
    }

    /// An agent's first start since a reboot.
    struct Rebooted {
        folder: tempfile::TempDir,
        flags: ApiFlags,
        layout: Layout,
        config: Config,
    }

    /// One on a node whose object the API server answers by `node`.
    async fn rebooted(node: MethodRouter) -> Rebooted {
        let (base, folder) = serve(Router::new().route("/api/v1/nodes/{name}", node)).await;
        let kube_account = folder.path().to_owned();
        let flags = ApiFlags { kube_api: Some(base), kube_account, no_kube: false };
        let config = Config {
            taint_after_reboot: true,
            startup_taints: vec!["a/b".into()],
            ..Config::default()
        };
        let layout = Layout::new(folder.path(), folder.path());
        durable::replace(&layout.boot(), b"another").unwrap();
        Rebooted { folder, flags, layout, config }
    }

    #[tokio::test]
    async fn what_the_api_server_does_not_take_at_first_is_put_back_when_it_does() {
        let (calls, told) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(None)));
        let patched = told.clone();
        let node = get(move || {
            let is_there = calls.fetch_add(1, Relaxed) > 0;
            let code = if is_there { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            async move { (code, json!({"metadata": {"resourceVersion": "1"}}).to_string()) }
        });
        let node = node.patch(move |body: String| {
            *patched.lock().unwrap() = Some(body);
            async { "{}" }
        });
        let Rebooted { folder: _folder, flags, layout, config } = rebooted(node).await;
        let mut back = PutBack::new(&flags, "n", &layout, &config);
        back.once().await;
        assert!(told.lock().unwrap().is_none() && is_rebooted(&layout));
        let until_seen = async {
            while is_rebooted(&layout) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = back.keep() => {}
            () = until_seen => {}
        }
        assert!(told.lock().unwrap().as_ref().unwrap().contains("a/b"));
    }

    #[tokio::test]
    async fn without_the_right_they_are_tried_ever_more_seldom() {
        let node = get(async || StatusCode::FORBIDDEN);
        let Rebooted { folder: _folder, flags, layout, config } = rebooted(node).await;
        let mut back = PutBack::new(&flags, "n", &layout, &config);
        let mut pauses = Duration::ZERO;
        for _ in 0..5 {
            back.once().await;
            pauses += back.next.saturating_duration_since(Instant::now());
        }
        assert!(pauses > 10 * LOOK, "five tries in {pauses:?}");
    }

    #[test]
    fn a_boot_is_another_where_the_node_was_looked_after_in_one_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        assert!(!is_rebooted(&layout), "a node that is new");
        durable::replace(&layout.boot(), b"another").unwrap();
        assert!(is_rebooted(&layout));
        seen(&layout);
        assert!(!is_rebooted(&layout));
    }
}
