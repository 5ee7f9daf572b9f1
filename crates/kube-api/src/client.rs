//! Calls over TLS, by a service account: JSON in one piece, and streams of lines.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;

use crate::trust::{Trust, is_untrusted};

/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The longest answer that is read: a page of a list is far below.
const LONGEST: usize = 16 << 20;

/// A connection to the API server, by a service account.
pub struct Client {
    base: String,
    agent: String,
    token: PathBuf,
    trust: Trust,
}

/// A call that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There was no answer.
    #[error("the API server does not answer: {0}")]
    Unreachable(String),
    /// There was one, and it was no.
    #[error("the API server answers {code}: {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What it says.
        message: String,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
}

/// How a body is to be understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// There is none.
    None,
    /// A new object.
    Json(&'a Value),
    /// A JSON merge patch.
    Merge(&'a Value),
    /// A patch by Kubernetes' own rules: lists whose entries have keys are merged by these.
    Strategic(&'a Value),
}

impl Client {
    /// The API server at `base`, with `token` and `ca.crt` of a service account in `folder`; `agent` is
    /// who asks, for the server's log. Both files are read again: the token for each call, the certificates where the
    /// server shows one that none of them has signed.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub fn new(base: &str, folder: &Path, agent: &str) -> Result<Self> {
        let trust = Trust::read(folder.join("ca.crt"))?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { base, agent: agent.to_owned(), token: folder.join("token"), trust })
    }

    /// A call that is answered by one object.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
    ) -> Result<Value, ApiError> {
        self.call_as(method, path, "application/json", body).await
    }

    /// The same, where the answer is wanted in a certain form.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn call_as(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Body<'_>,
    ) -> Result<Value, ApiError> {
        let call = async {
            let answer = self.send(method, path, accept, body).await?;
            let bytes = Limited::new(answer.into_body(), LONGEST).collect().await;
            let bytes = bytes.map_err(|error| ApiError::Unreachable(error.to_string()))?.to_bytes();
            serde_json::from_slice(&bytes).map_err(|error| ApiError::Unreachable(error.to_string()))
        };
        in_time(call).await
    }

    /// A call that is answered by objects without end, one a line.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn lines(&self, path: &str, accept: &str) -> Result<Lines, ApiError> {
        let answer = in_time(self.send(Method::GET, path, accept, Body::None)).await?;
        Ok(Lines { body: answer.into_body(), read: Vec::new() })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Body<'_>,
    ) -> Result<Response<Incoming>, ApiError> {
        let unreachable = |error: String| ApiError::Unreachable(error);
        let (kind, body) = match body {
            Body::None => (None, String::new()),
            Body::Json(value) => (Some("application/json"), value.to_string()),
            Body::Merge(value) => (Some("application/merge-patch+json"), value.to_string()),
            Body::Strategic(value) => {
                (Some("application/strategic-merge-patch+json"), value.to_string())
            }
        };
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header(header::ACCEPT, accept).header(header::USER_AGENT, &self.agent);
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        // Tokens are short-lived: the kubelet writes a new one into the file.
        if let Ok(token) = std::fs::read_to_string(&self.token) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.trim()));
        }
        let request =
            request.body(Full::from(body)).map_err(|error| unreachable(error.to_string()))?;
        let mut answer = self.trust.http().request(request.clone()).await;
        if answer.as_ref().is_err_and(|error| is_untrusted(error)) && self.trust.has_changed() {
            answer = self.trust.http().request(request).await;
        }
        let answer = answer.map_err(|error| unreachable(causes(&error)))?;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(answer).await) }
    }
}

impl ApiError {
    /// The status of an answer.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Unreachable(_) => None,
            Self::Refused { code, .. } => Some(*code),
        }
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let late = || ApiError::Unreachable(format!("no answer in {DEADLINE:?}"));
    tokio::time::timeout(DEADLINE, call).await.unwrap_or_else(|_| Err(late()))
}

async fn refused(answer: Response<Incoming>) -> ApiError {
    let status: StatusCode = answer.status();
    let after = answer.headers().get(header::RETRY_AFTER);
    let after = after.and_then(|text| text.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let bytes = Limited::new(answer.into_body(), LONGEST).collect().await;
    let bytes = bytes.map(|body| body.to_bytes()).unwrap_or_default();
    let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let message = said["message"].as_str().unwrap_or("without a reason").to_owned();
    ApiError::Refused { code: status.as_u16(), message, after }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The lines of an answer that goes on.
pub struct Lines {
    body: Incoming,
    read: Vec<u8>,
}

impl Lines {
    /// The next line; `None` at the end, also where that came in the middle of a line.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(end + 1);
                return Some(std::mem::replace(&mut self.read, rest));
            }
            let frame = self.body.frame().await?.ok()?;
            self.read.extend_from_slice(frame.data_ref()?);
            if self.read.len() > LONGEST {
                return None;
            }
        }
    }
}
