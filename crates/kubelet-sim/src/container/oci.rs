//! A container in the words of the OCI runtime specification, for hooks and for real runtimes.

use std::path::Path;

use serde_json::{Value, json};

use super::plan::{Bind, Plan};

/// The `config.json` of a bundle whose root file system is the folder `root` in it.
pub(crate) fn config(plan: &Plan, root: &str) -> Value {
    let env: Vec<_> = plan.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (uid, gid) = plan.user.unwrap_or_default();
    let own = [
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}),
    ];
    let binds = plan.binds.iter().map(|bind| {
        let access = if bind.read_only { "ro" } else { "rw" };
        json!({
            "destination": bind.container,
            "source": bind.host,
            "type": "bind",
            "options": ["rbind", access],
        })
    });
    let hooks = plan.hooks.iter().map(|hook| {
        let timeout = (hook.timeout > 0).then_some(hook.timeout);
        json!({"path": hook.path, "args": hook.args, "env": hook.env, "timeout": timeout})
    });
    let hooks: Vec<_> = hooks.collect();
    let namespaces = ["pid", "mount", "ipc", "uts"].map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": uid, "gid": gid},
            "args": plan.command,
            "env": env,
            "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": {"path": root, "readonly": plan.read_only_root},
        "mounts": own.into_iter().chain(binds).collect::<Vec<_>>(),
        "hooks": {"createContainer": hooks},
        "linux": {"namespaces": namespaces},
    })
}

/// What a hook reads on stdin.
pub(super) fn state(bundle: &Path) -> Value {
    json!({
        "ociVersion": "1.0.2",
        "id": "simulated",
        "status": "creating",
        "pid": std::process::id(),
        "bundle": bundle,
    })
}

impl Bind {
    /// How deep in the container it lies: runtimes mount in this order.
    pub(super) fn depth(&self) -> usize {
        self.container.components().count()
    }
}
