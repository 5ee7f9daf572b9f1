//! Several processes of one container: killed ones give back, racing ones share the last page, and
//! what one lends another is charged once.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use driver::cuda::{Driver, Spin};
use nvidia_sys::cuda::CUipcMemHandle;

use super::Stage;
use crate::cuda::{Cuda, MIB, OUT_OF_MEMORY, code, done};
use crate::finding::{Findings, mib};

/// Another process of this container.
pub(super) struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Closed, it lets the other go on.
    _stdin: Option<ChildStdin>,
}

impl Other {
    pub(super) fn start(words: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start another process")?;
        let stdout = child.stdout.take().context("a process without stdout")?;
        let _stdin = child.stdin.take();
        Ok(Self { child, lines: BufReader::new(stdout).lines(), _stdin })
    }

    /// The numbers of its next line.
    pub(super) fn says(&mut self) -> Result<Vec<u64>> {
        let line = self.lines.next().context("another process ended early")??;
        numbers(&line).with_context(|| format!("another process says {line:?}"))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // What has ended cannot be killed, and is waited for all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The numbers of a line of numbers.
pub(crate) fn numbers(line: &str) -> Result<Vec<u64>> {
    line.split_whitespace().map(|word| word.parse().map_err(|error| anyhow!("{error}"))).collect()
}

/// kill -9 gives back what its process held.
pub(super) fn kill(stage: &Stage, findings: &mut Findings) -> Result<()> {
    const HELD: u64 = 256 * MIB;
    let cuda = &stage.cuda;
    let (room, _) = cuda.info()?;
    let mut other = Other::start(&["hold", "256"])?;
    other.says()?;
    let left = cuda.info()?.0;
    let held = room.saturating_sub(left);
    findings.note("another process's memory is used memory here", held >= HELD, mib(held));
    drop(other);
    let all = room / (2 * MIB) * (2 * MIB);
    match cuda.alloc(all) {
        Ok(address) => {
            findings.note("what a killed process held is there for the next", true, mib(all));
            cuda.free(address)
        }
        Err(code) => {
            findings.note("what a killed process held is there for the next", false, code);
            Ok(())
        }
    }
}

/// Four processes fill the share at once.
pub(super) fn race(stage: &Stage, findings: &mut Findings) -> Result<()> {
    const PIECE: u64 = 32 * MIB;
    let Stage { cuda, limit } = stage;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(Other::start(&["fill", "32"])?);
    }
    let said = others.iter_mut().map(Other::says).collect::<Result<Vec<_>>>()?;
    let taken: u64 = said.iter().map(|numbers| numbers.first().copied().unwrap_or(0)).sum();
    let codes: Vec<u64> = said.iter().filter_map(|numbers| numbers.get(1).copied()).collect();
    let (free, total) = cuda.info()?;
    let good = codes == [u64::from(OUT_OF_MEMORY); 4];
    findings.note("each of four is refused with code 2", good, format!("{codes:?}"));
    findings.note("together they have no more than the share", taken <= *limit, mib(taken));
    findings.note("nothing is left that would have fitted", free < PIECE, mib(free));
    findings.note("what they have is used memory", total - free >= taken, mib(total - free));
    Ok(())
}

/// Memory that another process opens is charged to the one that made it.
pub(super) fn ipc(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let cuda = &stage.cuda;
    let address = cuda.alloc(64 * MIB).map_err(|code| anyhow!("cuMemAlloc answered {code}"))?;
    done!(cuda.cuMemsetD8_v2(address, 0x77, 64 * MIB as usize))?;
    cuda.wait()?;
    let mut handle = CUipcMemHandle { reserved: [0; 64] };
    match code!(cuda.cuIpcGetMemHandle(&mut handle, address)) {
        0 => {}
        code => {
            findings.not_here("memory can be shared with a process", format!("code {code}"));
            return cuda.free(address);
        }
    }
    let hex: String = handle.reserved.iter().map(|byte| format!("{:02x}", *byte as u8)).collect();
    let said = Other::start(&["open", &hex])?.says()?;
    let [code, byte, before, after] = said[..] else { return Err(anyhow!("{said:?}")) };
    findings.note("another process opens the memory", code == 0, format!("code {code}"));
    findings.note("it reads there what was written", byte == 0x77, format!("{byte:#x}"));
    findings.same("what is opened is not charged again", after, before);
    cuda.free(address)
}

/// Takes a context, says what is used, and on each line of stdin takes the next step: some MiB, then
/// a module and a launch. Each is said as `pid used`. Holds until killed or stdin closes.
pub(crate) fn hold(mib: u64, at_once: bool) -> Result<()> {
    let driver = Driver::open("libcuda.so.1")?;
    driver.init()?;
    let _primary = driver.device(0)?.primary()?;
    let say = || -> Result<()> {
        let memory = driver.mem_info()?;
        println!("{} {}", std::process::id(), memory.total - memory.free);
        Ok(std::io::stdout().flush()?)
    };
    if at_once {
        driver.alloc(mib * MIB)?;
    }
    say()?;
    let mut lines = std::io::stdin().lines();
    if lines.next().is_some() {
        driver.alloc(mib * MIB)?;
        say()?;
    }
    if lines.next().is_some() {
        let spin = Spin::new(Duration::from_micros(10));
        let (module, stream) = (driver.module(&spin.ptx)?, driver.stream()?);
        module.kernel(&spin.name)?.launch(&stream, 1)?;
        stream.synchronize()?;
        say()?;
        lines.next();
    }
    Ok(())
}

/// Takes pieces of so many MiB until it is refused, says `bytes code`, and holds them.
pub(crate) fn fill(mib: u64) -> Result<()> {
    let cuda = Cuda::start()?;
    let mut taken = 0;
    let code = loop {
        match cuda.alloc(mib * MIB) {
            Ok(_) => taken += mib * MIB,
            Err(code) => break code,
        }
    };
    println!("{taken} {code}");
    std::io::stdout().flush()?;
    std::io::stdin().lines().next();
    Ok(())
}

/// Opens shared memory by its handle in hex and says `code byte used-before used-after`.
pub(crate) fn open_shared(hex: &str) -> Result<()> {
    let cuda = Cuda::start()?;
    let byte =
        |at: usize| hex.get(2 * at..2 * at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let mut handle = CUipcMemHandle { reserved: [0; 64] };
    for (at, place) in handle.reserved.iter_mut().enumerate() {
        let byte = byte(at).context("a handle is 64 bytes in hex")?;
        *place = std::ffi::c_char::from_ne_bytes([byte]);
    }
    ensure!(hex.len() == 128, "a handle is 64 bytes in hex");
    let (before, mut address) = (cuda.used()?, 0);
    let code = code!(cuda.cuIpcOpenMemHandle_v2(&mut address, handle, 1));
    let (after, mut byte) = (cuda.used()?, 0_u8);
    if code == 0 {
        done!(cuda.cuMemcpyDtoH_v2((&raw mut byte).cast(), address, 1))?;
        done!(cuda.cuIpcCloseMemHandle(address))?;
    }
    println!("{code} {byte} {before} {after}");
    Ok(())
}
