//! The side of the sockets that the kubelet has, true to what was observed, for tests and the demo.
