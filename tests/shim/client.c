/*
 * A program that uses a GPU, for tests of the shim: it reaches the driver by the way that its first
 * argument names, runs the commands that follow, and prints one line for each: the command, the
 * driver's answer, and what it was told.
 *
 * Ways: none, dlsym, proc1 and proc2 (cuGetProcAddress in its two forms), and, where it is built with
 * -DLINKED against libcuda itself, link. Addresses are kept in numbered places: alloc/0 fills place
 * 0, free/0 gives it back.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct ctx *CUcontext;
typedef struct memory {
    unsigned long long total, free, used;
} memory;
typedef struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
} memory_v2;

#define FUNCTIONS(X)                                                                               \
    X(cuInit, 2000, cuInit, (unsigned))                                                            \
    X(cuDeviceTotalMem, 3020, cuDeviceTotalMem_v2, (size_t *, int))                                \
    X(cuCtxCreate, 3020, cuCtxCreate_v2, (CUcontext *, unsigned, int))                             \
    X(cuCtxDestroy, 4000, cuCtxDestroy_v2, (CUcontext))                                            \
    X(cuCtxSetCurrent, 4000, cuCtxSetCurrent, (CUcontext))                                         \
    X(cuDevicePrimaryCtxRetain, 7000, cuDevicePrimaryCtxRetain, (CUcontext *, int))                \
    X(cuDevicePrimaryCtxRelease, 11000, cuDevicePrimaryCtxRelease_v2, (int))                       \
    X(cuDevicePrimaryCtxReset, 11000, cuDevicePrimaryCtxReset_v2, (int))                           \
    X(cuMemAlloc, 3020, cuMemAlloc_v2, (uint64_t *, size_t))                                       \
    X(cuMemAllocManaged, 6000, cuMemAllocManaged, (uint64_t *, size_t, unsigned))                  \
    X(cuMemAllocPitch, 3020, cuMemAllocPitch_v2,                                                   \
      (uint64_t *, size_t *, size_t, size_t, unsigned))                                            \
    X(cuMemFree, 3020, cuMemFree_v2, (uint64_t))                                                   \
    X(cuMemGetInfo, 3020, cuMemGetInfo_v2, (size_t *, size_t *))

#define DECLARE(base, version, name, arguments)                                                    \
    extern int name arguments;                                                                     \
    static int(*p_##base) arguments;
FUNCTIONS(DECLARE)

static void *cuda;

static void find_all(const char *way) {
    int (*proc1)(const char *, void **, int, uint64_t) = 0;
    int (*proc2)(const char *, void **, int, uint64_t, int *) = 0;
#ifdef LINKED
    if (!strcmp(way, "link")) {
#define TAKE(base, version, name, arguments) p_##base = name;
        FUNCTIONS(TAKE)
        return;
    }
#endif
    if (!strcmp(way, "none")) return;
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda) {
        printf("no driver: %s\n", dlerror());
        exit(9);
    }
#define LOOK_UP(base, version, name, arguments) *(void **)&p_##base = dlsym(cuda, #name);
    if (!strcmp(way, "dlsym")) {
        FUNCTIONS(LOOK_UP)
        return;
    }
    *(void **)&proc1 = dlsym(cuda, "cuGetProcAddress");
    *(void **)&proc2 = dlsym(cuda, "cuGetProcAddress_v2");
    int status;
    /* As cudart does: the look-up function is itself looked up, by the first one found. */
    if (!strcmp(way, "proc1"))
        proc1("cuGetProcAddress", (void **)&proc1, 11030, 0);
    else
        proc2("cuGetProcAddress", (void **)&proc2, 12000, 0, &status);
