//! A process that runs as in a container: the shim preloaded, its allotments under /run/aliquot, the
//! stand-in driver where the loader finds it.

use std::ffi::CString;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{self, AllotmentSpec, DeviceSpec, LedgerSnapshot};

/// Half of a V100.
pub(crate) const HALF: Mib = Mib(16255);
/// What a context is said to take; the rest of the half is whole pages of 2 MiB.
pub(crate) const CONTEXT: Mib = Mib(255);

/// A container: a folder of allotments, and how processes are started in it.
pub(crate) struct Container {
    folder: tempfile::TempDir,
    way: Way,
    env: Vec<(String, String)>,
    /// Where the loader finds the driver, if it is not the stand-in.
    driver: Option<PathBuf>,
    /// What is preloaded, the shim among it.
    preload: String,
}

/// How a process learns where its allotments are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// They are mounted at /run/aliquot.
    Mounted,
    /// /run/aliquot does not exist; the environment names them.
    Named,
    /// Neither.
    Nowhere,
}

/// What a process did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) lines: Vec<String>,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Container {
    /// One with half of the first of the stand-in driver's two cards.
    pub(crate) fn half() -> Self {
        let container = Self::empty();
        container.allot(1, &[(card(1), HALF)]);
        container
    }

    /// One without any allotment.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        Self {
            folder,
            way: Way::Mounted,
            env: vec![],
            driver: None,
            preload: shim().display().to_string(),
        }
    }

    /// The same, but outside a container: the environment names the folder.
    pub(crate) fn named(self) -> Self {
        Self { way: Way::Named, ..self }
    }

    /// The same, but nothing says where allotments are.
    pub(crate) fn nowhere(self) -> Self {
        Self { way: Way::Nowhere, ..self }
    }

    /// The same with the driver in this folder.
    pub(crate) fn driver(self, folder: &Path) -> Self {
        Self { driver: Some(folder.to_owned()), ..self }
    }

    /// The same with another library preloaded before the shim.
    pub(crate) fn before(self, library: &Path) -> Self {
        Self { preload: format!("{}:{}", library.display(), self.preload), ..self }
    }

    /// The same with another library preloaded behind the shim.
    pub(crate) fn behind(self, library: &Path) -> Self {
        Self { preload: format!("{}:{}", self.preload, library.display()), ..self }
    }

    /// The same with an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes an allotment as the agent would.
    pub(crate) fn allot(&self, id: u64, devices: &[(DeviceUuid, Mib)]) {
        self.allot_with(id, devices, CONTEXT);
    }

    /// The same with another estimate of a context.
    pub(crate) fn allot_with(&self, id: u64, devices: &[(DeviceUuid, Mib)], context: Mib) {
        let spec = AllotmentSpec::new(AllotmentId(id), specs(devices, context));
        agent::create(&self.allotment(id), &spec).expect("an allotment can be made");
    }

    /// Gives the first allotment another limit, as the agent may while processes run.
    pub(crate) fn limit(&self, device: DeviceUuid, hard: Mib) {
        let changed = agent::update(&self.allotment(1), &specs(&[(device, hard)], CONTEXT));
        changed.expect("limits can be changed");
    }

    /// The folder of an allotment.
    pub(crate) fn allotment(&self, id: u64) -> PathBuf {
        self.folder.path().join(AllotmentId(id).to_string())
    }

    /// What the ledger says is charged on the first device of the first allotment, in bytes.
    pub(crate) fn charged(&self) -> u64 {
        self.ledger().devices[0].total
    }

    /// What the living hold of that device, in bytes.
    pub(crate) fn held(&self) -> u64 {
        self.ledger().devices[0].held.iter().sum()
    }

    /// How many living processes have a slot of the first allotment.
    pub(crate) fn slots(&self) -> usize {
        self.ledger().slots.len()
    }

    fn ledger(&self) -> LedgerSnapshot {
        agent::read_ledger(&self.allotment(1).join("ledger")).expect("the ledger can be read")
    }

    /// Runs the client with these words.
    pub(crate) fn client(&self, words: &str) -> Outcome {
        self.run(&built().client, words)
    }

    /// Runs the client that is linked with the driver.
    pub(crate) fn linked(&self, words: &str) -> Outcome {
        self.run(&built().linked, words)
    }

    /// Runs a program in the container.
    pub(crate) fn run(&self, program: &Path, words: &str) -> Outcome {
        let output = self.command(program, words).output().expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Outcome {
            lines: text(&output.stdout).lines().map(str::to_owned).collect(),
            stderr: text(&output.stderr),
            code: output.status.code(),
        }
    }

    /// Runs the client up to a `wait` among these words, lets `look` see the container, and ends it.
    pub(crate) fn while_waiting<T>(&self, words: &str, look: impl FnOnce() -> T) -> T {
        self.around_waiting(words, look).0
    }

    /// The same, and what the client says from then on.
    pub(crate) fn around_waiting<T>(
        &self,
        words: &str,
        look: impl FnOnce() -> T,
    ) -> (T, Vec<String>) {
        self.around(&built().client, words, look)
    }

    /// The same of another program that becomes the client.
    pub(crate) fn around<T>(
        &self,
        program: &Path,
        words: &str,
        look: impl FnOnce() -> T,
    ) -> (T, Vec<String>) {
        let mut command = self.command(program, words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut lines = stdout.lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "waiting"), "the client ended before it waited");
        let seen = look();
        child.stdin.take();
        let after: Vec<_> = lines.collect();
        assert_eq!(after.last().map(String::as_str), Some("end"));
        assert!(child.wait().expect("it is our child").success());
        (seen, after)
    }

    /// The command that runs a program in the container.
    pub(crate) fn command(&self, program: &Path, words: &str) -> Command {
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).stdin(Stdio::null()).env_clear();
        let driver = self.driver.as_deref().unwrap_or_else(|| built().folder.path());
        command.env("LD_LIBRARY_PATH", driver).env("LD_PRELOAD", &self.preload);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if self.way == Way::Named {
            command.env(contract::paths::ALLOTMENTS_ENV, self.folder.path());
        }
        let folder = CString::new(self.folder.path().as_os_str().as_bytes()).expect("no zero");
        let way = self.way;
        // SAFETY: the closure makes system calls only, on strings made before the fork.
        unsafe { command.pre_exec(move || enter(&folder, way)) };
        command
    }
}

