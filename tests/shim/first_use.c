// What the first use of the driver costs a process, in numbers that no other program disturbs: system
// calls, counted by a tracer, and page faults, as the kernel counts them. The work is what CUDA's runtime
// does up to its first allocation. Never fails for being slow.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static long faults(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_minflt;
}

// Where the counted part begins and ends: a call that nobody else makes.
static void mark(void) { syscall(SYS_getppid); }

static int work(void *driver) {
    int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
    int (*retain)(void **, int) = (int (*)(void **, int))dlsym(driver, "cuDevicePrimaryCtxRetain");
    int (*set)(void *) = (int (*)(void *))dlsym(driver, "cuCtxSetCurrent");
    int (*alloc)(uint64_t *, size_t) = (int (*)(uint64_t *, size_t))dlsym(driver, "cuMemAlloc_v2");
    void *context = 0;
    uint64_t address = 0;
    return init(0) || retain(&context, 0) || set(context) || alloc(&address, 512);
}

static int child(void) {
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver || ptrace(PTRACE_TRACEME, 0, 0, 0)) return 1;
    raise(SIGSTOP);
    long before = faults();
    mark();
    int failed = work(driver);
    mark();
    printf("faults %ld\n", faults() - before);
    fflush(stdout);
    return failed;
}

// Each stop but the first is the beginning or the end of a system call.
static int trace(pid_t pid) {
    int status = 0, marks = 0, stops = 0;
    waitpid(pid, &status, 0);
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
    while (ptrace(PTRACE_SYSCALL, pid, 0, 0) == 0 && waitpid(pid, &status, 0) == pid &&
           WIFSTOPPED(status)) {
        struct user_regs_struct registers;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
        ptrace(PTRACE_GETREGS, pid, 0, &registers);
        if (registers.orig_rax == SYS_getppid) marks++;
        else if (marks == 2) stops++;
    }
    printf("calls %d\n", stops / 2);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(child());
    int failed = pid < 0 || trace(pid);
    if (!failed) puts("end");
    return failed;
}