#define ASK(base, version, name, arguments)                                                        \
    if (!strcmp(way, "proc1"))                                                                     \
        proc1(#base, (void **)&p_##base, version, 0);                                              \
    else                                                                                           \
        proc2(#base, (void **)&p_##base, version, 2, 0);
    FUNCTIONS(ASK)
}

static uint64_t address[4096];
static CUcontext context[64];

static void look(const char *text) {
    char *colon = strchr(text, ':');
    const char *name = colon + 1;
    void *handle = !strncmp(text, "default", 7) ? RTLD_DEFAULT
                   : !strncmp(text, "next", 4)  ? RTLD_NEXT
                   : !strncmp(text, "self", 4)  ? dlopen(0, RTLD_NOW)
                   : !strncmp(text, "libc", 4)  ? dlopen("libc.so.6", RTLD_NOW)
                                                : dlopen("libcuda.so.1", RTLD_NOW);
    dlerror();
    errno = 77;
    void *found = dlsym(handle, name);
    int kept = errno == 77;
    const char *error = dlerror();
    Dl_info info = {0};
    if (found) dladdr(found, &info);
    const char *file = info.dli_fname ? strrchr(info.dli_fname, '/') : 0;
    printf("%s %s%s%s\n", text, found ? (file ? file + 1 : "somewhere") : "NULL",
           !found == !!error ? "" : " dlerror-is-wrong", kept ? "" : " errno-changed");
}

static void ask(const char *text) {
    char name[128];
    int version, flags, status = -1;
    void *found = (void *)0x1;
    if (sscanf(text, "%127[^@]@%d/%d", name, &version, &flags) != 3) return;
    int (*proc2)(const char *, void **, int, uint64_t, int *) = dlsym(cuda, "cuGetProcAddress_v2");
    int (*proc1)(const char *, void **, int, uint64_t) = dlsym(cuda, "cuGetProcAddress");
    int result = proc2(name, &found, version, flags, &status);
    Dl_info info = {0};
    if (found && found != (void *)1) dladdr(found, &info);
    const char *file = info.dli_fname ? strrchr(info.dli_fname, '/') : 0;
    printf("%s %d %s %s %d", text, result, file ? file + 1 : found ? "untouched" : "NULL",
           info.dli_sname ? info.dli_sname : "-", status);
    found = (void *)0x1;
    result = proc1(name, &found, version, flags);
    printf(" v1 %d %s\n", result, found == (void *)1 ? "untouched" : found ? "found" : "NULL");
}

/* How much is mapped, in bytes. */
static uint64_t mapped(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1) exit(8);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Initialises the driver with ever more room for mappings; how many tries found too little, or -1. */
static int init_as_room_comes(void) {
    uint64_t before = mapped();
    int tries = 0, result = 800;
    while (result && tries < 20000) {
        struct rlimit limit = {before + 65536ull * tries++, RLIM_INFINITY};
        setrlimit(RLIMIT_AS, &limit);
        result = p_cuInit(0);
    }
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &none);
    return result ? -1 : tries - 1;
}

static void *allocate_forever(void *unused) {
    uint64_t place;
    p_cuCtxSetCurrent(context[0]);
    p_cuMemAlloc(&place, 1 << 20);
    return 0;
}

/* What each of many threads does that begin together and meet the driver for the first time. */
static void *use(void *unused) {
    uint64_t place;
    CUcontext own;
    p_cuInit(0);
    p_cuDevicePrimaryCtxRetain(&own, 0);
    p_cuCtxSetCurrent(own);
    for (int i = 0; i < 1000; i++)
        if (!p_cuMemAlloc(&place, 1 << 20)) p_cuMemFree(place);
    return 0;
}

static void nvml(const char *command, int card) {
    static void *library;
    static int (*start)(void), (*stop)(void), (*handle)(unsigned, void **), (*v1)(void *, memory *),
        (*v2)(void *, memory_v2 *), (*protected)(void *, memory *);
    if (!strcmp(command, "nvml-reload")) {
        /* Unloads the library, and takes its place, so that it cannot come back there. */
        Dl_info info;
        dladdr((void *)stop, &info);
        stop();
        dlclose(library);
        void *place = mmap(info.dli_fbase, 4096, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        printf("%s %s\n", command, place == info.dli_fbase ? "gone" : "still there");
        library = 0;
        return;
    }
    if (!library) {
        library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
        if (!library) {
            printf("no NVML: %s\n", dlerror());
            exit(9);
        }
        *(void **)&start = dlsym(library, "nvmlInit_v2");
        *(void **)&stop = dlsym(library, "nvmlShutdown");
        *(void **)&handle = dlsym(library, "nvmlDeviceGetHandleByIndex_v2");
        *(void **)&v1 = dlsym(library, "nvmlDeviceGetMemoryInfo");
        *(void **)&v2 = dlsym(library, "nvmlDeviceGetMemoryInfo_v2");
        *(void **)&protected = dlsym(library, "nvmlDeviceGetConfComputeProtectedMemoryUsage");
        start();
    }
    void *device = 0;
    memory m = {7, 7, 7};
    memory_v2 n = {0x2000028, 7, 7, 7, 7};
    handle(card, &device);
    if (!strcmp(command, "nvml-wrong")) n.version = 1;
    int is_protected = !strcmp(command, "nvml-protected");
    if (!strcmp(command, "nvml") || is_protected) {
        int r = (is_protected ? protected : v1)(device, &m);
        printf("%s %d total %llu free %llu used %llu\n", command, r, m.total, m.free, m.used);
    } else if (!strcmp(command, "nvml-null")) {
        int r = v1(device, 0), s = v2(device, 0), t = v1(0, &m), u = v2(0, &n);
        printf("%s %d %d %d %d\n", command, r, s, t, u);
    } else {
        int r = v2(device, &n);
        printf("%s %d version %x total %llu reserved %llu free %llu used %llu\n", command, r,
               n.version, n.total, n.reserved, n.free, n.used);
    }
}

/* So many children, each of which allocates and lives until it is told, or until this process ends: how many got
 * it. */
static pid_t last_child;
static int children(uint64_t count, uint64_t bytes) {
    int over[2], got = 0;
    if (pipe(over)) return -1;
    for (uint64_t i = 0; i < count; i++) {
        char result = 0;
        uint64_t at;
        last_child = fork();
        if (!last_child) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            result = !p_cuMemAlloc(&at, bytes);
            if (write(over[1], &result, 1) < 0) _exit(1);
            for (;;) pause();
        }
        struct pollfd told = {over[0], POLLIN};
        if (last_child < 0 || poll(&told, 1, 60000) != 1 || read(over[0], &result, 1) != 1) break;
        got += result;
    }
    close(over[0]);
    close(over[1]);
    return got;
}

