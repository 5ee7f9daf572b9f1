//! All looks, in the order in which one rests on the other.

use super::allocation::{self, Answer};
use super::scene::Scene;
use super::{Finding, State, cdi, cluster, driver, files, images, kubelet, runtime, share};
use crate::args::DoctorArgs;

/// Looks at everything.
pub(super) async fn all(args: &DoctorArgs) -> Vec<Finding> {
    let (scene, configuration) = Scene::new(args);
    let mut findings = vec![configuration];
    let (drivers, gpus) = driver::look(&scene);
    findings.extend(drivers);
    findings.extend(kubelet::look(&scene, gpus.as_deref().unwrap_or_default()).await);
    let (allocation, answer) = allocation::look(&scene).await;
    findings.push(allocation);
    let asked = answer.as_ref().map(Answer::cdi_names).unwrap_or_default();
    findings.push(cdi::look(&args.cdi_dir, &asked));
    findings.push(runtime::look(&args.node_root, !asked.is_empty()).await);
    let shim = files::shim(&args.shim);
    let has_shim = shim.state == State::Good;
    findings.extend([shim, files::hook(&scene.layout)]);
    findings.extend(images::look(args));
    findings.extend(cluster::look(&scene).await);
    findings.push(share::look(&scene, gpus.as_deref().unwrap_or_default(), has_shim));
    findings
}
