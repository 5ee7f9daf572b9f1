//! The bytes that the shim and the node agent share: pages, charging, slots.
