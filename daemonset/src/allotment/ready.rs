//! Pages that wait for their allotment: where each share has a file system of its own, on one that is mounted
//! nowhere yet; elsewhere in a folder under a passing name.

use std::fs;
use std::io;
use std::path::Path;

use contract::paths::{LEDGER_FILE, LIMITS_FILE};
use ledger::PageError;
use ledger::agent::{AllotmentSpec, Draft, Files, Passing, Room};

use super::book::BookError;
use crate::durable::failed;
use crate::layout::{Layout, room_of_a_share};
use crate::selinux;
use crate::tmpfs::{self, Apart};

/// What the names of pages begin with that were made ahead; no allotment's does.
pub(super) const DRAFT: &str = ".draft.";

/// Empty pages of a share, which lies on one GPU.
#[derive(Debug)]
pub(super) enum Ready {
    /// In a folder beside the others'.
    Beside(Draft),
    /// On a file system of their own.
    Apart(Apart, Files),
}

impl Ready {
    /// Makes some; `number` is theirs alone.
    pub(super) fn make(layout: &Layout, number: u64) -> Result<Self, BookError> {
        let passing = layout.pages.join(format!("{DRAFT}{number}"));
        let apart = layout.room.map_or(Ok(None), |_| Apart::make(room_of_a_share()));
        if let Some(apart) = apart.map_err(failed("make a file system for", &layout.pages))? {
            let path = apart.path();
            let files = Files::make(&path, 1, Room::Own).map_err(in_pages(&path))?;
            label(&path)?;
            return Ok(Self::Apart(apart, files));
        }
        let draft = Draft::make(&passing, 1).map_err(in_pages(&passing))?;
        label(&passing)?;
        Ok(Self::Beside(draft))
    }

    /// Makes them the allotment in `folder`, in place of what lies there. That may be the answer: it is
    /// deleted when dropped.
    pub(super) fn place(
        self,
        folder: &Path,
        spec: &AllotmentSpec,
    ) -> Result<Option<Passing>, PageError> {
        match self {
            Self::Beside(draft) => draft.place(folder, spec),
            Self::Apart(apart, files) => {
                files.fill(spec)?;
                // Not in one step, as a folder is exchanged: no container starts meanwhile, because the kubelet
                // waits for us, and whoever else looks finds no pages, as of a share that has none yet.
                make_room(folder)?;
                apart.attach(folder).map_err(in_call("mount"))?;
                Ok(None)
            }
        }
    }
}

/// An empty folder in place of what lies there. Mostly nothing does, which one call tells.
fn make_room(folder: &Path) -> Result<(), PageError> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            tmpfs::remove(folder).map_err(in_call("remove"))?;
            fs::create_dir(folder).map_err(in_call("mkdir"))
        }
        made => made.map_err(in_call("mkdir")),
    }
}

fn label(folder: &Path) -> Result<(), BookError> {
    let files = [LIMITS_FILE, LEDGER_FILE].map(|file| folder.join(file));
    let mut all = files.iter().map(|path| &**path).chain([folder]);
    Ok(all.try_for_each(selinux::label)?)
}

fn in_call(call: &'static str) -> impl Fn(io::Error) -> PageError {
    move |error| PageError::Io(call, error.raw_os_error().unwrap_or_default())
}

/// An error of the pages that lie at `path`.
pub(super) fn in_pages(path: &Path) -> impl FnOnce(PageError) -> BookError {
    let path = path.to_owned();
    move |error| BookError::Pages { path, error }
}
