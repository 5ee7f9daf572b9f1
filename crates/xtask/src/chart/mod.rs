//! `cargo xtask chart`: the chart, rendered by the real helm and held to the types of the real API. The
//! plain manifests under daemonset/manifests are what it renders without any values.

mod closed;
mod foreign;
mod lasting;
mod models;
mod notes;
mod secure;
mod words;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{fetch, sh};
use models::Models;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing: look whether what lies there is what would be written.
    #[arg(long)]
    check: bool,
}

/// Renders into daemonset/manifests.
pub(crate) fn run(args: Args) -> Result<()> {
    if args.check {
        return check();
    }
    for (file, values) in KEPT {
        let path = manifests().join(file);
        fs::create_dir_all(manifests())?;
        fs::write(&path, kept(values)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The rendered manifests that are checked in, and their values.
const KEPT: [(&str, &str); 2] =
    [("aliquot.yaml", ""), ("aliquot-policy.yaml", "admission.mode=policy")];

/// Values that change what is rendered: each rendering has to fit the API.
const VARIANTS: [&str; 14] = [
    "",
    "admission.mode=policy,domain=gpu.example.org",
    "admission.mode=none,scheduler.enabled=false",
    "admission.certificate.from=cert-manager",
    "admission.certificate.from=cert-manager,admission.certificate.issuer.kind=ClusterIssuer,admission.certificate.issuer.name=ca",
    "admission.certificate.from=secret,admission.certificate.secret=s,admission.certificate.authority=PEM",
    "agent.driver.from=root,agent.driver.root=/home/kubernetes/bin/nvidia,agent.audit=false,openshift=true",
    "monitoring.serviceMonitor.enabled=true,monitoring.dashboard.enabled=true,image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000",
    "admission.translate.enabled=true,admission.translate.cardMemory=32510Mi",
    "scheduler.slices={mig-1g.10gb},scheduler.ignorable=true,admission.leaveAlone={infra},agent.config.placement=spread",
    "agent.mpsPipes=/run/mps,agent.config.compute.backEnd=mps,agent.config.compute.mpsPipeDirectory=/run/mps",
    "admission.mode=policy,admission.runtimeClassName=nvidia",
    // As `helm upgrade --reuse-values` has them of a chart that did not know them.
    "agent.log=null,agent.logLevel=null,admission.log=null,scheduler.log=null,admission.pods=null,scheduler.pods=null",
    "admission.pods.nodeSelector.a=b,admission.pods.tolerations[0].operator=Exists,scheduler.pods.priorityClassName=,scheduler.pods.nodeSelector.a=b",
];

/// Values, and what has to be rendered from them: the extender is asked about every pool's resources, and the
/// agent sees the MPS daemon.
const RENDERED: [(&str, &[&str]); 6] = [
    (
        "agent.config.pools.training.mode=whole,agent.config.pools.chat.resource=gpu-talk",
        &["example.com/gpu-training,", "example.com/gpu-talk,", "example.com/gpu-talk-percent,"],
    ),
    (
        "domain=x.org,agent.config.nodes[0].names={a},agent.config.nodes[0].set.pools.edge.mode=shared",
        &["x.org/gpu-edge,", "x.org/gpu-edge-percent,", "x.org/gpu-percent,"],
    ),
    (
        "agent.mpsPipes=/run/mps,agent.config.compute.backEnd=mps",
        &["mps, mountPath: /run/mps, readOnly: true", "mps, hostPath: {path: /run/mps,"],
    ),
    (
        "agent.driver.from=root,agent.driver.root=/drv,agent.stateDir=/opt/state",
        &[
            "ALIQUOT_DRIVER_ROOT, value: \"/drv\"",
            "driver, mountPath: /drv, readOnly: true",
            "ALIQUOT_STATE_DIR, value: \"/opt/state\"",
            "state, hostPath: {path: /opt/state,",
        ],
    ),
    ("agent.driver.from=runtime", &["NVIDIA_VISIBLE_DEVICES, value: all"]),
    (
        "admission.tolerations[0].key=sku,admission.tolerations[0].operator=Exists",
        &["ALIQUOT_TOLERATED, value: \"sku\""],
    ),
];

/// Values that are refused, and a word of why.
const REFUSED: [(&str, &str); 21] = [
    ("agent.maxUnavailable=0", "maxUnavailable"),
    ("agent.log=xml", "log"),
    ("agent.logLevel=loud", "logLevel"),
    ("admission.log=xml", "log"),
    ("scheduler.log=xml", "log"),
    ("agnet.audit=false", "agnet"),
    ("agent.config.domain=x.org", "config"),
    ("admission.mode=maybe", "mode"),
    ("admission.certificate.from=secret", "secret"),
    ("domain=Not A Domain", "domain"),
    ("image.digest=latest", "digest"),
    ("admission.translate.enabled=true,admission.mode=policy", "admission.translate.enabled"),
    ("admission.translate.enabled=true,admission.mode=none", "admission.translate.enabled"),
    ("admission.translate.replicas=1", "replicas"),
    ("admission.runtimeClassName=Not A Name", "runtimeClassName"),
    ("admission.runtimeClassName=nvidia,admission.mode=none", "admission.runtimeClassName"),
    ("scheduler.ignorable=maybe", "ignorable"),
    ("scheduler.pods.nodeSelctor.a=b", "nodeSelctor"),
    // Where the agent's pod has something else.
    ("agent.pagesDir=/run/aliquot", "pagesDir"),
    ("agent.stateDir=/run/aliquot-run/", "stateDir"),
    ("agent.mpsPipes=/run/aliquot", "mpsPipes"),
];

/// Values, and whole lines that texts have which are written into a file of a container, and which no type holds: of
/// the agent, of kube-scheduler, and of the webhook's and the policies' words.
const LINES: [(&str, &[&str]); 26] = [
    ("", &["    defaultMode: auto", "        ignorable: false"]),
    // An eviction is bound to no node, so the right is given only where somebody wants it.
    ("agent.config.audit.notGiven=evict", &["    resources: [pods/eviction]"]),
    (
        "agent.config.nodes[0].names={a},agent.config.nodes[0].set.audit.aboveShare=evict",
        &["    resources: [pods/eviction]"],
    ),
    // What an agent reads when it starts only has to start it again.
    ("domain=x.org", &["        aliquot-domain: \"x.org\""]),
    ("agent.log=json", &["            - --log=json"]),
    ("agent.logLevel=error", &["            - --log-level=error"]),
    ("agent.driver.from=root,agent.driver.root=/drv", &["            - --wait-for-driver"]),
    ("admission.log=json", &["            - --log=json"]),
    ("scheduler.log=json", &["            - --log=json", "            - --logging-format=json"]),
    ("agent.maxUnavailable=10%", &["    rollingUpdate: {maxSurge: 0, maxUnavailable: 10%}"]),
    ("scheduler.ignorable=true", &["        ignorable: true"]),
    ("agent.config.defaultMode=whole", &["    defaultMode: whole"]),
    (
        "admission.translate.enabled=true,admission.translate.replicas=4",
        &["            - --replicas=4"],
    ),
    ("agent.config.pools.training.mode=whole", &["            - --pool=gpu-training"]),
    (
        "agent.config.nodes[0].names={a},agent.config.nodes[0].set.pools.edge.resource=gpu-rim",
        &["            - --pool=gpu-rim"],
    ),
    (
        "scheduler.metricsPort=9999",
        &[
            "            - --metrics-address=[::]:9999",
            "    - {name: metrics, port: 9999, targetPort: metrics}",
        ],
    ),
    (
        "admission.pods.nodeSelector.role=infra,admission.pods.tolerations[0].key=sku",
        &["      nodeSelector:", "        role: infra", "      tolerations:", "        - key: sku"],
    ),
    (
        "scheduler.pods.nodeSelector.role=infra,scheduler.pods.tolerations[0].key=sku",
        &["      nodeSelector:", "        role: infra", "      tolerations:", "        - key: sku"],
    ),
    ("admission.mode=none", &["      priorityClassName: system-cluster-critical"]),
    ("admission.runtimeClassName=nvidia", &["            - --runtime-class=nvidia"]),
    ("", &["            - --metrics-address=[::]:9477", "            - --listen=[::]:8443"]),
    ("agent.config.exposure=cdi", &["    exposure: cdi"]),
    // The pages that the agent makes are charged to it.
    (
        "agent.pagesTmpfsMib=300",
        &["            - --pages-tmpfs=300", "              memory: 364Mi"],
    ),
    ("agent.pagesTmpfsMib=0", &["              memory: 192Mi"]),
    ("agent.resources.limits.memory=1Gi", &["              memory: 1Gi"]),
    ("agent.driver.from=runtime", &["    exposure: env"]),
];

/// Values, and words that nothing of what is rendered has.
const ABSENT: [(&str, &str); 12] = [
    ("", "pods/eviction"),
    ("agent.config.audit.notGiven=never", "pods/eviction"),
    ("scheduler.enabled=false", "defaultMode"),
    ("agent.config.defaultMode=shared", "defaultMode: auto"),
    ("agent.config.exposure=cdi", "exposure: env"),
    // What stands in the files of policies for what values say.
    ("admission.mode=policy,agent.config.pools.training.mode=whole", "ALIQUOT_WHOLE"),
    ("admission.mode=policy", "ALIQUOT_RUNTIME_CLASS"),
    ("", "--runtime-class"),
    ("agent.logLevel=null", "--log-level"),
    ("", "--log-level"),
    ("agent.driver.from=runtime", "--wait-for-driver"),
    (
        "admission.pods.priorityClassName=,scheduler.pods.priorityClassName=,agent.priorityClassName=",
        "priorityClassName:",
    ),
];

/// Values, and what the policies' expressions have to say then. The domain and the keys of taints may end in what
/// stands in the files of policies for the domain.
const LITERALS: [(&str, &str); 5] = [
    (
        "admission.mode=policy,domain=x.org,agent.config.pools.training.mode=whole",
        r#"["x.org/gpu","x.org/gpu-training"]"#,
    ),
    ("admission.mode=policy,domain=gpu.example.com", r#"["gpu.example.com/gpu"].exists("#),
    ("admission.mode=policy", "'' == '' || !variables.asks"),
    (
        "admission.mode=policy,admission.runtimeClassName=example.com",
        "op: 'add', path: '/spec/runtimeClassName', value: 'example.com'",
    ),
    (
        "admission.mode=policy,domain=x.org,admission.tolerations[0].key=example.com/sku,admission.tolerations[0].operator=Exists",
        r#""key":"example.com/sku""#,
    ),
];

/// Looks at every variant, and at what is checked in.
pub(crate) fn check() -> Result<()> {
    let models = Models::read(&fetch::ensure(&["kubernetes-models"])?.part("kubernetes-models"))?;
    let mut objects = 0;
    for values in VARIANTS {
        let all = documents(&render(values, KUBERNETES)?)?;
        for object in &all {
            models.check(object).with_context(|| format!("with {values:?}"))?;
        }
        for look in [closed::check, lasting::check, secure::check] {
            look(&all).with_context(|| format!("with {values:?}"))?;
        }
        objects += all.len();
    }
    for (name, text) in samples()? {
        words::check(&text).with_context(|| name.clone())?;
        for object in documents(&text)? {
            models.check(&object).with_context(|| name.clone())?;
            objects += 1;
        }
    }
    notes::check()?;
    let clusters = clusters()?;
    for values in &clusters {
        let name = values.display().to_string();
        for object in documents(&render_with(&["--values", &name], KUBERNETES)?)? {
            models.check(&object).with_context(|| name.clone())?;
            objects += 1;
        }
    }
    for (values, words) in RENDERED {
        let text = render(values, KUBERNETES)?;
        let missing = words.iter().find(|word| !text.contains(&format!("{{name: {word}")));
        ensure!(missing.is_none(), "{values} renders no {}", missing.unwrap_or(&""));
    }
    for (values, lines) in LINES {
        let text = render(values, KUBERNETES)?;
        let missing = lines.iter().find(|line| !text.lines().any(|there| there == **line));
        ensure!(missing.is_none(), "{values:?} renders no line {:?}", missing.unwrap_or(&""));
    }
    for (values, word) in ABSENT {
        ensure!(!render(values, KUBERNETES)?.contains(word), "{values:?} renders {word}");
    }
    for (values, literal) in LITERALS {
        ensure!(render(values, KUBERNETES)?.contains(literal), "{values} renders no {literal}");
    }
    for (values, word) in REFUSED {
        let Err(said) = render(values, KUBERNETES) else { bail!("{values} was not refused") };
        ensure!(
            said.to_string().contains(word),
            "{values} was refused without a word of why: {said}"
        );
    }
    let Err(said) = render("admission.mode=policy", "1.33.0") else {
        bail!("policies were rendered for a cluster that has none")
    };
    ensure!(said.to_string().contains("webhook"), "no way out is told: {said}");
    for (file, values) in KEPT {
        let path = manifests().join(file);
        let lies = fs::read_to_string(&path).unwrap_or_default();
        ensure!(lies == kept(values)?, "{} is stale: cargo xtask chart", path.display());
    }
    let variants = VARIANTS.len() + clusters.len();
    println!("chart: {objects} objects of {variants} variants and the samples fit the API");
    Ok(())
}

/// The version that the manifests are rendered for.
const KUBERNETES: &str = "1.36.3";

fn kept(values: &str) -> Result<String> {
    let text = render(values, KUBERNETES)?;
    Ok(format!("# Rendered from daemonset/chart by `cargo xtask chart`; a test compares.\n{text}"))
}

fn render(values: &str, kubernetes: &str) -> Result<String> {
    let set = if values.is_empty() { &[][..] } else { &["--set", values] };
    render_with(set, kubernetes)
}

fn render_with(values: &[&str], kubernetes: &str) -> Result<String> {
    let helm = fetch::ensure(&["helm"])?.part("helm").join("helm/helm");
    let chart = manifests().with_file_name("chart");
    let mut command = sh::command(&helm);
    command.args(["template", "aliquot"]).arg(chart);
    command.args(["--namespace", "aliquot-system", "--kube-version", kubernetes]);
    command.args(values);
    let output = command.output().context("cannot start helm")?;
    if !output.status.success() {
        bail!("helm: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn documents(text: &str) -> Result<Vec<Value>> {
    let all = format!("\n{text}");
    let documents = all.split("\n---").map(|document| document.trim_start_matches('\n'));
    let speaks =
        |document: &&str| document.lines().any(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |document: &str| {
        serde_saphyr::from_str::<Value>(document).with_context(|| format!("no YAML: {document}"))
    };
    documents.filter(speaks).map(read).collect()
}

/// The values files that docs/install.md tells of, one for each kind of cluster that needs one.
fn clusters() -> Result<Vec<PathBuf>> {
    let document = fs::read_to_string(sh::root().join("docs/install.md"))?;
    let all = files("docs/values")?;
    for path in &all {
        let name = path.strip_prefix(sh::root())?.display().to_string();
        ensure!(document.contains(&format!("-f {name}")), "docs/install.md never uses {name}");
    }
    let words = document.split_whitespace().filter(|word| word.starts_with("docs/"));
    let gone = words
        .map(|word| word.trim_end_matches([',', '.', ':']))
        .find(|word| word.contains(".yaml") && !sh::root().join(word).exists());
    ensure!(gone.is_none(), "docs/install.md tells of {gone:?}, which is not there");
    Ok(all)
}

/// What users are told to paste: files, and the manifests in the documents.
fn samples() -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for path in files("docs/samples")?.into_iter().chain(files("docs/autoscaling")?) {
        all.push((path.display().to_string(), fs::read_to_string(&path)?));
    }
    for path in
        files("docs")?.into_iter().filter(|path| path.extension().is_some_and(|it| it == "md"))
    {
        let text = fs::read_to_string(&path)?;
        let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
        let whole = blocks.filter(|block| block.contains("\napiVersion: "));
        all.extend(whole.map(|block| (path.display().to_string(), block.to_owned())));
    }
    Ok(all)
}

/// The files in a folder of the repository, in order.
fn files(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = sh::root().join(folder);
    let all = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut all = all.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    all.retain(|path| path.is_file());
    all.sort();
    Ok(all)
}

fn manifests() -> PathBuf {
    sh::root().join("daemonset/manifests")
}
