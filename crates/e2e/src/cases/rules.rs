//! Who may do what: quotas, limits of namespaces, the agent's own rights, and what users are told to paste.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Case, FRACTION, PATIENCE, PERCENT, idle, is_in, offers_all, stays};
use crate::chart::NAMESPACE;
use crate::cluster::{Cluster, NODE};
use crate::manifests::{pod, workload};

pub(super) const CASES: &[Case] = &[
    Case { name: "a quota counts percent, and a namespace has its largest share", run: quota },
    Case { name: "the samples are what the API server takes", run: samples },
    Case { name: "an agent changes its own node and Lease alone", run: own_node },
];

/// After everything else: it takes the chart away.
pub(super) const LAST: &[Case] = &[
    Case { name: "a Job with a share ends while the webhook is away", run: ends_alone },
    Case { name: "taking the chart away disturbs no running pod", run: taken_away },
];

const TEAM: &str = "/api/v1/namespaces/team/pods";

fn quota(cluster: &mut Cluster) -> Result<()> {
    let sample = cluster.files.samples.join("quota.yaml").display().to_string();
    cluster.kubectl.run(&["apply", "-f", &sample])?;
    let counted = |quota: &Value| quota["status"]["hard"].is_object();
    let path = "/api/v1/namespaces/team/resourcequotas/gpus";
    cluster.api.wait(path, "counted", PATIENCE, counted)?;
    let ask = |name: &str, percent: u32| cluster.api.create(TEAM, &idle(name, percent)).map(drop);
    let why =
        ask("large", 60).err().context("a share above the namespace's largest is admitted")?;
    ensure!(why.to_string().contains("at most 50%"), "{why}");
    for name in ["a", "b", "c", "d"] {
        ask(name, 50)?;
    }
    let why = ask("e", 1).err().context("a share above the quota is admitted")?;
    let sentence = "requested: requests.example.com/gpu-percent=1, used: \
                    requests.example.com/gpu-percent=200, limited: requests.example.com/gpu-percent=200";
    ensure!(why.to_string().contains(sentence), "{why}");
    let whole = pod("whole", "example.com/gpu", 1, "true");
    let why =
        cluster.api.create(TEAM, &whole).map(drop).err().context("a whole GPU is admitted")?;
    ensure!(why.to_string().contains("example.com/gpu"), "{why}");
    cluster.kubectl.run(&["delete", "namespace", "team"]).map(drop)
}

/// All but what needs kinds that only other projects bring.
fn samples(cluster: &mut Cluster) -> Result<()> {
    cluster.kubectl.run(&["create", "namespace", "team"])?;
    let entries = std::fs::read_dir(&cluster.files.samples)?;
    let mut all: Vec<_> = entries.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
    all.sort();
    let text = |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    all.retain(|path| !text(path).contains("kueue.x-k8s.io"));
    ensure!(all.len() >= 4, "only {all:?}");
    for sample in all {
        let file = sample.display().to_string();
        cluster.kubectl.run(&["apply", "--dry-run=server", "-f", &file])?;
    }
    cluster.kubectl.run(&["delete", "namespace", "team"]).map(drop)
}

fn own_node(cluster: &mut Cluster) -> Result<()> {
    // Before there is another node: that is given an agent too, which is nowhere yet.
    let agent = agents_token(cluster, true).context("a token of the agent's pod")?;
    let nameless = agents_token(cluster, false)?;
    let other = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "other"}});
    cluster.api.create("/api/v1/nodes", &other)?;
    let outcome = held_to_its_own(cluster, &agent, &nameless);
    cluster.api.delete("/api/v1/nodes/other")?;
    outcome
}

fn held_to_its_own(cluster: &Cluster, agent: &str, nameless: &str) -> Result<()> {
    let label = json!({"metadata": {"labels": {"example.com/gpu.tried": "yes"}}});
    let node = |name: &str| format!("/api/v1/nodes/{name}");
    let agent = cluster.api.speaking_as(agent);
    let nameless = cluster.api.speaking_as(nameless);
    agent.patch(&node(NODE), &label).context("an agent may label its own node")?;
    let lease = |name: &str| {
        let object = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
        });
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases");
        agent.create(&path, &object)
    };
    let refused = [
        (agent.patch(&node("other"), &label), "may not change other"),
        (agent.patch(&format!("{}/status", node("other")), &json!({})), "may not change other"),
        (lease("gpus-other"), "may not change gpus-other"),
        (nameless.patch(&node(NODE), &label), "names no node"),
        (agent.get("/api/v1/namespaces/default/secrets"), "cannot list resource"),
        (agent.delete(super::PODS), "cannot deletecollection resource"),
    ];
    for (outcome, words) in refused {
        let why = outcome.err().with_context(|| format!("it is allowed: no {words:?}"))?;
        ensure!(why.to_string().contains(words), "{words:?} is not in {why}");
    }
    Ok(())
}

