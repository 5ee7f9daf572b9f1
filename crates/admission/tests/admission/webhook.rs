//! The webhook as the API server meets it: over TLS, in reviews, with a real client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use aliquot_admission::certificate::files::Files;
use aliquot_admission::{Rules, Translation, server};
use axum_server::Handle;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract::Domain;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::cases::{self, Case, Expect};
use crate::decision::percents;

/// What the server goes by.
pub(crate) fn rules() -> Rules {
    let rules = Rules::new(Domain::default()).with_pools([cases::POOL.to_owned()]);
    let rules = rules.translating(Some(Translation::default()));
    rules.with_runtime_class(Some("nvidia".to_owned()))
}

/// A server on a port of its own, with a certificate of its own.
pub(crate) struct Server {
    folder: TempDir,
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    files: Files,
    tls: axum_server::tls_rustls::RustlsConfig,
    root: Vec<u8>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = write_certificate(folder.path());
        let (files, tls) = Files::open(folder.path()).await.expect("the certificate");
        let handle = Handle::new();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        tokio::spawn(server::serve(any, tls.clone(), rules(), handle.clone()));
        let address = handle.listening().await.expect("the server listens");
        Self { folder, address, handle, files, tls, root }
    }

    /// Where it answers.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// Who vouches for it, as a webhook's configuration has it.
    #[allow(dead_code, reason = "of two test programs that share this, one asks for it")]
    pub(crate) fn authority(&self) -> String {
        STANDARD.encode(&self.root)
    }

    /// Posts `body` and gives status and text.
    async fn post(&self, path: &str, body: Value) -> Result<(u16, String), ureq::Error> {
        let (url, root) = (self.url(path), self.root.clone());
        tokio::task::spawn_blocking(move || post(&url, &root, &body)).await.expect("the client")
    }

    async fn review(&self, path: &str, body: Value) -> Value {
        let (status, text) = self.post(path, body).await.expect("an answer");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("a review")
    }
}

pub(crate) fn post(url: &str, root: &[u8], body: &Value) -> Result<(u16, String), ureq::Error> {
    let root = Certificate::from_pem(root)?.to_owned();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder().root_certs(RootCerts::from(vec![root]));
    let tls = tls.unversioned_rustls_crypto_provider(provider).build();
    let agent = ureq::Agent::config_builder().tls_config(tls).http_status_as_error(false).build();
    let body = serde_json::to_vec(body).expect("JSON");
    let mut answer = ureq::Agent::new_with_config(agent).post(url).send(&body)?;
    Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
}

/// Writes a new pair for localhost; the certificate signs itself, so that it is its own root.
fn write_certificate(folder: &Path) -> Vec<u8> {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pem = pair.cert.pem();
    std::fs::write(folder.join("tls.crt"), &pem).expect("tls.crt");
    std::fs::write(folder.join("tls.key"), pair.signing_key.serialize_pem()).expect("tls.key");
    pem.into_bytes()
}

pub(crate) fn review(kind: (&str, &str), object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE",
            "kind": { "group": kind.0, "version": "v1", "kind": kind.1 },
            "namespace": "team", "object": object, "oldObject": null,
        },
    })
}

/// The object with the response's patch, if it has one.
fn patched(mut object: Value, response: &Value) -> Value {
    let Some(patch) = response["patch"].as_str() else { return object };
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = STANDARD.decode(patch).expect("base64");
    let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a JSON patch");
    json_patch::patch(&mut object, &patch).expect("it fits");
    object
}