/* The first forms, of 32 bits. */
static void first_form(const char *text, const char *command, int place, unsigned bytes) {
    unsigned a = 7, b = 7;
    int r = -1;
    if (!strcmp(command, "v1-alloc"))
        r = ((int (*)(unsigned *, unsigned))dlsym(cuda, "cuMemAlloc"))(&a, bytes);
    else if (!strcmp(command, "v1-pitch"))
        r = ((int (*)(unsigned *, unsigned *, unsigned, unsigned, unsigned))dlsym(cuda, "cuMemAllocPitch"))(
            &a, &b, 1024, bytes / 1024, 4);
    else if (!strcmp(command, "v1-free"))
        r = ((int (*)(unsigned))dlsym(cuda, "cuMemFree"))((unsigned)address[place]);
    else if (!strcmp(command, "v1-info"))
        r = ((int (*)(unsigned *, unsigned *))dlsym(cuda, "cuMemGetInfo"))(&a, &b);
    else if (!strcmp(command, "v1-total"))
        r = ((int (*)(unsigned *, int))dlsym(cuda, "cuDeviceTotalMem"))(&a, 0);
    int takes = !strcmp(command, "v1-alloc") || !strcmp(command, "v1-pitch");
    if (takes && !r) address[place] = a;
    if (takes)
        printf("%s %d%s\n", text, r, r && (a != 7 || b != 7) ? " out-parameter-written" : "");
    else
        printf("%s %d %u %u\n", text, r, a, b);
}

