//! The extender's process, and what its kube-scheduler and its agents say.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::peer::Peer;

/// The extender's process; it ends with this.
pub(super) struct Extender {
    child: Child,
    pub(super) base: String,
    /// Where it only tells how it is.
    pub(super) seen: String,
    _account: tempfile::TempDir,
}

impl Extender {
    pub(super) fn start(peer: &Peer) -> Self {
        let account = tempfile::tempdir().expect("a folder");
        let any = rcgen::generate_simple_self_signed(["x".to_owned()]).expect("a certificate");
        std::fs::write(account.path().join("ca.crt"), any.cert.pem()).expect("ca.crt");
        std::fs::write(account.path().join("token"), "token").expect("token");
        let mut command = Command::new(env!("CARGO_BIN_EXE_aliquot-scheduler"));
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--metrics-address",
            "127.0.0.1:0",
            "--namespace",
            "system",
            "--kube-api",
            &peer.base,
        ]);
        command.arg("--kube-account").arg(account.path()).env("NO_COLOR", "1");
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the extender");
        let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
        // It says so of both, one after the other.
        let mut told = |word: &str| {
            let line = log.find_map(|line| {
                line.expect("text").split_once(word).map(|(_, address)| address.trim().to_owned())
            });
            format!("http://{}", line.expect("it serves"))
        };
        let (seen, base) = (told("metrics="), told("listen="));
        // What it says later is nobody's, and must not block it.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, base, seen, _account: account }
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let body = serde_json::to_vec(body).expect("JSON");
        let request = ureq::Agent::new_with_config(config).post(format!("{}{path}", self.base));
        let answer = request.header("content-type", "application/json").send(&body);
        let mut answer = answer.expect("an answer");
        let text = answer.body_mut().read_to_string().expect("text");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(super) fn get(&self, path: &str) -> String {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let answer =
            ureq::Agent::new_with_config(config).get(format!("{}{path}", self.base)).call();
        answer.expect("an answer").body_mut().read_to_string().expect("text")
    }

    pub(super) fn filter(&self, pod: &Value) -> Value {
        let args = json!({ "Pod": pod, "Nodes": null, "NodeNames": ["a", "b"] });
        self.post("/filter", &args).1
    }

    /// Where the pod fits, once that is so: the watch brings news when it does.
    pub(super) fn fits_in_the_end(&self, pod: &Value, nodes: &[&str]) {
        for _ in 0..600 {
            if self.filter(pod)["NodeNames"] == json!(nodes) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("expected {nodes:?}: {}", self.filter(pod));
    }

    pub(super) fn bind(&self, uid: &str, node: &str) -> String {
        let binding =
            json!({ "PodName": uid, "PodNamespace": "team", "PodUID": uid, "Node": node });
        self.post("/bind", &binding).1["Error"].as_str().expect("an error, or none").to_owned()
    }
}

impl Drop for Extender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn pod(uid: &str, percent: u8) -> Value {
    let limits = json!({ "example.com/gpu-percent": percent.to_string() });
    json!({ "metadata": { "name": uid, "namespace": "team", "uid": uid },
            "spec": { "containers": [{ "name": "c", "resources": { "limits": limits } }] } })
}

pub(super) fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("waited in vain");
}
