//! The gRPC of the kubelet in our own words: device plugin, podresources, registration, DRA.