/// A token of the agents' account, of the agent's pod as the kubelet mounts it, or of no pod.
fn agents_token(cluster: &Cluster, of_its_pod: bool) -> Result<String> {
    let agents = format!(
        "/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3Dagent"
    );
    let agent = cluster.api.get(&agents)?["items"][0]["metadata"].clone();
    let bound =
        json!({"kind": "Pod", "apiVersion": "v1", "name": agent["name"], "uid": agent["uid"]});
    let mut spec = json!({"expirationSeconds": 600});
    if of_its_pod {
        spec["boundObjectRef"] = bound;
    }
    let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/aliquot-agent/token");
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec,
    });
    let answer = cluster.api.create(&path, &request)?;
    Ok(answer["status"]["token"].as_str().context("no token")?.to_owned())
}

/// Its controller takes a finalizer from the pod: nothing that the webhook looks at.
fn ends_alone(cluster: &mut Cluster) -> Result<()> {
    let pod = pod("w", PERCENT, 30, "sleep 60");
    let labels = json!({"app": "w"});
    let template = json!({"metadata": {"labels": labels}, "spec": pod["spec"]});
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "w"}, "spec": {"template": template},
    });
    cluster.api.create(JOBS, &job)?;
    let path = format!("{JOBS}/w");
    let runs = |job: &Value| job["status"]["ready"] == 1;
    cluster.api.wait(&path, "running", PATIENCE, runs)?;
    webhook_is(cluster, 0)?;
    let still = cluster.api.get(&path)?;
    ensure!(runs(&still), "it ended before the webhook was away: {}", still["status"]);
    let has_ended = |job: &Value| job["status"]["succeeded"] == 1;
    let outcome = cluster.api.wait(&path, "ended", PATIENCE, has_ended);
    webhook_is(cluster, 1)?;
    cluster.api.delete(&path)?;
    outcome.map(drop)
}

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";

/// Runs the webhook so often, and waits until that is so.
fn webhook_is(cluster: &Cluster, replicas: u32) -> Result<()> {
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/aliquot-admission");
    cluster.api.patch(&path, &json!({"spec": {"replicas": replicas}}))?;
    let pods = format!(
        "/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3Dadmission"
    );
    let is_so = |list: &Value| {
        let all = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ready = |pod: &&Value| pod["status"]["containerStatuses"][0]["ready"] == true;
        all.len() == replicas as usize && all.iter().all(|pod| ready(&pod))
    };
    cluster.api.wait(&pods, "as many as wanted", PATIENCE, is_so).map(drop)
}

fn taken_away(cluster: &mut Cluster) -> Result<()> {
    let path = stays(cluster, &idle("steady", 30))?;
    let of = |pod: &Value| pod["status"]["containerStatuses"][0]["containerID"].clone();
    let before = of(&cluster.api.get(&path)?);
    cluster.kubectl.run(&["delete", "namespace", NAMESPACE])?;
    let kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations,\
                 validatingadmissionpolicies,validatingadmissionpolicybindings,\
                 mutatingadmissionpolicies,mutatingadmissionpolicybindings";
    cluster.kubectl.run(&["delete", kinds, "--all"])?;
    let gone = |node: &Value| !offers_all(node);
    cluster.api.wait(&super::node(), "without GPUs", PATIENCE, gone)?;
    let pod = cluster.api.wait(&path, "running", PATIENCE, is_in(&["Running"]))?;
    ensure!(before == of(&pod), "the running pod was disturbed: {}", pod["status"]);
    let asked = workload("Pod", &json!({FRACTION: "0.5", PERCENT: "50"}));
    let why = cluster.api.try_out(super::PODS, &asked).map(drop).err();
    ensure!(why.is_some_and(|it| it.to_string().contains("must be an integer")), "still rewritten");
    Ok(())
}