#[tokio::test]
async fn every_case_of_the_table_is_answered_as_the_table_says() {
    let server = Server::start().await;
    for Case { name, kind, object, expect } in cases::all() {
        let answer = server.review("/mutate", review(kind, &object)).await;
        let response = &answer["response"];
        assert_eq!(response["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
        let said = response["status"]["message"].as_str().unwrap_or_default();
        match expect {
            Expect::Percents(expected) => {
                assert_eq!(response["allowed"], true, "{name}: {said}");
                assert_eq!(percents(kind, &patched(object, response)), expected, "{name}");
            }
            Expect::Refused(words) => {
                assert_eq!(response["allowed"], false, "{name}");
                assert!(words.iter().all(|word| said.contains(word)), "{name}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn a_fraction_comes_back_as_a_patch_and_its_result_validates() {
    let server = Server::start().await;
    let object = cases::fraction(json!("500m"));
    let answer = server.review("/mutate", review(("", "Pod"), &object)).await;
    let object = patched(object, &answer["response"]);
    let limits = &object["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits, &json!({ "example.com/gpu-percent": "50" }));
    assert_eq!(object["spec"]["runtimeClassName"], "nvidia");
    let answer = server.review("/validate", review(("", "Pod"), &object)).await;
    assert_eq!(answer["response"]["allowed"], true);
    assert!(answer["response"].get("patch").is_none());
}

#[tokio::test]
async fn what_the_mutation_never_saw_is_not_admitted_without_its_share() {
    let server = Server::start().await;
    let half = json!({ "example.com/gpu-fraction": "0.5" });
    for object in [cases::annotated(half, &["a"]), cases::fraction(json!("1"))] {
        let answer = server.review("/validate", review(("", "Pod"), &object)).await;
        assert_eq!(answer["response"]["allowed"], false, "{object}");
        let said = answer["response"]["status"]["message"].as_str().expect("a reason");
        assert!(said.contains("not written as percent"), "{said}");
    }
    let whole = cases::pod(json!({ "limits": { "example.com/gpu": "1" } }));
    let answer = server.review("/validate", review(("", "Pod"), &whole)).await;
    let said = answer["response"]["status"]["message"].as_str().expect("a reason");
    assert!(said.contains("write runtimeClassName: nvidia"), "{said}");
}

#[tokio::test]
async fn a_pod_in_other_systems_words_is_translated_and_a_template_is_not() {
    let server = Server::start().await;
    let hami = json!({ "limits": { "nvidia.com/gpu": "1", "nvidia.com/gpumem-percentage": "40" } });
    let mut object = cases::pod(hami.clone());
    let answer = server.review("/mutate", review(("", "Pod"), &object)).await;
    assert_eq!(percents(("", "Pod"), &patched(object.clone(), &answer["response"])), [Some(40)]);
    let template = cases::templated("apps", "Deployment", &object);
    let answer = server.review("/mutate", review(("apps", "Deployment"), &template)).await;
    assert!(answer["response"]["allowed"] == true && answer["response"].get("patch").is_none());
    object["spec"]["containers"][0]["resources"]["limits"] =
        json!({ "nvidia.com/gpu": "2", "nvidia.com/gpumem-percentage": "40" });
    let answer = server.review("/mutate", review(("", "Pod"), &object)).await;
    let said = answer["response"]["status"]["message"].as_str().expect("a reason");
    assert!(said.contains("one container for each"), "{said}");
}

/// A server without TLS, until the test ends.
async fn plain() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(axum::serve(listener, server::router(rules())).into_future());
    address
}

/// Begins a question of `length` bytes and says some of them.
fn begin(address: SocketAddr, length: usize, said: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = "POST /mutate HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    write!(stream, "{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n")
        .and_then(|()| stream.write_all(said))
        .expect("it is sent");
    stream
}

fn answer_of(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// However many begin questions and say no more, or much and not all: one that is said whole is answered, in the time
/// that the API server gives it.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_all_keeps_nobody_from_an_answer() {
    let address = plain().await;
    let question = review(("", "Pod"), &cases::fraction(json!("0.5"))).to_string();
    let answers = tokio::task::spawn_blocking(move || {
        [(131_072, 0), (131_072, 100_000), (3 << 20, 100_000)].map(|(length, said)| {
            let said = vec![b' '; said];
            let _slow: Vec<_> = (0..200).map(|_| begin(address, length, &said)).collect();
            answer_of(begin(address, question.len(), question.as_bytes()))
        })
    });
    for answer in answers.await.expect("the clients") {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_whole_questions_at_once_than_there_is_room_for_are_all_answered() {
    let address = plain().await;
    let mut question = review(("", "Pod"), &cases::fraction(json!("0.5"))).to_string();
    question.extend(std::iter::repeat_n(' ', 32 << 10));
    let answers = tokio::task::spawn_blocking(move || {
        let ask = |_| begin(address, question.len(), question.as_bytes());
        let asked: Vec<_> = (0..400).map(ask).collect();
        asked.into_iter().map(answer_of).collect::<Vec<_>>()
    });
    for answer in answers.await.expect("the clients") {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_review_is_a_bad_request_and_says_why() {
    let server = Server::start().await;
    let old = json!({ "apiVersion": "admission.k8s.io/v1beta1", "request": {
        "uid": "u", "kind": { "group": "", "kind": "Pod" } } });
    for (body, word) in [(json!({ "a": 1 }), "AdmissionReview"), (old, "v1beta1")] {
        let (status, said) = server.post("/mutate", body).await.expect("an answer");
        assert_eq!(status, 400);
        assert!(said.contains(word), "{said}");
    }
}

#[tokio::test]
async fn a_kind_that_is_not_known_and_a_subresource_pass_untouched() {
    let server = Server::start().await;
    let mut status = review(("", "Pod"), &cases::fraction(json!("7")));
    status["request"]["subResource"] = json!("status");
    for question in [status, review(("example.org", "Pod"), &cases::fraction(json!("7")))] {
        let answer = server.review("/mutate", question).await;
        assert_eq!(answer["response"]["allowed"], true);
    }
}

#[tokio::test]
async fn a_certificate_that_was_rotated_is_served_and_a_broken_one_is_not() {
    let mut server = Server::start().await;
    let question = || review(("", "Pod"), &cases::fraction(json!("0.5")));
    let old = server.root.clone();
    server.root = write_certificate(server.folder.path());
    assert!(server.post("/mutate", question()).await.is_err(), "still the certificate before");
    server.files.look(&server.tls).await;
    assert!(server.post("/mutate", question()).await.is_ok());
    std::fs::write(server.folder.path().join("tls.crt"), "half of").expect("tls.crt");
    server.files.look(&server.tls).await;
    assert!(server.post("/mutate", question()).await.is_ok(), "a broken pair changes nothing");
    server.root = old;
    assert!(server.post("/mutate", question()).await.is_err(), "the first is not served any more");
}

#[tokio::test]
async fn the_end_waits_for_open_requests_and_then_refuses() {
    let server = Server::start().await;
    let question = || review(("", "Pod"), &cases::fraction(json!("0.5")));
    assert!(server.post("/mutate", question()).await.is_ok());
    server::end(&server.handle);
    // Idle connections close within the server's grace; the port is free at once.
    let refused = async { while server.post("/mutate", question()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), refused).await.expect("the server ends");
}
