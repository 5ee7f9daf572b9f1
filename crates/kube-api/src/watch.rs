//! Follows a set of objects by what their metadata say: listed once, then watched.
//!
//! A watch ends when the server likes; it is taken up where it ended. Where the server has forgotten
//! that place (410), everything is listed again: at once where a watch stood, and with longer and longer
//! pauses where none does, because each agent of a cluster asks the same server.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use hyper::http::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::client::{ApiError, Body, Client};

/// Only metadata are asked for: a pod's or node's spec and status are far larger.
const LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const WATCH: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// Objects in one answer of a list.
const PAGE: u32 = 250;
/// How long a watch may stand, in seconds.
const STANDS: u64 = 240;
/// How much longer a watch may say nothing.
const SILENT: Duration = Duration::from_secs(STANDS + 30);
/// Before the next try, doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What is known of an object.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Its uid.
    pub uid: String,
    /// Its namespace; empty for a node.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    resource_version: String,
}

/// A change of the set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// These are all.
    All(Vec<Meta>),
    /// This one is there, as it says.
    Put(Box<Meta>),
    /// This one is gone.
    Gone(Box<Meta>),
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
}

#[derive(Deserialize)]
struct Page {
    metadata: PageMeta,
    items: Vec<Object>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageMeta {
    resource_version: String,
    r#continue: String,
}

/// What is told first.
#[derive(Clone, Copy)]
enum Start {
    /// All that is there.
    List,
    /// Nothing.
    Now,
}

/// Why a watch has to begin anew.
enum Broken {
    /// The server has forgotten the place.
    Forgotten,
    /// It failed.
    Failed(ApiError),
}

/// Follows what `path` lists under a field selector, for ever. An empty selector is all of it.
pub async fn follow(client: &Client, path: &str, selector: &str, mut told: impl FnMut(Change)) {
    follow_by(client, path, selector, Start::List, &mut told).await;
}

/// The same without what is there at the beginning: for who wants to hear of changes only, of a set that may
/// be too large to be listed. [`Change::All`] is never told; what changes while the server has forgotten the
/// place is missed.
pub async fn follow_from_now(
    client: &Client,
    path: &str,
    selector: &str,
    mut told: impl FnMut(Change),
) {
    follow_by(client, path, selector, Start::Now, &mut told).await;
}

async fn follow_by(
    client: &Client,
    path: &str,
    selector: &str,
    start: Start,
    told: &mut impl FnMut(Change),
) {
    let query = format!("{path}?fieldSelector={selector}");
    let (mut place, mut pace) = (None::<String>, Pace::default());
    loop {
        let step = match (&place, start) {
            (None, Start::List) => list(client, &query).await.map(|(all, version)| {
                told(Change::All(all));
                version
            }),
            (None, Start::Now) => {
                page(client, &query, 1, "").await.map(|page| page.metadata.resource_version)
            }
            (Some(version), _) => {
                let began = Instant::now();
                let watched = watch(client, &query, version, told).await;
                if watched.is_ok() || began.elapsed() >= PAUSES.1 {
                    pace = Pace::default();
                }
                watched
            }
        };
        match step {
            Ok(version) => place = Some(version),
            Err(Broken::Forgotten) => {
                place = None;
                if let Some(pause) = pace.forgotten() {
                    warn!(path, ?pause, "the API server forgets at once what it has listed");
                    sleep(pause).await;
                }
            }
            Err(Broken::Failed(error)) => {
                warn!(path, %error, "the API server is asked again");
                let after = if let ApiError::Refused { after, .. } = error { after } else { None };
                let pause = pace.failed();
                sleep(after.unwrap_or(pause)).await;
            }
        }
    }
}

/// How long to wait before the next try, since a watch last stood for a while or ended as watches do.
#[derive(Default)]
struct Pace {
    /// How often a place was forgotten.
    forgotten: u32,
    /// How often there was a pause.
    paused: u32,
}

impl Pace {
    /// After a call that failed.
    fn failed(&mut self) -> Duration {
        let pause = PAUSES.0.saturating_mul(1 << self.paused.min(16)).min(PAUSES.1);
        self.paused += 1;
        varied(pause)
    }

    /// After a place was forgotten: the first time there is no need to wait.
    fn forgotten(&mut self) -> Option<Duration> {
        self.forgotten += 1;
        (self.forgotten > 1).then(|| self.failed())
    }
}

/// Between three quarters and five quarters of it, so that those who failed or began together do not ask together.
#[must_use]
pub fn varied(pause: Duration) -> Duration {
    // Seeded by the kernel, and another for each that is made.
    let chance = RandomState::new().hash_one(()) % 512;
    pause * (768 + chance as u32) / 1024
}

/// What `query` lists at this moment; it names a selector.
///
/// # Errors
/// [`ApiError`].
pub async fn list_once(client: &Client, query: &str) -> Result<Vec<Meta>, ApiError> {
    match list(client, query).await {
        Ok((all, _)) => Ok(all),
        Err(Broken::Failed(error)) => Err(error),
        Err(Broken::Forgotten) => Err(ApiError::Unreachable("a list has expired".into())),
    }
}

async fn list(client: &Client, query: &str) -> Result<(Vec<Meta>, String), Broken> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = page(client, query, PAGE, &next).await?;
        all.extend(page.items.into_iter().map(|object| object.metadata));
        if page.metadata.r#continue.is_empty() {
            return Ok((all, page.metadata.resource_version));
        }
        next = page.metadata.r#continue;
    }
}

async fn page(client: &Client, query: &str, limit: u32, next: &str) -> Result<Page, Broken> {
    let path = format!("{query}&limit={limit}&continue={next}");
    let page = client.call_as(Method::GET, &path, LIST, Body::None).await.map_err(broken)?;
    serde_json::from_value(page)
        .map_err(|error| Broken::Failed(ApiError::Unreachable(error.to_string())))
}

/// Follows one watch to its end; answers the place where it ended.
async fn watch(
    client: &Client,
    query: &str,
    version: &str,
    told: &mut impl FnMut(Change),
) -> Result<String, Broken> {
    let path = format!(
        "{query}&watch=1&allowWatchBookmarks=true&timeoutSeconds={STANDS}&resourceVersion={version}"
    );
    let mut lines = client.lines(&path, WATCH).await.map_err(broken)?;
    let mut version = version.to_owned();
    while let Ok(Some(line)) = tokio::time::timeout(SILENT, lines.next()).await {
        let Ok(event) = serde_json::from_slice::<Value>(&line) else { break };
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        if kind == "ERROR" {
            return Err(error_event(&event["object"]));
        }
        let Ok(Object { metadata }) = serde_json::from_value(event["object"].clone()) else {
            break;
        };
        version.clone_from(&metadata.resource_version);
        match kind.as_str() {
            "ADDED" | "MODIFIED" => told(Change::Put(metadata.into())),
            "DELETED" => told(Change::Gone(metadata.into())),
            _ => {}
        }
    }
    debug!(query, "a watch has ended");
    // A server that ends every watch at once is not asked in a busy loop.
    sleep(PAUSES.0).await;
    Ok(version)
}

fn broken(error: ApiError) -> Broken {
    if error.code() == Some(410) { Broken::Forgotten } else { Broken::Failed(error) }
}

fn error_event(status: &Value) -> Broken {
    let code = status["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(500);
    let message = status["message"].as_str().unwrap_or_default().to_owned();
    broken(ApiError::Refused { code, message, after: None })
}

#[cfg(test)]
mod tests;
