//! The words a client and the daemon exchange: one JSON object per packet of a `SOCK_SEQPACKET`.
//!
//! Every client opens with [`Request::Hello`]; that message and its answers keep their form in all
//! versions, so that two versions can tell each other apart.

use serde::{Deserialize, Serialize};

use crate::admin::{Change, Report};
use crate::card::CardInfo;
use crate::condition::Condition;
use crate::events::Xid;

/// The version of this protocol and of the card's page. Raised whenever either changes in what was there
/// before; a request that only came on top is refused by an older daemon.
pub const PROTOCOL: u32 = 3;

/// The longest packet either side sends.
pub(crate) const MAX_PACKET: usize = 160 * 1024;

/// How many processes one answer lists.
pub(crate) const PROCESSES_PER_PACKET: usize = 512;

/// What card memory is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A CUDA context. A process that holds one is a compute process.
    Context,
    /// Code and globals of a loaded module.
    Module,
    /// Memory the program asked for by an allocation call.
    Allocation,
    /// Managed memory that is resident on the card.
    Managed,
    /// Memory a stream-ordered pool holds.
    Pool,
    /// Memory a graph holds.
    Graph,
    /// Anything else.
    Other,
}

impl Kind {
    /// Every kind, in the order of [`Process::kinds`].
    pub const ALL: [Self; 7] = [
        Self::Context,
        Self::Module,
        Self::Allocation,
        Self::Managed,
        Self::Pool,
        Self::Graph,
        Self::Other,
    ];
}

/// A card's memory, in bytes; `total = reserved + used + free`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// All of the card.
    pub total: u64,
    /// What the driver and firmware keep.
    pub reserved: u64,
    /// What processes and [`Change::OtherUsed`] hold.
    pub used: u64,
    /// What can still be taken.
    pub free: u64,
}

/// A process that holds memory on a card, all its connections together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its pid as the daemon sees it; 0 if it lives where the daemon cannot see.
    pub host_pid: u32,
    /// All it holds, in bytes.
    pub used_bytes: u64,
    /// Bytes by kind, in the order of [`Kind::ALL`].
    pub kinds: [u64; Kind::ALL.len()],
    /// The GPU instance and compute instance that it is in; none on a whole card.
    pub slice: Option<[u32; 2]>,
    /// Its rows in the card's page; for [`crate::World::process_utilisation`].
    pub slots: Vec<u32>,
}

impl Process {
    /// What it holds of `kind`, in bytes.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize]
    }
}

/// A GPU instance and a compute instance of it; none for the whole card.
pub(crate) type Place = Option<[u32; 2]>;

/// What a client says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Opens a connection.
    Hello { protocol: u32 },
    /// Asks for a card's description.
    Card { card: u32 },
    /// Takes memory.
    Take { card: u32, slice: Place, kind: Kind, bytes: u64 },
    /// Gives memory back.
    Give { card: u32, slice: Place, kind: Kind, bytes: u64 },
    /// Names memory that this client holds, so that others can have it too: answered with a key.
    Share { card: u32, slice: Place, kind: Kind, bytes: u64 },
    /// Has shared memory too.
    Open { key: u64 },
    /// Has it no longer; as who made it, or as one that opened it.
    Close { key: u64, made: bool },
    /// Asks for a card's memory, or that of a GPU instance.
    Memory { card: u32, slice: Place },
    /// Asks how a card is divided, linked and shared.
    Condition { card: u32 },
    /// Asks for a card's processes, from the `from`th on.
    Processes { card: u32, slice: Place, from: u32 },
    /// The connection of row `subscriber`, of the same process, gets this card's XIDs from here on.
    Watch { subscriber: u32, card: u32 },
    /// Changes the world; for root and the daemon's own user.
    Change(Change),
    /// Asks for everything there is to know.
    Inspect,
}

/// What the daemon says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The connection is open.
    Welcome(Welcome),
    /// The daemon speaks another version.
    OtherProtocol { protocol: u32 },
    /// A card's description.
    Card(Box<CardInfo>),
    /// Done as asked.
    Done,
    /// By this memory is known to all.
    Key(u64),
    /// The card's end is reached.
    Full { free: u64 },
    /// The card is lost.
    Lost,
    /// A card's memory.
    Memory(Memory),
    /// How a card is divided, linked and shared.
    Condition(Box<Condition>),
    /// A page of a card's processes; `more` if there are others.
    Processes { processes: Vec<Process>, more: bool },
    /// An event of a watched card.
    Xid(Xid),
    /// Everything there is to know.
    Report(Box<Report>),
    /// The request makes no sense, or is not this client's to make.
    Wrong { reason: String },
}

/// What a client learns first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) protocol: u32,
    /// Differs between worlds; the cards' pages carry it too.
    pub(crate) world: u64,
    /// This connection's row in the cards' pages.
    pub(crate) slot: u32,
    pub(crate) driver_version: String,
    pub(crate) cuda_version: i32,
    pub(crate) cards: u32,
    /// Whether the kernel's part of the driver is of another version than the libraries.
    pub(crate) mismatched: bool,
}

/// One message as bytes.
pub(crate) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// Bytes as one message.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|e| format!("an answer that is not understood: {e}"))
}
