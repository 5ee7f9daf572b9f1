//! Root file systems that containers have: what people run in them runs as before.

use crate::programs::{Libc, Program};
use crate::root::{Root, fetched};
use crate::run::Run;

const SHELL: &str = r#"
    trap 'echo bye; exit 9' EXIT
    count=0
    for word in one two three; do
        count=$((count + $(echo "$word" | wc -c)))
    done
    (echo in a subshell; exit 3) || echo "it said $?"
    ls /usr/bin/env /nowhere
    env | sort
    printf '%s\n' c a b | sort | tr a-z A-Z
    kill -0 $$ && echo alive; sh -c 'kill -TERM $$'; echo "then $?"
    exit $count
"#;

const BASH: &str = r#"
    set -o pipefail
    mapfile -t lines < <(seq 1 5)
    echo "${#lines[@]} lines" "${lines[@]}"
    coproc cat; echo through >&"${COPROC[1]}"; read -r -u "${COPROC[0]}" back; echo "$back"
    exec {COPROC[1]}>&-
    wait
    false | true
    exit $?
"#;

const PERL: &str = r#"
    $SIG{USR1} = sub { print "signal\n" };
    $| = 1;
    pipe(my $in, my $out);
    for my $n (1 .. 5) {
        my $pid = fork();
        if (!$pid) { syswrite $out, "child $n\n"; exit $n }
        waitpid $pid, 0;
        print "ended ", $? >> 8, " ", scalar(<$in>);
    }
    kill USR1 => $$;
    print join(",", map { sprintf "%03d", $_ } sort { $b <=> $a } 1 .. 10), "\n";
    print `echo from a shell`;
    exec "/bin/false";
"#;

const PYTHON: &str = r#"
import ctypes, os, random, subprocess, sys, threading
libc = ctypes.CDLL(None)
print(libc.getpid() == os.getpid())
for name in ("cuInit", "cuMemAlloc_v2", "nvmlInit_v2", "no_such_function"):
    print(name, hasattr(libc, name))
try:
    ctypes.CDLL("libcuda.so.1")
except OSError as error:
    print(error)
found = []
threads = [threading.Thread(target=found.append, args=(n,)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(found), random.Random(1).random())
print(subprocess.run(["/bin/dash", "-c", "echo shell; exit 5"], capture_output=True))
pid = os.fork()
if pid == 0:
    os._exit(7)
print(os.waitpid(pid, 0)[1] >> 8)
sys.stderr.write("to stderr\n")
sys.exit(8)
"#;

/// Everything that a small Debian has to offer.
fn runs_as_before(part: &str, python: &str) {
    let root = Root::of(part);
    let loaded = root.add(&Program::new("loaded"), "loaded");
    let loaded = [loaded.as_str()];
    assert_eq!(Run::new(&loaded).alone(&root).stdout, "alone\n");
    assert_eq!(Run::new(&loaded).shimmed(&root).stdout, "with the shim\n");
    for words in [&["/bin/true"][..], &["/bin/false"], &["/bin/ls", "-l", "/usr/bin/env", "/x"]] {
        Run::new(words).same(&root);
    }
    let narrow = "ulimit -n 4; ulimit -v 40000; ulimit -s 256; exec /bin/ls -d /usr /nowhere";
    assert_eq!(Run::new(&["/bin/dash", "-c", narrow]).same(&root).stdout, "/usr\n");
    assert_eq!(Run::new(&["/bin/dash", "-c", SHELL]).same(&root).status.code(), Some(9));
    assert_eq!(Run::new(&["/bin/bash", "-c", BASH]).same(&root).status.code(), Some(1));
    assert_eq!(Run::new(&["/usr/bin/perl", "-e", PERL]).same(&root).status.code(), Some(1));
    let python = Run::new(&[python, "-c", PYTHON]).same(&root);
    assert_eq!(python.status.code(), Some(8), "{python:?}");
}

#[test]
fn on_debian_11_programs_run_as_before() {
    runs_as_before("debian-11", "/usr/bin/python3.9");
}

#[test]
fn on_debian_12_programs_run_as_before() {
    runs_as_before("debian-12", "/usr/bin/python3.11");
}

#[test]
fn on_debian_13_programs_run_as_before() {
    runs_as_before("debian-13", "/usr/bin/python3.13");
}

/// The loader and these libraries, as in an image made by copying what ldd lists.
fn bare_glibc(part: &str, loader: &str, libraries: &[&str]) -> Root {
    let (root, folder) = (Root::empty(), "lib/x86_64-linux-gnu");
    let from = fetched(part).join(folder);
    root.copy(&from.join(loader), "lib64/ld-linux-x86-64.so.2");
    for library in libraries {
        root.copy(&from.join(library), &format!("{folder}/{library}"));
    }
    root
}

#[test]
fn without_libgcc_and_libdl_and_libpthread_a_program_runs_as_before() {
    for part in ["debian-12", "debian-13"] {
        let root = bare_glibc(part, "ld-linux-x86-64.so.2", &["libc.so.6"]);
        let plain = root.add(&Program::new("plain").on(Libc::Glibc236), "plain");
        assert_eq!(Run::new(&[&plain, "word"]).same(&root).status.code(), Some(3));
        let loaded = root.add(&Program::new("loaded").on(Libc::Glibc236), "loaded");
        assert_eq!(Run::new(&[&loaded]).shimmed(&root).stdout, "with the shim\n");
    }
}

#[test]
fn without_libgcc_an_old_program_runs_as_before() {
    let libraries = ["libc.so.6", "libpthread.so.0", "libdl.so.2"];
    let root = bare_glibc("debian-11", "ld-2.31.so", &libraries);
    let forks = root.add(&Program::new("forks"), "forks");
    assert_eq!(Run::new(&[&forks]).same(&root).status.code(), Some(0));
    let loaded = root.add(&Program::new("loaded"), "loaded");
    assert_eq!(Run::new(&[&loaded]).shimmed(&root).stdout, "with the shim\n");
}

#[test]
fn musl_does_not_notice_the_shim() {
    let root = Root::of("musl");
    for (program, word, code) in [("plain", "word", 3), ("execs", "50", 6)] {
        let file = root.add(&Program::new(program).on(Libc::Musl), program);
        let outcome = Run::new(&[&file, word]).same(&root);
        assert_eq!(outcome.status.code(), Some(code), "{outcome:?}");
    }
    let loaded = root.add(&Program::new("loaded").on(Libc::Musl), "loaded");
    assert_eq!(Run::new(&[&loaded]).shimmed(&root).stdout, "alone\n");
}

#[test]
fn a_static_program_does_not_notice_the_shim() {
    let root = Root::empty();
    let plain = root.add(&Program::new("plain").on(Libc::Static), "plain");
    assert_eq!(Run::new(&[&plain, "word"]).same(&root).status.code(), Some(3));
}
