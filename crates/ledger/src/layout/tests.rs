//! The layout may not move: every offset of ABI 1, written out.

use core::mem::offset_of;
use std::format;
use std::string::String;

use super::*;

macro_rules! offsets {
    ($type:ident: $($field:ident)*) => {{
        let fields = [$((offset_of!($type, $field), stringify!($field))),*];
        let text: String = fields.map(|(at, name)| format!("{at}:{name} ")).concat();
        format!("{} {}", size_of::<$type>(), text.trim_end())
    }};
}

#[test]
fn the_limits_header_lies_where_abi_1_says() {
    let found = offsets!(LimitsHeader: magic major minor header_len device_stride device_count
        slot_stride slot_count required optional boot_id allotment file_len created reserved
        generation command_epoch command wake reserved_live);
    assert_eq!(
        found,
        "256 0:magic 8:major 10:minor 12:header_len 16:device_stride 20:device_count \
         24:slot_stride 28:slot_count 32:required 40:optional 48:boot_id 64:allotment 72:file_len \
         80:created 88:reserved 128:generation 136:command_epoch 144:command 148:wake \
         152:reserved_live"
    );
}

#[test]
fn a_limits_device_lies_where_abi_1_says() {
    let found = offsets!(LimitsDevice: uuid kind flags hard soft swap at_limit policy weight cap
        quantum_us back_end gang context_estimate unasked overestimated uncounted reserved granted_ns grant_wake
        pace beat reserved_live);
    assert_eq!(
        found,
        "256 0:uuid 16:kind 20:flags 24:hard 32:soft 40:swap 48:at_limit 52:policy 56:weight \
         60:cap 64:quantum_us 68:back_end 72:gang 80:context_estimate 88:unasked 96:overestimated \
         104:uncounted 112:reserved 128:granted_ns 136:grant_wake 140:pace 144:beat 152:reserved_live"
    );
}

#[test]
fn the_agents_slot_lies_where_abi_1_says() {
    let found = offsets!(AgentSlot: generation host_pid flags reserved);
    assert_eq!(found, "16 0:generation 4:host_pid 8:flags 12:reserved");
}

#[test]
fn the_ledger_header_lies_where_abi_1_says() {
    let found = offsets!(LedgerHeader: magic major minor header_len device_stride device_count
        slot_stride slot_count required optional boot_id allotment file_len reserved slots_used
        ever_spare reserved_live);
    assert_eq!(
        found,
        "256 0:magic 8:major 10:minor 12:header_len 16:device_stride 20:device_count \
         24:slot_stride 28:slot_count 32:required 40:optional 48:boot_id 64:allotment 72:file_len \
         80:reserved 128:slots_used 132:ever_spare 136:reserved_live"
    );
}

#[test]
fn a_ledger_device_lies_where_abi_1_says() {
    let found = offsets!(LedgerDevice: total tickets refusals observed spent_compute_ns
        spent_copy_ns waits waited_ns committed_ns launches intervals own_granted_ns
        own_granted_at_ns waiting reserved_word since_ns reserved);
    assert_eq!(
        found,
        "128 0:total 8:tickets 16:refusals 24:observed 32:spent_compute_ns 40:spent_copy_ns \
         48:waits 56:waited_ns 64:committed_ns 72:launches 80:intervals 88:own_granted_ns \
         96:own_granted_at_ns 104:waiting 108:reserved_word 112:since_ns 120:reserved"
    );
    let found = offsets!(Interval: start_ns end_ns who check);
    assert_eq!(found, "32 0:start_ns 8:end_ns 16:who 24:check");
}

#[test]
fn a_slot_lies_where_abi_1_says() {
    let found = offsets!(SlotHeader: state pid flags start_time pid_namespace shim_version
        driver_version acknowledged_epoch acknowledged reserved_word reserved);
    assert_eq!(
        found,
        "128 0:state 8:pid 12:flags 16:start_time 24:pid_namespace 32:shim_version \
         36:driver_version 40:acknowledged_epoch 48:acknowledged 52:reserved_word 56:reserved"
    );
    let found = offsets!(SlotDevice: wanted held spent_compute_ns spent_copy_ns waits waited_ns
        refusals observed in_flight_ns launches waiting reserved_word reserved);
    assert_eq!(
        found,
        "192 0:wanted 8:held 104:spent_compute_ns 112:spent_copy_ns 120:waits 128:waited_ns \
         136:refusals 144:observed 152:in_flight_ns 160:launches 168:waiting 172:reserved_word \
         176:reserved"
    );
}

#[test]
fn the_files_have_the_lengths_of_abi_1() {
    let lengths = |devices| {
        let geometry = Geometry::new(devices).unwrap();
        (geometry.limits_len(), geometry.ledger_len(), geometry.slot_device(1, 0))
    };
    assert_eq!(lengths(1), (33_280, 344_448, 832));
    assert_eq!(lengths(16), (151_808, 3_541_248, 5_632));
    assert_eq!((Geometry::new(0), Geometry::new(17)), (None, None));
}
