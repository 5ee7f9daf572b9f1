//! The server's own certificate: made once for all replicas, made known, renewed. The API server is a
//! scripted one that refuses what the real one refuses; who calls believes only what it was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aliquot_admission::certificate::keeper::Keeper;
use aliquot_admission::{Rules, server};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract::Domain;
use kube_api::Client;
use serde_json::{Value, json};

use crate::cases;
use crate::webhook::{post, review};

const SECRETS: &str = "/api/v1/namespaces/system/secrets";
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1";
const KINDS: [&str; 2] = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];

/// Objects by path. A write against another version than the last is refused.
type Objects = Arc<Mutex<BTreeMap<String, Value>>>;

struct Peer {
    objects: Objects,
    base: String,
    folder: tempfile::TempDir,
}

impl Peer {
    async fn start() -> Self {
        let objects = Objects::default();
        for kind in KINDS {
            let webhook = |name: &str| json!({ "name": name, "clientConfig": { "service": {} } });
            let configuration = json!({ "metadata": { "resourceVersion": "1" },
                                        "webhooks": [webhook("pods"), webhook("templates")] });
            let path = format!("{CONFIGURATIONS}/{kind}/aliquot-shares");
            objects.lock().expect("alone").insert(path, configuration);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let app = Router::new().fallback(answer).with_state(objects.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let folder = tempfile::tempdir().expect("a folder");
        let any = rcgen::generate_simple_self_signed(["x".to_owned()]).expect("a certificate");
        std::fs::write(folder.path().join("ca.crt"), any.cert.pem()).expect("ca.crt");
        std::fs::write(folder.path().join("token"), "token").expect("token");
        Self { objects, base, folder }
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            client: Client::new(&self.base, self.folder.path(), "test").expect("a client"),
            namespace: "system".to_owned(),
            secret: "pair".to_owned(),
            names: vec!["localhost".to_owned()],
            configuration: "aliquot-shares".to_owned(),
        }
    }

    fn object(&self, path: &str) -> Value {
        self.objects.lock().expect("alone").get(path).cloned().unwrap_or_default()
    }

    /// What every webhook is told to believe; all are told the same.
    fn authorities(&self) -> String {
        let mut all = Vec::new();
        for kind in KINDS {
            let configuration = self.object(&format!("{CONFIGURATIONS}/{kind}/aliquot-shares"));
            for webhook in configuration["webhooks"].as_array().expect("webhooks") {
                let text = webhook["clientConfig"]["caBundle"].as_str().expect("authorities");
                all.push(String::from_utf8(STANDARD.decode(text).expect("base64")).expect("PEM"));
            }
        }
        assert!(all.iter().all(|one| *one == all[0]));
        all.swap_remove(0)
    }

    /// Asks the server at `address` as the API server would, for each authority that is believed.
    async fn is_believed(&self, address: SocketAddr) -> bool {
        let end = "-----END CERTIFICATE-----\n";
        let body = review(("", "Pod"), &cases::fraction(json!("0.5")));
        for root in self.authorities().split_inclusive(end).map(str::to_owned) {
            let (url, body) =
                (format!("https://localhost:{}/mutate", address.port()), body.clone());
            let asked = tokio::task::spawn_blocking(move || post(&url, root.as_bytes(), &body));
            if asked.await.expect("the client").is_ok_and(|(status, _)| status == 200) {
                return true;
            }
        }
        false
    }
}

async fn answer(State(objects): State<Objects>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let mut object: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut path = parts.uri.path().to_owned();
    let mut objects = objects.lock().expect("alone");
    let refuse = |code: u16| {
        let code = StatusCode::from_u16(code).expect("a code");
        (code, axum::Json(json!({ "message": "scripted" }))).into_response()
    };
    if parts.method == Method::POST {
        path = format!("{path}/{}", object["metadata"]["name"].as_str().expect("a name"));
    }
    let stands = objects.get(&path).cloned();
    match (parts.method, stands) {
        (Method::GET, Some(stands)) => return axum::Json(stands).into_response(),
        (Method::GET | Method::PUT, None) => return refuse(404),
        (Method::POST, Some(_)) => return refuse(409),
        (Method::POST, None) => object["metadata"]["resourceVersion"] = json!("1"),
        (Method::PUT, Some(stands)) => {
            if object["metadata"]["resourceVersion"] != stands["metadata"]["resourceVersion"] {
                return refuse(409);
            }
            let version = stands["metadata"]["resourceVersion"].as_str().expect("a version");
            let version: u64 = version.parse().expect("a number");
            object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
        }
        _ => return refuse(405),
    }
    objects.insert(path, object.clone());
    axum::Json(object).into_response()
}

async fn serve(tls: RustlsConfig) -> SocketAddr {
    let handle = Handle::new();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    tokio::spawn(server::serve(any, tls, Rules::new(Domain::default()), handle.clone()));
    handle.listening().await.expect("the server listens")
}

#[tokio::test]
async fn a_first_start_makes_a_certificate_and_makes_it_known_to_every_webhook() {
    let peer = Peer::start().await;
    let address = serve(peer.keeper().start().await.expect("a certificate")).await;
    assert!(peer.is_believed(address).await);
    assert_eq!(peer.object(&format!("{SECRETS}/pair"))["type"], "kubernetes.io/tls");
}

#[tokio::test]
async fn replicas_that_start_at_once_serve_one_certificate() {
    let peer = Peer::start().await;
    let (one, two, three) = (peer.keeper(), peer.keeper(), peer.keeper());
    let (one, two, three) = tokio::join!(one.start(), two.start(), three.start());
    for tls in [one, two, three] {
        let address = serve(tls.expect("a certificate")).await;
        assert!(peer.is_believed(address).await);
    }
    let authorities = peer.authorities();
    assert_eq!(authorities.matches("BEGIN").count(), 1, "{authorities}");
}

#[tokio::test]
async fn a_renewal_is_known_before_it_is_served_and_the_one_before_is_still_believed() {
    let peer = Peer::start().await;
    let (keeper, other) = (peer.keeper(), peer.keeper());
    let (tls, late) = (keeper.start().await.expect("first"), other.start().await.expect("first"));
    let behind = serve(late.clone()).await;
    let first = peer.object(&format!("{SECRETS}/pair"));
    let soon = SystemTime::now() + Duration::from_secs(59 * 24 * 3600);
    let expires = keeper.look(&tls, soon).await.expect("nothing is due");
    let left = expires.duration_since(soon).expect("it holds").as_secs() / 3600;
    assert!((30 * 24..=31 * 24).contains(&left), "{left}");
    assert_eq!(peer.object(&format!("{SECRETS}/pair")), first);

    let due = SystemTime::now() + Duration::from_secs(61 * 24 * 3600);
    keeper.look(&tls, due).await.expect("a renewal");
    assert_ne!(
        peer.object(&format!("{SECRETS}/pair"))["data"]["tls.crt"],
        first["data"]["tls.crt"]
    );
    assert_eq!(peer.authorities().matches("BEGIN").count(), 2);
    assert!(peer.is_believed(behind).await, "a replica that has not looked yet");
    other.look(&late, due).await.expect("the same renewal");
    assert_eq!(peer.authorities().matches("BEGIN").count(), 2, "it was renewed once");
}

#[tokio::test]
async fn a_secret_that_was_spoilt_is_made_anew_and_one_that_is_no_pair_is_named() {
    let peer = Peer::start().await;
    let path = format!("{SECRETS}/pair");
    let spoilt = json!({ "metadata": { "resourceVersion": "7" }, "data": { "tls.crt": "%" } });
    peer.objects.lock().expect("alone").insert(path.clone(), spoilt);
    let tls = peer.keeper().start().await.expect("made anew");
    assert!(peer.is_believed(serve(tls).await).await);
    peer.objects.lock().expect("alone").get_mut(&path).expect("it is there")["data"]["tls.key"] =
        json!(STANDARD.encode("no key"));
    let Err(error) = peer.keeper().start().await else { panic!("it is no pair") };
    let said = error.to_string();
    assert!(said.contains("secret pair") && said.contains("delete it"), "{said}");
}
