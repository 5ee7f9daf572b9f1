//! The configuration while the agent runs: read again when its file changes.
//!
//! A file that is not as it should be changes nothing: it is said, and the old one stays in force. So it is for an agent
//! that starts: what was taken last lies on the node.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use notify::{RecursiveMode, Watcher};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{Config, Section, Who, parse};
use crate::aside::aside;
use crate::durable;

/// How long the file is let alone after a change: an update of a ConfigMap is several.
const SETTLE: Duration = Duration::from_millis(100);
/// How long a change may go unseen where the folder cannot be watched.
const POLL: Duration = Duration::from_secs(5);

/// The file, and who reads it.
#[derive(Clone, Debug)]
pub struct Live {
    /// The file; `None` where only flags say something.
    pub file: Option<PathBuf>,
    /// What flags and variables say.
    pub flags: Section,
    /// The node.
    pub who: watch::Receiver<Who>,
}

impl Live {
    /// What file and flags come to at this moment.
    ///
    /// # Errors
    /// A file that cannot be read or is not as it should be, with all that is wrong in it.
    pub fn read(&self) -> Result<Config> {
        self.take().map(|(config, _)| config)
    }

    /// The same for an agent that starts: where the file does not count, by the text in `kept`, which was taken last, and
    /// where the node has got labels since with which that does not count either, by those that it had then. Why the file
    /// does not goes along.
    ///
    /// # Errors
    /// As [`Self::read`], where nothing is kept that counts.
    pub fn at_start(&self, kept: &Path) -> Result<(Config, Option<String>)> {
        let error = match self.read() {
            Ok(config) => return Ok((config, None)),
            Err(error) => error,
        };
        match Kept::read(kept).filter(|_| self.file.is_some()).and_then(|kept| self.of_kept(&kept))
        {
            Some(config) => Ok((config, Some(format!("{error:#}")))),
            None => Err(error),
        }
    }

    fn of_kept(&self, kept: &Kept) -> Option<Config> {
        let (section, who) = (parse(&kept.text).ok()?, self.who.borrow());
        [&*who, &kept.who].into_iter().find_map(|who| self.of(&section, who).ok())
    }

    /// What it comes to, and what is to be kept of it.
    fn take(&self) -> Result<(Config, Option<Kept>)> {
        let who = self.who.borrow().clone();
        let Some(path) = &self.file else { return Ok((self.of(&Section::default(), &who)?, None)) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        let section = parse(&text)
            .map_err(|error| anyhow!("the configuration {}: {error}", path.display()))?;
        Ok((self.of(&section, &who)?, Some(Kept { text, who })))
    }

    fn of(&self, section: &Section, who: &Who) -> Result<Config> {
        let config = Config::new(section, &self.flags, who).whole();
        config.context("the configuration, as it comes to on this node")
    }
}

/// The file as it was taken, and the node of which it counted: other labels choose other sections.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Kept {
    text: String,
    who: Who,
}