impl Outcome {
    /// The line of one of the client's commands, without the command.
    #[track_caller]
    pub(crate) fn of(&self, command: &str) -> &str {
        let line = self.lines.iter().find_map(|line| line.strip_prefix(command)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("the client said nothing of {command}: {self:?}"))
    }

    /// The process came to its end as a program should.
    #[track_caller]
    pub(crate) fn assert_lived(&self) {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.lines.last().map(String::as_str), Some("end"), "{self:?}");
    }
}

fn specs(devices: &[(DeviceUuid, Mib)], context: Mib) -> Vec<DeviceSpec> {
    let half = Percent::new(50).expect("a percent");
    let spec = |(uuid, hard): &(DeviceUuid, Mib)| {
        DeviceSpec::new(*uuid, *hard, half).with_context_estimate(context.bytes())
    };
    devices.iter().map(spec).collect()
}

/// A card of the stand-in driver, 1 or 2.
pub(crate) fn card(number: u8) -> DeviceUuid {
    DeviceUuid::gpu([number * 0x11; 16])
}

/// The built shim.
pub(crate) fn shim() -> PathBuf {
    dist("x86_64/libaliquot.so")
}

/// A built file.
pub(crate) fn dist(file: &str) -> PathBuf {
    target(&format!("dist/{file}"), "cargo xtask dist")
}

/// A fetched file.
pub(crate) fn fetched(file: &str) -> PathBuf {
    target(&format!("fetch/{file}"), "cargo xtask fetch")
}

fn target(file: &str, by: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(file);
    assert!(path.exists(), "target/{file} is absent: run `{by}`");
    path
}

/// The programs of this folder, compiled once per test process.
pub(crate) struct Built {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) client: PathBuf,
    pub(crate) linked: PathBuf,
}

/// The compiled programs.
pub(crate) fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let at = |name: &str| folder.path().join(name);
        let cuda = at("libcuda.so.1");
        let library = ["-w", "-shared", "-fPIC"];
        let soname = |name: &str| format!("-Wl,-soname,{name}");
        compile(
            "driver.c",
            &cuda,
            &[&library[..], &["-Wl,-Bsymbolic", &soname("libcuda.so.1")]].concat(),
        );
        let nvml = ["-DNVML", &soname("libnvidia-ml.so.1")];
        compile("driver.c", &at("libnvidia-ml.so.1"), &[&library[..], &nvml].concat());
        let (client, linked) = (at("client"), at("client-linked"));
        compile("client.c", &client, &["-ldl", "-lpthread"]);
        let driver = cuda.to_str().expect("our paths are text");
        compile("client.c", &linked, &["-DLINKED", driver, "-ldl", "-lpthread"]);
        Built { folder, client, linked }
    })
}

/// A folder with the stand-in as a driver of CUDA 11.3.
pub(crate) fn old_driver() -> PathBuf {
    let folder = built().folder.path().join("old");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let flags = ["-w", "-DOLD", "-shared", "-fPIC", "-Wl,-Bsymbolic", "-Wl,-soname,libcuda.so.1"];
    compile("driver.c", &folder.join("libcuda.so.1"), &flags);
    folder
}

/// Compiles a source of this folder. The file appears whole, also where tests compile it at once.
pub(crate) fn compile(source: &str, into: &Path, flags: &[&str]) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let part = into.with_extension(format!("part-{number}"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim").join(source);
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-fexceptions", "-o"]).arg(&part).arg(&source).args(flags);
    let output = compiler.output().expect("cc, which also links Rust programs, starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} does not compile: {said}", source.display());
    std::fs::rename(&part, into).expect("it was made");
}

/// Gives the process a /run of its own, with the allotments in their place.
fn enter(folder: &CString, way: Way) -> std::io::Result<()> {
    let (none, run, place) = (c"none".as_ptr(), c"/run".as_ptr(), c"/run/aliquot".as_ptr());
    let (null, private) = (std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
    // SAFETY: C strings and numbers.
    let done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, c"/".as_ptr(), null, private, null.cast()) == 0
            && libc::mount(none, run, c"tmpfs".as_ptr(), 0, null.cast()) == 0
            && (way != Way::Mounted
                || libc::mkdir(place, 0o755) == 0
                    && libc::mount(folder.as_ptr(), place, null, libc::MS_BIND, null.cast()) == 0)
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