static void run(char *text) {
    char *slash = strchr(text, '/'), *equals = strchr(text, '=');
    int place = slash ? atoi(slash + 1) : 0;
    uint64_t bytes = equals ? strtoull(equals + 1, 0, 0) : 0;
    size_t a = 7, b = 7;
    char command[32] = {0};
    sscanf(text, "%31[^/=]", command);
    int saved = errno = 77;
#define IS(name) (!strcmp(command, name))
    if (IS("init"))
        printf("%s %d\n", text, p_cuInit(0));
    else if (IS("init-wrong"))
        printf("%s %d\n", text, p_cuInit(5));
    else if (IS("retain"))
        printf("%s %d\n", text, p_cuDevicePrimaryCtxRetain(&context[place], place));
    else if (IS("release"))
        printf("%s %d\n", text, p_cuDevicePrimaryCtxRelease(place));
    else if (IS("reset"))
        printf("%s %d\n", text, p_cuDevicePrimaryCtxReset(place));
    else if (IS("current"))
        printf("%s %d\n", text, p_cuCtxSetCurrent(context[place]));
    else if (IS("create"))
        printf("%s %d\n", text, p_cuCtxCreate(&context[place], 0, (int)bytes));
    else if (IS("destroy"))
        printf("%s %d\n", text, p_cuCtxDestroy(context[place]));
    else if (IS("alloc")) {
        uint64_t before = address[place] = 7;
        int r = p_cuMemAlloc(&address[place], bytes);
        printf("%s %d%s\n", text, r, r && address[place] != before ? " out-parameter-written" : "");
    } else if (IS("managed"))
        printf("%s %d\n", text, p_cuMemAllocManaged(&address[place], bytes, 1));
    else if (IS("pitch")) {
        int r = p_cuMemAllocPitch(&address[place], &a, bytes, 1024, 4);
        printf("%s %d pitch %zu\n", text, r, a);
    } else if (IS("free"))
        printf("%s %d\n", text, p_cuMemFree(address[place]));
    else if (IS("free-at"))
        printf("%s %d\n", text, p_cuMemFree(bytes));
    else if (IS("info")) {
        int r = p_cuMemGetInfo(&a, &b);
        printf("%s %d free %zu total %zu\n", text, r, a, b);
    } else if (IS("total")) {
        int r = p_cuDeviceTotalMem(&a, place);
        printf("%s %d total %zu\n", text, r, a);
    } else if (IS("nulls")) {
        int r[] = {p_cuMemAlloc(0, 1 << 20), p_cuMemAllocManaged(0, 1 << 20, 1),
                   p_cuMemAllocPitch(0, 0, 64, 64, 4), p_cuMemGetInfo(0, 0),
                   p_cuDeviceTotalMem(0, 0), p_cuDevicePrimaryCtxRetain(0, 0),
                   p_cuCtxCreate(0, 0, 0), p_cuCtxDestroy(0)};
        printf("nulls");
        for (size_t i = 0; i < sizeof r / sizeof *r; i++) printf(" %d", r[i]);
        puts("");
    } else if (IS("look"))
        look(equals + 1);
    else if (IS("ask"))
        ask(equals + 1);
    else if (!strncmp(command, "v1-", 3))
        first_form(text, command, place, (unsigned)bytes);
    else if (!strncmp(command, "nvml", 4))
        nvml(command, place);
    else if (IS("stream"))
        printf("%s %d\n", text, ((int (*)(void *))dlsym(cuda, "cuStreamGetFlags_ptsz"))(0));
    else if (IS("calls"))
        printf("%s %llu\n", text, ((unsigned long long (*)(void))dlsym(cuda, "standin_calls"))());
    else if (IS("cancel")) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, 0, allocate_forever, 0);
        usleep(200000);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        printf("%s %s\n", text, result == PTHREAD_CANCELED ? "cancelled" : "returned");
    } else if (IS("threads")) {
        pthread_t threads[64];
        for (uint64_t i = 0; i < bytes && i < 64; i++) pthread_create(&threads[i], 0, use, 0);
        for (uint64_t i = 0; i < bytes && i < 64; i++) pthread_join(threads[i], 0);
        printf("%s done\n", text);
    } else if (IS("fork")) {
        /* What stands behind the sign is run by a child. */
        int status;
        fflush(stdout);
        if (!fork()) {
            run(equals + 1);
            _exit(0);
        }
        wait(&status);
        printf("fork %d\n", status);
    } else if (IS("children")) {
        printf("%s %d\n", text, children(place, bytes));
        errno = saved;
    } else if (IS("child-ends")) {
        kill(last_child, SIGKILL);
        printf("%s %d\n", text, waitpid(last_child, 0, 0) == last_child ? 0 : -1);
    } else if (IS("die")) {
        fflush(stdout);
        raise(SIGKILL);
    } else if (IS("close-all")) {
        /* As a daemon does, but for what its tests listen to. */
        for (int i = 3; i < 1024; i++) close(i);
        errno = saved;
        printf("%s done\n", text);
    } else if (IS("no-descriptors") || IS("descriptors")) {
        /* Whether it may open anything. */
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = IS("descriptors") ? limit.rlim_max : 0;
        printf("%s %d\n", text, setrlimit(RLIMIT_NOFILE, &limit));
    } else if (IS("init-as-room-comes")) {
        printf("%s %s\n", text, init_as_room_comes() > 0 ? "at last" : "never");
    } else if (IS("mapped")) {
        printf("%s %lu\n", text, mapped());
    } else if (IS("say")) {
        puts(equals + 1);
    } else if (IS("wait")) {
        puts("waiting");
        fflush(stdout);
        char c;
        if (read(0, &c, 1) < 0) exit(8);
    } else
        printf("unknown command %s\n", text);
    if (errno != saved && !IS("wait") && !IS("cancel")) printf("%s errno-changed\n", text);
    fflush(stdout);
}

int main(int count, char **arguments) {
    if (count > 1) find_all(arguments[1]);
    for (int i = 2; i < count; i++) {
        if (!strcmp(arguments[i], "exec")) {
            /* Another program takes its place, and the words from here on. */
            arguments[i] = arguments[0];
            execv(arguments[0], arguments + i);
            exit(8);
        }
        run(arguments[i]);
    }
    puts("end");
    return 0;
}