impl Kept {
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

/// Follows the file until `stop` is true: `config` has what it comes to, `problem` why it does not
/// count. What was taken is in `kept` from then on.
pub async fn keep_fresh(
    mut live: Live,
    kept: PathBuf,
    (config, problem): (watch::Sender<Arc<Config>>, watch::Sender<Option<String>>),
    mut stop: watch::Receiver<bool>,
) {
    let (changed, mut changes) = watch::channel(());
    let _watcher = live.file.as_deref().and_then(|file| watch_folder(file, changed));
    let mut known = None;
    loop {
        let taken = look(&live, &config, &problem);
        if taken.is_some() && known != taken {
            keep(&kept, taken.as_ref()).await;
            known = taken;
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = live.who.changed() => {}
            Ok(()) = changes.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
        tokio::time::sleep(SETTLE).await;
    }
}

/// For agents that start while the file is wrong.
async fn keep(path: &Path, taken: Option<&Kept>) {
    let text = serde_json::to_vec_pretty(&taken).expect("a text and labels are plain data");
    let path = path.to_owned();
    let write = move || match std::fs::read(&path) {
        Ok(before) if before == text => Ok(()),
        _ => durable::write(&path, &text),
    };
    if let Err(error) = aside(write).await {
        warn!(%error, "an agent that starts while the configuration is wrong does not know this one");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say stop: the same thing.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Takes the file where it counts, and answers what is to be kept of it then.
fn look(
    live: &Live,
    config: &watch::Sender<Arc<Config>>,
    problem: &watch::Sender<Option<String>>,
) -> Option<Kept> {
    match live.take() {
        Ok((fresh, taken)) => {
            problem.send_if_modified(|problem| problem.take().is_some());
            if **config.borrow() != fresh {
                tell_late(&config.borrow(), &fresh);
                info!("the configuration has changed");
                config.send_replace(Arc::new(fresh));
            }
            taken
        }
        Err(error) => {
            let why = format!("{error:#}");
            problem.send_if_modified(|problem| {
                let news = problem.as_ref() != Some(&why);
                if news {
                    warn!(why, "the configuration is not taken, the one before stays in force");
                    *problem = Some(why);
                }
                news
            });
            None
        }
    }
}

/// Some things are looked at when the agent starts, and not again.
fn tell_late(old: &Config, fresh: &Config) {
    let late = [
        ("driverRoot", old.driver_root != fresh.driver_root),
        ("kubeletRoot", old.kubelet_root != fresh.kubelet_root),
        ("domain", old.domain != fresh.domain),
    ];
    for (key, _) in late.iter().filter(|(_, changed)| *changed) {
        warn!(key, "this change takes effect when the agent is started again");
    }
}

/// Wakes when anything in the file's folder changes: a ConfigMap's file is a link to a link that is
/// replaced, and an editor's is another file of the same name.
fn watch_folder(file: &Path, changed: watch::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.send_replace(());
        }
    });
    let mut watcher = watcher.ok()?;
    watcher.watch(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

#[cfg(test)]
mod tests {
    use super::super::Placement;
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A folder as the kubelet makes it of a ConfigMap: `file` → `..data/file`, `..data` → a folder.
    fn update(folder: &Path, generation: u32, text: &str) {
        let data = folder.join(format!("..{generation}"));
        fs::create_dir(&data).unwrap();
        fs::write(data.join("config.yaml"), text).unwrap();
        symlink(&data, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    }

    struct Following {
        config: watch::Receiver<Arc<Config>>,
        problem: watch::Receiver<Option<String>>,
        _stop: watch::Sender<bool>,
    }

    fn follow(file: PathBuf, who: watch::Receiver<Who>) -> Following {
        let live = Live { file: Some(file), flags: Section::default(), who };
        let (sender, config) = watch::channel(Arc::new(live.read().unwrap()));
        let (problems, problem) = watch::channel(None);
        let (_stop, stopped) = watch::channel(false);
        let kept = kept(live.file.as_ref().unwrap());
        tokio::spawn(keep_fresh(live, kept, (sender, problems), stopped));
        Following { config, problem, _stop }
    }

    /// Where the text lies that was taken last.
    fn kept(file: &Path) -> PathBuf {
        file.with_file_name("kept")
    }

    async fn until_kept(kept: &Path) {
        let is_kept = async {
            while !kept.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, is_kept).await.unwrap();
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_config_map_that_changes_is_read_and_a_bad_one_leaves_the_last_good_one() {
        let folder = tempfile::tempdir().unwrap();
        update(folder.path(), 1, "placement: pack");
        symlink("..data/config.yaml", folder.path().join("config.yaml")).unwrap();
        let (_who, who) = watch::channel(Who::default());
        let mut seen = follow(folder.path().join("config.yaml"), who);
        update(folder.path(), 2, "placement: spread");
        let spread = seen.config.wait_for(|config| config.placement == Placement::Spread);
        tokio::time::timeout(PATIENCE, spread).await.unwrap().unwrap();
        update(folder.path(), 3, "placement: heap");
        let bad = seen.problem.wait_for(Option::is_some);
        let why = tokio::time::timeout(PATIENCE, bad).await.unwrap().unwrap().clone().unwrap();
        assert!(why.contains("config.yaml: line 1: `heap` is not possible here"), "{why}");
        assert_eq!(seen.config.borrow().placement, Placement::Spread);
        update(folder.path(), 4, "placement: pack");
        let good = seen.problem.wait_for(Option::is_none);
        tokio::time::timeout(PATIENCE, good).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_agent_that_starts_while_the_file_is_wrong_has_what_was_taken_last() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "placement: spread").unwrap();
        let (_who, who) = watch::channel(Who::default());
        let live = Live { file: Some(file.clone()), flags: Section::default(), who: who.clone() };
        let seen = follow(file.clone(), who);
        let kept = kept(&file);
        until_kept(&kept).await;
        drop(seen);
        fs::write(&file, "placement: heap").unwrap();
        let (config, why) = live.at_start(&kept).unwrap();
        assert_eq!(config.placement, Placement::Spread);
        assert!(why.unwrap().contains("`heap`"));
        // What the node never had counts for nothing, nor does what is wrong itself.
        assert!(live.at_start(&folder.path().join("none")).is_err());
        let hole = Kept { text: "placement: hole".into(), who: Who::default() };
        fs::write(&kept, serde_json::to_vec(&hole).unwrap()).unwrap();
        let error = live.at_start(&kept).unwrap_err();
        assert!(format!("{error:#}").contains("`heap`"), "{error:#}");
        fs::write(&file, "placement: pack").unwrap();
        let (config, why) = live.at_start(&kept).unwrap();
        assert_eq!((config.placement, why), (Placement::Pack, None));
    }

    #[tokio::test]
    async fn an_agent_that_starts_where_labels_made_the_file_wrong_has_what_was_taken_with_those_of_before()
     {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let text = "pools: {a: {}, b: {}}\nnodes:\n\
                    - {labels: {rack: r}, set: {placement: spread, gpus: [{index: 0, pool: a}]}}\n\
                    - {labels: {kind: big}, set: {pools: {b: {}}}}\n";
        fs::write(&file, text).unwrap();
        let labelled = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string()));
            Who { labels: labels.collect(), ..Who::default() }
        };
        let (labels, who) = watch::channel(labelled(&[("rack", "r")]));
        let live = Live { file: Some(file.clone()), flags: Section::default(), who: who.clone() };
        let seen = follow(file.clone(), who);
        let kept = kept(&file);
        until_kept(&kept).await;
        drop(seen);
        labels.send_replace(labelled(&[("rack", "r"), ("kind", "big")]));
        assert!(live.read().is_err(), "a pin without its pool");
        let (config, why) = live.at_start(&kept).unwrap();
        assert_eq!(config.placement, Placement::Spread);
        assert!(why.is_some());
        // What counts with the labels of now is by those.
        labels.send_replace(labelled(&[]));
        fs::write(&file, "placement: heap").unwrap();
        let (config, _) = live.at_start(&kept).unwrap();
        assert_eq!(config.placement, Placement::Pack);
    }

    #[tokio::test]
    async fn labels_that_change_choose_other_sections() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "nodes: [{labels: {a: b}, set: {placement: spread}}]").unwrap();
        let (labels, who) = watch::channel(Who::default());
        let mut seen = follow(file, who);
        labels.send_replace(Who { labels: [("a".into(), "b".into())].into(), ..Who::default() });
        let spread = seen.config.wait_for(|config| config.placement == Placement::Spread);
        tokio::time::timeout(PATIENCE, spread).await.unwrap().unwrap();
    }
}
