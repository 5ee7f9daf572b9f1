//! The API server's question and our answer: AdmissionReview v1, in JSON. What is no review is refused
//! as a whole; what a review says of an object is [`admit`]'s to decide.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use json_patch::{AddOperation, PatchOperation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::patch::RUNTIME_CLASS;
use crate::translate::translate;
use crate::{Admission, Place, Refusal, Refusals, Rules, Why, Workload, admit};

/// What the API server sends (k8s.io/api/admission/v1, AdmissionReview with a request).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    api_version: String,
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    kind: GroupKind,
    #[serde(default)]
    sub_resource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    old_object: Value,
}

#[derive(Deserialize)]
struct GroupKind {
    #[serde(default)]
    group: String,
    kind: String,
}

/// What it gets back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
}

#[derive(Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

/// Why a body is no question.
#[derive(Debug, thiserror::Error)]
pub enum BadReview {
    /// Not JSON, or not of a review's shape.
    #[error("not an AdmissionReview: {0}")]
    Shape(#[from] serde_json::Error),
    /// Another version than the one that is spoken here.
    #[error("AdmissionReview of version {0:?}: only admission.k8s.io/v1 is spoken here")]
    Version(String),
}

/// The only version of the review that is spoken.
const VERSION: &str = "admission.k8s.io/v1";

/// What the caller may do with an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Change it.
    Mutate,
    /// Look at what all others made of it. A patch would be refused by the API server.
    Validate,
}

impl Question {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`BadReview`] where it is none, or of another version.
    pub fn read(body: &[u8]) -> Result<Self, BadReview> {
        let question: Self = serde_json::from_slice(body)?;
        match question.api_version.as_str() {
            VERSION => Ok(question),
            _ => Err(BadReview::Version(question.api_version)),
        }
    }

    /// The answer under `rules`.
    #[must_use]
    pub fn answer(self, phase: Phase, rules: &Rules) -> Answer {
        let result = self.request.admit(rules);
        let uid = self.request.uid;
        let response = match (result, phase) {
            (Err(refusals), _) => Response::refuse(uid, &refusals),
            (Ok(patch), Phase::Mutate) if !patch.0.is_empty() => Response::patch(uid, &patch),
            (Ok(patch), Phase::Validate) => match unwritten(&patch) {
                Some(why) => {
                    Response::refuse(uid, &Refusals(vec![Refusal { place: Place::Pod, why }]))
                }
                None => Response::allow(uid),
            },
            (Ok(_), Phase::Mutate) => Response::allow(uid),
        };
        Answer { api_version: VERSION, kind: "AdmissionReview", response }
    }
}

/// What is still to be written. Mutation may fail open, and then this is where a pod that would run without its
/// share, or without a driver, is stopped. Tolerations alone are no reason: without them it waits.
fn unwritten(patch: &json_patch::Patch) -> Option<Why> {
    let writes = |name: &str| {
        let of = |one: &PatchOperation| one.path().tokens().any(|token| token.encoded() == name);
        patch.0.iter().find(|one| of(one))
    };
    match (writes("resources"), writes(RUNTIME_CLASS)) {
        (Some(_), _) => Some(Why::NotRewritten),
        (None, Some(PatchOperation::Add(AddOperation { value, .. }))) => {
            Some(Why::NoRuntimeClass(value.as_str().unwrap_or_default().to_owned()))
        }
        (None, _) => None,
    }
}

impl Request {
    fn admit(&self, rules: &Rules) -> Result<json_patch::Patch, Refusals> {
        let workload = Workload::of(&self.kind.group, &self.kind.kind);
        match workload {
            Some(workload) if self.sub_resource.is_empty() => {
                let old = (!self.old_object.is_null()).then_some(&self.old_object);
                let namespace = &self.namespace;
                let admit =
                    |object: &Value| admit(&Admission { workload, namespace, object, old }, rules);
                match self.translated(workload, rules)? {
                    None => admit(&self.object),
                    Some(mut object) => {
                        let patch = admit(&object)?;
                        // What `admit` patches is there: its tests hold it to that.
                        let _ = json_patch::patch(&mut object, &patch);
                        Ok(json_patch::diff(&self.object, &object))
                    }
                }
            }
            _ => Ok(json_patch::Patch::default()),
        }
    }
}

impl Request {
    /// A new pod in our words, where it speaks another system's and that is wanted. Templates stay as
    /// their authors wrote them.
    fn translated(&self, workload: Workload, rules: &Rules) -> Result<Option<Value>, Refusals> {
        let Some(translation) = rules.translation() else { return Ok(None) };
        if !workload.is_pod() || !self.old_object.is_null() || !rules.touch(&self.namespace) {
            return Ok(None);
        }
        let mut object = self.object.clone();
        let notes = translate(workload, &mut object, translation, rules).map_err(|error| {
            Refusals(vec![Refusal { place: Place::Pod, why: Why::Untranslatable(error) }])
        })?;
        Ok((!notes.is_empty()).then_some(object))
    }
}

impl Response {
    fn allow(uid: String) -> Self {
        Self { uid, allowed: true, status: None, patch_type: None, patch: None }
    }

    fn patch(uid: String, patch: &json_patch::Patch) -> Self {
        let text = serde_json::to_vec(patch).unwrap_or_default();
        let patch = Some(STANDARD.encode(text));
        Self { patch_type: Some("JSONPatch"), patch, ..Self::allow(uid) }
    }

    fn refuse(uid: String, refusals: &Refusals) -> Self {
        let message = format!("aliquot: {refusals}");
        let status = Some(Status { code: 422, reason: "Invalid", message });
        Self { allowed: false, status, ..Self::allow(uid) }
    }
}
