//! Tenants that grow, cut and scribble what they can write: they harm themselves alone.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ledger::agent::read_ledger;
use ledger::{Kind, PageError};

use crate::harness::{Container, Random, open};

fn writable(container: &Container) -> File {
    File::options().write(true).open(container.ledger()).expect("the tenant may write it")
}

#[test]
fn who_cuts_its_ledger_dies_of_it_alone() {
    let container = Container::new();
    let mut tenant = container.tenant();
    assert_eq!(tenant.ask("charge 1"), "ok");
    writable(&container).set_len(0).unwrap();
    assert!(matches!(read_ledger(&container.ledger()), Err(PageError::Size(..))));
    assert!(matches!(open(&container.dir()), Err(PageError::Size(..))));
    assert_eq!(tenant.ask("charge 1"), "");
    assert_eq!(tenant.end(), Some(libc::SIGBUS));
}

#[test]
fn who_grows_its_ledger_is_refused_and_read_by_nobody() {
    let container = Container::new();
    for size in [1 << 20, 1 << 32, 1 << 40] {
        writable(&container).set_len(size).unwrap();
        let read = read_ledger(&container.ledger()).err();
        for refused in [read, open(&container.dir()).err()] {
            assert!(matches!(refused, Some(PageError::Size(_, found)) if found == size));
        }
    }
}

#[test]
fn a_fresh_process_refuses_what_another_ruined() {
    let container = Container::new();
    writable(&container).write_all_at(b"garbage!", 0).unwrap();
    let mut tenant = crate::harness::Tenant::start(&container.dir(), 0, 0);
    assert!(tenant.answer().starts_with("broken: "), "it says why");
}

#[test]
fn whatever_is_scribbled_the_agent_reads_bounded_figures_or_an_error() {
    let container = Container::new();
    let mut tenant = container.tenant();
    assert_eq!(tenant.ask("charge 1"), "ok");
    let (file, mut random) = (writable(&container), Random::new(7));
    for step in 0..2000 {
        // Mostly where the first slots lie, and always whole words of noise.
        let end = if step % 4 == 0 { 328_064 } else { 4096 };
        let word = [u64::MAX, 1 << 63, random.below(u64::MAX), 2][random.below(4) as usize];
        file.write_all_at(&word.to_ne_bytes(), 128 + random.below(end - 136)).unwrap();
        let Ok(seen) = read_ledger(&container.ledger()) else { continue };
        assert!(seen.slots.len() <= 1024);
        let bounded = seen.devices.iter().chain(seen.slots.iter().flat_map(|slot| &slot.devices));
        assert!(bounded.flat_map(|device| device.held).all(|bytes| bytes < 1 << 62));
    }
}

#[test]
fn whatever_is_scribbled_the_shim_goes_on() {
    let container = Container::new();
    let allotment = open(&container.dir()).unwrap();
    let device = allotment.device(&[7; 16]).unwrap();
    let (file, mut random) = (writable(&container), Random::new(11));
    for _ in 0..2000 {
        let word = [u64::MAX, 1 << 63, random.below(u64::MAX), 0, 1][random.below(5) as usize];
        file.write_all_at(&word.to_ne_bytes(), random.below(4096)).unwrap();
        // Admitted or refused: it is this tenant's own limit.
        let bytes = random.below(1 << 31);
        if allotment.charge(device, Kind::Linear, bytes).is_ok() {
            allotment.release(device, Kind::Linear, bytes);
        }
        let _ = allotment.usage(device).free();
    }
}
