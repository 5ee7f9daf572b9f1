//! The kubelet's wire: its gRPC in our own words, its sockets, and a registration that holds.
//!
//! The modules of messages are generated from `proto/` and checked in. This crate decides nothing
//! about GPUs and keeps nothing on disk but sockets.
#![forbid(unsafe_code)]

mod folder;
mod registration;
mod session;
pub mod sockets;

pub use registration::{Ending, Offer, RegisterError, Registered};
pub use session::{ListStream, Session};

/// The only version of the device plugin's protocol that kubelets speak.
pub const DEVICE_PLUGIN_VERSION: &str = "v1beta1";

/// The folder of the device plugins' sockets on a node.
pub const DEVICE_PLUGIN_FOLDER: &str = "/var/lib/kubelet/device-plugins";

/// The name of the kubelet's own socket in [`DEVICE_PLUGIN_FOLDER`].
pub const KUBELET_SOCKET: &str = "kubelet.sock";

/// The socket on which the kubelet serves [`podresources`].
pub const POD_RESOURCES_SOCKET: &str = "/var/lib/kubelet/pod-resources/kubelet.sock";

/// [`deviceplugin::Device::health`] of a device that counts as allocatable.
pub const HEALTHY: &str = "Healthy";

/// [`deviceplugin::Device::health`] of a device that counts as capacity only.
pub const UNHEALTHY: &str = "Unhealthy";

macro_rules! generated {
    ($(#[$doc:meta])* $module:ident, $file:literal) => {
        $(#[$doc])*
        #[allow(missing_docs, unreachable_pub, clippy::all)]
        pub mod $module {
            include!(concat!("generated/", $file));
        }
    };
}

generated!(
    /// Device plugin `v1beta1`: `proto/deviceplugin_v1beta1.proto`.
    deviceplugin,
    "v1beta1.rs"
);
generated!(
    /// podresources `v1`: `proto/podresources_v1.proto`.
    podresources,
    "v1.rs"
);
generated!(
    /// The runtime's CRI `v1`, as far as tests of ours speak it: `proto/cri_v1.proto`.
    cri,
    "runtime.v1.rs"
);
generated!(
    /// Plugin registration `v1`: `proto/pluginregistration_v1.proto`.
    pluginregistration,
    "pluginregistration.rs"
);
generated!(
    /// Dynamic resource allocation `v1`: `proto/dra_v1.proto`.
    dra,
    "k8s.io.kubelet.pkg.apis.dra.v1.rs"
);
generated!(
    /// The health of a DRA driver's devices, `v1alpha1`: `proto/dra_health_v1alpha1.proto`.
    dra_health,
    "v1alpha1.rs"
);
