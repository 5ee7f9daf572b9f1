//! What the shim's instructions must not do. x86_64 is disassembled; aarch64 has words of one size,
//! in which the two instructions that matter are recognised.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, Register};

use super::Fault;
use super::image::{Image, Machine};

/// No thread pointer, no system call of our own, nothing that is no instruction.
pub(super) fn gate(image: &Image) -> Vec<Fault> {
    let judge = match image.machine {
        Machine::X86_64 => x86_64,
        Machine::Aarch64 => aarch64,
    };
    let mut faults: Vec<Fault> =
        image.code.iter().flat_map(|(address, bytes)| judge(image, *address, bytes)).collect();
    faults.dedup();
    faults
}

fn x86_64(image: &Image, address: u64, bytes: &[u8]) -> Vec<Fault> {
    let decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    decoder.into_iter().filter_map(|instruction| x86_64_fault(image, &instruction)).collect()
}

fn x86_64_fault(image: &Image, instruction: &Instruction) -> Option<Fault> {
    let address = instruction.ip();
    match instruction.mnemonic() {
        Mnemonic::INVALID => Some(Fault::NoInstruction(address)),
        Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Int => {
            Some(Fault::SystemCall(image.name_at(address)))
        }
        _ if matches!(instruction.segment_prefix(), Register::FS | Register::GS) => {
            Some(Fault::ThreadPointer(image.name_at(address)))
        }
        _ => None,
    }
}

fn aarch64(image: &Image, address: u64, bytes: &[u8]) -> Vec<Fault> {
    let words =
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let addresses = (address..).step_by(4);
    words.zip(addresses).filter_map(|(word, at)| aarch64_fault(image, word, at)).collect()
}

fn aarch64_fault(image: &Image, word: u32, address: u64) -> Option<Fault> {
    if word & MRS_TPIDR_MASK == MRS_TPIDR_EL0 {
        return Some(Fault::ThreadPointer(image.name_at(address)));
    }
    (word & SVC_MASK == SVC).then(|| Fault::SystemCall(image.name_at(address)))
}

/// `mrs xN, tpidr_el0`: the register number is in the lowest five bits.
const MRS_TPIDR_EL0: u32 = 0xd53b_d040;
const MRS_TPIDR_MASK: u32 = 0xffff_ffe0;
/// `svc #n`.
const SVC: u32 = 0xd400_0001;
const SVC_MASK: u32 = 0xffe0_001f;
