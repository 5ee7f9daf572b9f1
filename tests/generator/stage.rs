//! A simulated card, one container on it, and its processes.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use contract::{DeviceUuid, Mib};
use ledger::agent::{LedgerSnapshot, read_ledger};
use sim_world::admin::{self, CardReport, Options};

use crate::calls::DEVICES;
use crate::container::{Container, compile, dist};

/// What a context takes of a simulated H100, and the container's limit on each: four contexts and some
/// memory.
pub(crate) const CONTEXT: Mib = Mib(520);
pub(crate) const LIMIT: Mib = Mib(2900);

/// A world of two cards, and a container that has a part of each.
pub(crate) struct Stage {
    container: Container,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let options = Options {
            // The newest: it has every way to take memory that there is.
            driver_version: Some(("615.20.01".to_owned(), 13_050)),
            ..Options::built_in(&dist("sim"))
        };
        let root = folder.path().join("w");
        admin::create(&root, &[("h100-80gb", DEVICES as u32)], &options)
            .expect("the world can be made");
        let channels = root.join("dev/nvidia-caps-imex-channels");
        std::fs::create_dir_all(&channels).expect("a folder of our own");
        std::fs::write(channels.join("channel0"), "").expect("a folder of our own");
        let container = Container::empty().driver(&root.join("usr/lib/x86_64-linux-gnu"));
        let stage = Self { container, folder };
        let uuid = |card: CardReport| -> DeviceUuid { card.uuid.parse().expect("it is a UUID") };
        let shares: Vec<_> = stage.cards().into_iter().map(|card| (uuid(card), LIMIT)).collect();
        stage.container.allot_with(1, &shares, CONTEXT);
        stage
    }

    /// The world's folder.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("w")
    }

    /// What the simulated cards say.
    pub(crate) fn cards(&self) -> Vec<CardReport> {
        admin::inspect(&self.root()).expect("the world answers").cards
    }

    /// What the first one says.
    pub(crate) fn card(&self) -> CardReport {
        self.cards().into_iter().next().expect("it has a card")
    }

    /// What the ledger says.
    pub(crate) fn ledger(&self) -> LedgerSnapshot {
        read_ledger(&self.container.allotment(1).join("ledger")).expect("the ledger can be read")
    }

    /// Lets every user into the folders of this test, as into those of a node.
    pub(crate) fn open_to_all(&self) {
        let pages = self.container.allotment(1);
        for folder in [self.folder.path(), parent(&pages), parent(client())] {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder, mode).expect("it is ours");
        }
    }

    /// A program in the container.
    pub(crate) fn command(&self, program: &Path, words: &str) -> Command {
        self.container.command(program, words)
    }

    /// Starts a process, with a context on each card that has room for one.
    pub(crate) fn start(&self) -> (Client, [bool; DEVICES]) {
        self.start_as(|_| {})
    }

    /// The same, of a command that somebody changed before.
    pub(crate) fn start_as(&self, change: impl FnOnce(&mut Command)) -> (Client, [bool; DEVICES]) {
        let mut command = self.container.command(client(), "");
        change(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the client starts");
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut client = Client { child, to, from, children: vec![] };
        let said = client.answer();
        let has_context: Vec<bool> = said
            .split(' ')
            .filter_map(|word| match word {
                "ready" => None,
                "0" => Some(true),
                "2" => Some(false),
                _ => panic!("a client begins with {said:?}"),
            })
            .collect();
        (client, has_context.try_into().expect("one for each device"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = admin::remove(&self.root());
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("it lies in a folder")
}

/// The compiled client, compiled once.
fn client() -> &'static Path {
    static BUILT: OnceLock<tempfile::TempDir> = OnceLock::new();
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let folder = BUILT.get_or_init(|| tempfile::tempdir().expect("a folder can be made"));
        let path = folder.path().join("client");
        compile("../generator/client.c", &path, &["-ldl", "-lpthread"]);
        path
    })
}

/// A process of the container. It and the children that it left are killed when this is dropped.
pub(crate) struct Client {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    children: Vec<i32>,
}

impl Client {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives it lines; one that was killed does not listen.
    pub(crate) fn tell(&mut self, text: &str) {
        let _ = writeln!(self.to, "{text}");
    }

    /// Its next line; empty when it has died.
    pub(crate) fn answer(&mut self) -> String {
        let mut line = String::new();
        // A line that death cut short is none.
        let whole = self.from.read_line(&mut line).is_ok() && line.ends_with('\n');
        if whole { line.trim_end().to_owned() } else { String::new() }
    }

    pub(crate) fn ask(&mut self, text: &str) -> String {
        self.tell(text);
        self.answer()
    }

    /// What it answers, as numbers.
    pub(crate) fn numbers(&mut self, text: &str) -> Vec<i64> {
        let said = self.ask(text);
        said.split(' ').map(|word| word.parse().unwrap_or(i64::MIN)).collect()
    }

    /// Remembers a child that it left.
    pub(crate) fn left(&mut self, child: i32) {
        self.children.push(child);
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Lets it come to its end.
    pub(crate) fn end(&mut self) -> bool {
        self.tell("quit");
        self.child.wait().expect("it is our child").success()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for child in &self.children {
            // SAFETY: a process that this client forked, which only waits to be killed.
            unsafe { libc::kill(*child, libc::SIGKILL) };
        }
    }
}
