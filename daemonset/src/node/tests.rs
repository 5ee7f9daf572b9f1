//! A node for tests, and what holds of starts whatever is called.

use super::*;
use crate::cdi::Cdi;
use crate::config::{Exposure, Injection};
use crate::decide::Refusal;
use crate::driver::Driver;
use crate::inventory::Gpu;
use crate::inventory::tests::{divided, gpu, slice, uuid};
use crate::modes::Mode;
use crate::shim::Shim;

/// A node with one shared GPU, on whose sockets nobody is.
pub(crate) struct Bare {
    pub(crate) node: Arc<Node>,
    pub(crate) config: watch::Sender<Arc<Config>>,
    pub(crate) inventory: watch::Sender<Arc<Inventory>>,
    _folder: tempfile::TempDir,
}

impl Bare {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::make(config, "pages")
    }

    /// One whose pages lie in a folder of this name.
    pub(crate) fn with_pages(name: &str) -> Self {
        Self::make(Config::default(), name)
    }

    fn make(config: Config, pages: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        crate::driver::tests::fake(&at("driver"), "usr/lib64");
        std::fs::write(at("shim"), "shim").unwrap();
        let layout = Layout::new(&at("state"), &at(pages));
        let domain = "example.com".to_owned();
        let wares = Wares {
            driver: Driver::find(&at("driver")).unwrap(),
            shim: Shim::install(&at("shim"), &layout).unwrap(),
            cdi: Cdi { folder: at("cdi"), domain: domain.clone(), hook: None },
            layout: layout.clone(),
        };
        let inventory = Arc::new(Inventory::new(vec![gpu(0, Mode::Shared)]));
        let book = Book::open(layout).unwrap();
        let identity = Identity {
            checkpoint: at("checkpoint"),
            proc: at("proc"),
            ..Identity::new(at("nobody.sock"), domain)
        };
        let (inventory, config) =
            (watch::Sender::new(inventory), watch::Sender::new(Arc::new(config)));
        let who = watch::Sender::default();
        let seen = inventory.subscribe();
        let node = Node::new(seen, config.subscribe(), who, book, wares, identity);
        Self { node: Arc::new(node), config, inventory, _folder: folder }
    }
}

#[tokio::test]
async fn no_container_starts_with_names_that_its_runtime_is_known_to_drop() {
    let by_cdi = Config { injection: Injection::Cdi, ..Config::default() };
    for (config, refused) in [(by_cdi, true), (Config::default(), false)] {
        let bare = Bare::with(config);
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        // Answered while nobody had told of the runtime, or by an agent that did not ask.
        bare.node.allocate("gpu-percent", &ids).unwrap();
        let (kubelet, runtime) = ("v1.36.2".into(), "containerd://1.6.20".into());
        bare.node.software().send_replace(Some(Software { kubelet, runtime }));
        match bare.node.prestart(&ids).await {
            Err(Denial::Refused(Refusal::NoCdi(why))) if refused => {
                assert!(why.contains("containerd://1.6.20 do not both have CDI"), "{why}");
            }
            started => assert!(started.is_ok() && !refused, "{started:?}"),
        }
    }
}

#[tokio::test]
async fn what_the_stored_answer_names_decides_and_not_what_the_configuration_says_since() {
    let of = |injection| Config { injection, ..Config::default() };
    let table = [(Injection::Cdi, Injection::Mounts), (Injection::Mounts, Injection::Cdi)];
    for (then, since) in table {
        let bare = Bare::with(of(then));
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &ids).unwrap();
        bare.config.send_replace(Arc::new(of(since)));
        let (kubelet, runtime) = ("v1.36.2".into(), "containerd://1.6.20".into());
        bare.node.software().send_replace(Some(Software { kubelet, runtime }));
        let started = bare.node.prestart(&ids).await;
        assert_eq!(started.is_err(), then == Injection::Cdi, "{started:?}");
    }
}

#[tokio::test]
async fn no_container_starts_with_a_slice_that_its_card_is_not_divided_into_any_more() {
    let bare = Bare::new();
    let has = |gpus: Vec<Gpu>| {
        bare.inventory.send_replace(Arc::new(Inventory::new(gpus)));
    };
    let ids = [slice(1, "").uuid.to_string()];
    has(vec![divided(0, vec![slice(1, "1g.10gb")])]);
    bare.node.allocate("mig-1g.10gb", &ids).unwrap();
    let start = async || bare.node.prestart(&ids).await;
    assert!(start().await.is_ok(), "it is there");
    for card in [divided(0, vec![slice(2, "1g.10gb")]), gpu(0, Mode::Shared)] {
        has(vec![Gpu { sick: Some("it hangs".into()), ..card.clone() }]);
        assert!(start().await.is_ok(), "of a card that is not well nothing is known");
        has(vec![card]);
        match start().await {
            Err(Denial::Refused(Refusal::Unknown(gone))) => assert_eq!(gone, slice(1, "").uuid),
            started => panic!("{started:?}"),
        }
    }
}

#[tokio::test]
async fn no_container_starts_with_device_nodes_that_are_another_cards_by_now() {
    let of = |injection, exposure| Config { injection, exposure, ..Config::default() };
    for (config, refused) in [
        (of(Injection::Mounts, Exposure::Mounts), true),
        (of(Injection::Mounts, Exposure::Env), true),
        (of(Injection::Cdi, Exposure::Mounts), false),
        (of(Injection::Mounts, Exposure::Cdi), false),
    ] {
        let bare = Bare::with(config);
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &ids).unwrap();
        let start = async || bare.node.prestart(&ids).await;
        assert!(start().await.is_ok(), "the cards have their numbers");
        let other = [(0, 1), (1, 0)].map(|(n, minor)| Gpu { minor, ..gpu(n, Mode::Shared) });
        bare.inventory.send_replace(Arc::new(Inventory::new(other.to_vec())));
        match start().await {
            Err(Denial::Refused(Refusal::Renumbered(gpu))) => {
                assert!(refused && gpu == uuid(0))
            }
            started => assert!(started.is_ok() && !refused, "{started:?}"),
        }
    }
}
