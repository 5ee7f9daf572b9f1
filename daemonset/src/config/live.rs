//! The configuration while the agent runs: read again when its file changes.
//!
//! A file that is not as it should be changes nothing: it is said, and the old one stays in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use notify::{RecursiveMode, Watcher};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{Config, Section, Who, parse};

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
        let section = self.file.as_deref().map(read).transpose()?.unwrap_or_default();
        let config = Config::new(&section, &self.flags, &self.who.borrow()).whole();
        config.context("the configuration, as it comes to on this node")
    }
}

fn read(path: &Path) -> Result<Section> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))?;
    parse(&text).map_err(|error| anyhow!("the configuration {}: {error}", path.display()))
}

/// Follows the file until `stop` is true: `config` has what it comes to, `problem` why it does not
/// count.
pub async fn keep_fresh(
    mut live: Live,
    config: watch::Sender<Arc<Config>>,
    problem: watch::Sender<Option<String>>,
    mut stop: watch::Receiver<bool>,
) {
    let (changed, mut changes) = watch::channel(());
    let _watcher = live.file.as_deref().and_then(|file| watch_folder(file, changed));
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = live.who.changed() => {}
            Ok(()) = changes.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
        tokio::time::sleep(SETTLE).await;
        look(&live, &config, &problem);
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say stop: the same thing.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn look(live: &Live, config: &watch::Sender<Arc<Config>>, problem: &watch::Sender<Option<String>>) {
    match live.read() {
        Ok(fresh) => {
            problem.send_if_modified(|problem| problem.take().is_some());
            if **config.borrow() != fresh {
                tell_late(&config.borrow(), &fresh);
                info!("the configuration has changed");
                config.send_replace(Arc::new(fresh));
            }
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
        tokio::spawn(keep_fresh(live, sender, problems, stopped));
        Following { config, problem, _stop }
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
